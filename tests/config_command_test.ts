import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { UsageError } from "../lib/base/errors.ts";
import { configCommand } from "../lib/commands/config.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { outcomeOf } from "./helpers/command.ts";
import { tempDir } from "./helpers/files.ts";
import { runDaemon } from "./helpers/program.ts";

/** A home with `files`, in which `config` is run. */
async function homeWith(files: Record<string, string>) {
  const dir = await tempDir(files);
  for (const name of Object.keys(files)) {
    if (Deno.build.os !== "windows") await Deno.chmod(`${dir.path}/${name}`, 0o600);
  }
  const settings = defaultSettings({ home: dir.path, port: 0 });
  return {
    ...dir,
    run: (...args: string[]) => outcomeOf(configCommand, args, { settings }),
    [Symbol.asyncDispose]: dir[Symbol.asyncDispose],
  };
}

Deno.test("config check names each fault of each file with its place, and exits with 1", async () => {
  await using home = await homeWith({
    "exai.json": '{\n  "callTimeout": "soon"\n}',
    "mcp.json": '{"mcpServers": {\n  "a": {"comand": "x"},\n  "b": {"command": "y", "disabled": true}\n}}',
    "models.json": "{\n  nonsense\n}",
    "clink.json": '{"agents": {\n  "mine": {}\n}}',
  });
  const { text, code, json } = await home.run("check");
  assertEquals(code, 1);
  for (const place of ["exai.json:2:", "mcp.json:2:", "models.json:2:", "clink.json:2:"]) {
    assertStringIncludes(text, join(home.path, place));
  }
  const [exai, mcp] = json as { faults: { line: number; server?: string; key?: string }[]; holds: string }[];
  assertEquals([exai!.faults[0]!.line, exai!.faults[0]!.key], [2, "callTimeout"]);
  assertEquals([mcp!.faults[0]!.line, mcp!.faults[0]!.server], [2, "a"]);
  assertEquals(mcp!.holds, "0 servers, 1 switched off, 1 faulty");
});

Deno.test("config check of files in order exits with 0, also where there are none", async () => {
  await using none = await homeWith({});
  const { text, code } = await none.run();
  assertEquals([code, text.match(/none there/g)?.length], [0, 4]);
  await using some = await homeWith({ "mcp.json": '{"mcpServers": {"a": {"command": "x"}}}' });
  const one = await some.run("check", "mcp.json");
  assertEquals(one.code, 0);
  assertMatch(one.text, /^ok +1 server +.*mcp\.json$/m);
  assert(!one.text.includes("exai.json"), one.text);
});

Deno.test("config path says where each file is, and one alone for scripts", async () => {
  await using home = await homeWith({ "mcp.json": "{}" });
  assertEquals((await home.run("path", "mcp")).text, join(home.path, "mcp.json"));
  assertEquals((await home.run("path", "home")).text, home.path);
  const { json } = await home.run("path");
  const there = (json as { name: string; is_there: boolean }[]).filter(({ is_there }) => is_there);
  assertEquals(there.map(({ name }) => name), ["mcp", "home"]);
  await assertRejects(() => home.run("path", "mpc"), UsageError, "did you mean mcp?");
});

Deno.test("config schema prints the schemas that docs/ has", async () => {
  await using home = await homeWith({});
  for (const name of ["mcp", "exai", "clink"]) {
    const shown = JSON.parse((await home.run("schema", name)).text);
    const file = new URL(`../docs/${name}.schema.json`, import.meta.url);
    assertEquals(shown, JSON.parse(await Deno.readTextFile(file)));
  }
  assertEquals((await home.run("schema")).text, (await home.run("schema", "mcp")).text);
  await assertRejects(() => home.run("schema", "models"), UsageError, "mcp, exai and clink");
  await assertRejects(() => home.run("check", "modles"), UsageError, "did you mean models?");
});

Deno.test({
  name: "config edit opens the file in the user's editor, making it first, and checks what was saved",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using home = await homeWith({ "my editor": '#!/bin/sh\ncat "$2"; printf "$1" > "$2"\n' });
    await Deno.chmod(`${home.path}/my editor`, 0o700);
    const edit = (saved: string, ...args: string[]) =>
      runDaemon({
        home: home.path,
        args: ["config", "edit", ...args],
        env: { VISUAL: `'${home.path}/my editor' '${saved}'`, EDITOR: "false" },
      });
    const good = await edit('{"mcpServers": {"a": {"command": "x"}}}');
    assertEquals([good.code, good.stderr], [0, ""]);
    assertStringIncludes(good.stdout, '"mcpServers": {}');
    assertMatch(good.stdout, /^ok +1 server/m);
    assertEquals((await Deno.stat(`${home.path}/mcp.json`)).mode! & 0o777, 0o600);
    const bad = await edit("{", "mcp");
    assertEquals(bad.code, 1);
    assertStringIncludes(bad.stdout, `${home.path}/mcp.json:1:`);
  },
});

Deno.test({
  name: "an editor that fails or is missing is named",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using home = await homeWith({});
    const edit = (VISUAL: string) =>
      runDaemon({ home: home.path, args: ["config", "edit"], env: { VISUAL } });
    const failed = await edit("false");
    assertEquals(failed.code, 1);
    assertStringIncludes(failed.stderr, `false ${home.path}/mcp.json`);
    const missing = await edit("exai-no-such-editor --wait");
    assertEquals(missing.code, 1);
    assertStringIncludes(missing.stderr, "exai-no-such-editor --wait");
    assertStringIncludes(missing.stderr, "set EDITOR");
  },
});
