import { assert, assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import { scripted, tool } from "../helpers/command_rig.ts";
import { tempDir } from "../helpers/files.ts";
import { installPlace } from "../helpers/install_place.ts";
import { runDaemon } from "../helpers/program.ts";

/** What docs/moving.md says to do, done with the real program. */
function unixTest(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore: Deno.build.os === "windows", fn });
}

const SAME = scripted({ "tools/list": { tools: [tool("same")] } });
const root = fromFileUrl(new URL("../../", import.meta.url));

/** Where packages are: below the real home, unless it is set. */
async function packages(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** The programs of a release, run from source. */
function realProgram(denoDir: string): string {
  return `#!/bin/sh
export DENO_DIR='${denoDir}' EXAI_WS_PORT=0 EXAI_KEYCHAIN=off ENV_FILE=
exec '${Deno.execPath()}' run -A --no-check '${root}'"$(basename "$0" | sed s/exai-//)".ts "$@"
`;
}

unixTest("uninstalling leaves what you wrote and the state, and with --purge nothing", async () => {
  const denoDir = await packages();
  const cursor = JSON.stringify({ mcpServers: { one: { ...SAME, env: { DENO_DIR: denoDir } } } }, null, 2);
  await using it = await installPlace(
    { ".cursor/mcp.json": cursor, ".profile": "export A=1\n" },
    realProgram(denoDir),
  );
  // Where the test fails before it uninstalls.
  await using _stopped = {
    [Symbol.asyncDispose]: async () => void await it.run(`${it.installed}/bin/exai-daemon`, ["stop"]),
  };
  const before = await it.files();
  for (const purge of [false, true]) {
    const installed = await it.install(["--adopt"]);
    assertEquals(installed.code, 0, installed.output);
    assertStringIncludes((await it.files())[".cursor/mcp.json"]!, "shim.ts");
    const tools = await it.run(`${it.installed}/bin/exai-daemon`, ["tools", "one"]);
    assertStringIncludes(tools.output, "same");
    const { code, output } = await it.uninstall(purge ? ["--purge"] : []);
    assertEquals(code, 0, output);
    assertMatch(output, purge ? /deleted .*state\/exai/ : /What you wrote yourself and the state stay/);
    const after = await it.files();
    const left = Object.keys(after).filter((path) => !(path in before));
    assertEquals(Object.fromEntries(Object.keys(before).map((path) => [path, after[path]])), before);
    if (purge) assertEquals(left, []);
    else {
      assert(left.includes(".local/state/exai/names.db"), left.join());
      // The mcp.json that adopt has made is gone with what it adopted.
      assertEquals(left.filter((path) => !path.startsWith(".local/state/exai/")), []);
    }
  }
});

/** A state directory with its files, and `exai-daemon` run there. */
async function machine() {
  const dir = await tempDir({});
  await Deno.chmod(dir.path, 0o700);
  const exai = (args: string[], input?: string) =>
    runDaemon({ home: dir.path, args, ...(input === undefined ? {} : { input }) });
  return {
    home: dir.path,
    exai,
    async write(name: string, value: unknown) {
      await Deno.writeTextFile(join(dir.path, name), JSON.stringify(value), { mode: 0o600 });
    },
    /** What a window is offered, by the names it is offered. */
    async tools(): Promise<string[]> {
      const { stdout, stderr } = await exai(["tools", "--json"]);
      const { tools } = JSON.parse(stdout || stderr);
      return tools.map(({ name }: { name: string }) => name);
    },
    async [Symbol.asyncDispose]() {
      await exai(["stop"]);
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** A machine that has been used: a name that two servers have, a secret, a token. */
async function usedMachine() {
  const old = await machine();
  const one = { ...SAME, env: { KEY: "${secret:github}" } };
  await old.write("exai.json", { exai: "off", token: "auto" });
  assertEquals((await old.exai(["secret", "set", "github"], "canary-moving")).code, 0);
  await old.write("mcp.json", { mcpServers: { one } });
  assertEquals(await old.tools(), ["same"]);
  await old.write("mcp.json", { mcpServers: { one, two: SAME } });
  await old.exai(["reload"]);
  assertEquals(await old.tools(), ["same", "two__same"]);
  await old.exai(["stop"]);
  return old;
}

unixTest("a machine that was used is moved, kept as a backup and met by an older release", async () => {
  await using old = await usedMachine();
  await serveElsewhere(old.home);
  await restore(old.home);
  await goBack(old);
});

/** What the user wrote and the names serve on another machine; secrets and tokens stay behind. */
async function serveElsewhere(home: string): Promise<void> {
  await using next = await machine();
  for (const name of ["mcp.json", "exai.json", "names.db"]) {
    await Deno.copyFile(join(home, name), join(next.home, name));
  }
  assertStringIncludes((await next.exai(["doctor", "--quick"])).stdout, "exai-daemon secret set github");
  assertEquals((await next.exai(["secret", "set", "github"], "canary-moved")).code, 0);
  assertEquals(await next.tools(), ["same", "two__same"]);
  const token = (home: string) => Deno.readTextFile(join(home, "token"));
  assertNotEquals(await token(next.home), await token(home));
}

/** A backup of the whole directory brings everything back, the vault too. */
async function restore(home: string): Promise<void> {
  await using restored = await machine();
  const copied = await new Deno.Command("cp", { args: ["-a", `${home}/.`, restored.home] }).output();
  assert(copied.success);
  assertEquals(await restored.tools(), ["same", "two__same"]);
}

/** A database of a newer release is put aside by an older one, as it was. */
async function goBack({ home, exai, tools }: Awaited<ReturnType<typeof usedMachine>>): Promise<void> {
  const path = join(home, "names.db");
  const db = new DatabaseSync(path);
  db.exec("PRAGMA user_version = 99");
  db.close();
  const newer = await Deno.readFile(path);
  await tools();
  const aside = (await Array.fromAsync(Deno.readDir(home), ({ name }) => name))
    .find((name) => name.startsWith("names.db.damaged-"));
  assert(aside !== undefined);
  assertEquals(await Deno.readFile(join(home, aside)), newer);
  assertStringIncludes((await exai(["status"])).stdout, aside);
}
