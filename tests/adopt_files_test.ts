import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { isObject, type Json, type JsonObject } from "../lib/base/json.ts";
import { valueAt } from "../lib/base/json.ts";
import { readServers } from "../lib/config/servers.ts";
import { type ClientReading, readClientFile, sectionsOf } from "../lib/adopt/read.ts";
import { SHIM, TestUser } from "./helpers/adoption.ts";

/** A client's file, as people have it, and what is expected of it. */
interface Fixture {
  /** Where it is, as in the table of clients; `{zed}` and `{intellij}` differ by system. */
  at: string;
  /** The names of its servers in `mcp.json`. */
  servers: string[];
  mode: "together" | "each" | "none" | "left" | "read-only";
  disabled?: string[];
  /** Entries that stay as they are. */
  kept?: string[];
  asks?: string[];
  line?: number;
}

const DIR = fromFileUrl(new URL("fixtures/clients/", import.meta.url));
const FIXTURES = JSON.parse(await Deno.readTextFile(join(DIR, "index.json"))) as Record<string, Fixture>;

const at = (template: string) =>
  template.replace("{zed}", "{config}/zed/settings.json")
    .replace("{intellij}", "{config}/github-copilot/intellij/mcp.json");

Deno.test("more than 40 files as people have them are tested", () => {
  assert(Object.keys(FIXTURES).length >= 60, `${Object.keys(FIXTURES).length}`);
});

for (const [name, fixture] of Object.entries(FIXTURES)) {
  Deno.test(`${name} is adopted, and is the same to the byte once that is undone`, async () => {
    await using user = await TestUser.create();
    const before = await Deno.readFile(join(DIR, name));
    const path = await user.write(at(fixture.at), before);
    const prepared = await user.adopt();
    const { plan } = prepared;
    assertEquals(plan.servers.map(({ name }) => name), fixture.servers);
    assertEquals(
      plan.servers.filter((one) => one.isDisabled).map(({ name }) => name),
      fixture.disabled ?? [],
    );
    assertEquals(plan.kept.map(({ entry }) => entry.name), fixture.kept ?? []);
    assertEquals(plan.servers.flatMap(({ asks }) => asks.map(({ id }) => id)), fixture.asks ?? []);
    const after = await Deno.readFile(path);
    if (fixture.mode === "left") {
      const reasons = plan.left.map(({ reason }) => reason);
      assertEquals(reasons.length, 1, "the file is named");
      if (fixture.line !== undefined) assertStringIncludes(reasons[0]!, `line ${fixture.line}:`);
    } else assertEquals(plan.left, []);
    if (["left", "none", "read-only"].includes(fixture.mode)) assertEquals(after, before);
    else await checkChanged(path, fixture, plan.files[0]!.reading);
    if (fixture.servers.length === 0) return;

    const again = await user.prepare();
    assertEquals(again.plan.imports, [], "adopting once more imports nothing");
    assertEquals(again.plan.files.filter(({ edits }) => edits.length > 0), [], "and changes nothing");
    for (const { how } of await user.undo()) assert(["restored", "removed"].includes(how), how);
    assertEquals(await Deno.readFile(path), before);
  });
}

/** Only the servers in the file are others, and they lead to EXAI. */
async function checkChanged(path: string, { mode, servers, kept = [] }: Fixture, before: ClientReading) {
  const after = await readClientFile(before.found) as ClientReading;
  const sections = before.found.file.sections;
  assertEquals(without(after, sections), without(before, sections), "the rest of the file");
  const shimmed = after.entries.filter(({ value }) => JSON.stringify(value).includes(SHIM.command));
  const untouched = after.entries.filter((entry) => !shimmed.includes(entry));
  assertEquals(untouched.map(({ name }) => name), kept);
  if (mode === "together") {
    assertEquals(shimmed.map(({ name }) => name), ["exai"]);
    assert(!JSON.stringify(shimmed[0]!.value).includes("--server"));
  } else {
    const named = shimmed.map(({ value }) => /--server=([\w-]+)/.exec(JSON.stringify(value))?.[1]);
    assertEquals(named.toSorted(), [...servers, "exai"].toSorted());
  }
  const bytes = await Deno.readTextFile(path);
  const lines = before.image.text.split("\n");
  if (lines.length > 1) {
    assertEquals(/\r\n/.test(bytes), /\r\n/.test(before.image.text), "line ends");
    assertEquals(/(?<!\r)\n/.test(bytes), /(?<!\r)\n/.test(before.image.text), "no other line ends");
  }
  assertEquals(bytes.startsWith("\uFEFF"), before.image.text.startsWith("\uFEFF"), "byte order mark");
}

function without({ document }: ClientReading, sections: readonly (readonly string[])[]): Json {
  const root = structuredClone(document.value) as Json;
  for (const section of sectionsOf(sections, root)) {
    if (section.length === 0) return [];
    const around = valueAt(root, section.slice(0, -1));
    if (isObject(around)) delete around[section.at(-1)!];
  }
  // An object made on the way to the entry of EXAI.
  for (const [key] of sections) if (key !== undefined && isObject(root)) prune(root, key);
  return JSON.parse(JSON.stringify(root));
}

function prune(root: JsonObject, key: string): void {
  if (isObject(root[key]) && Object.keys(root[key]).length === 0) delete root[key];
}

Deno.test("comments outside of the entries that go stay in the file", async () => {
  await using user = await TestUser.create();
  for (const name of ["cursor_comments.jsonc", "zed.jsonc", "codex.toml", "goose.yaml", "continue.yaml"]) {
    await user.write(at(FIXTURES[name]!.at), await Deno.readFile(join(DIR, name)));
  }
  await user.adopt();
  const cursor = await user.read("{home}/.cursor/mcp.json");
  for (const comment of ["// servers of the team", "/* search */"]) assertStringIncludes(cursor, comment);
  assertStringIncludes(await user.read("{config}/zed/settings.json"), "// For information, see");
  const codex = await user.read("{codex}/config.toml");
  for (const comment of ["# the usual", "# docs"]) assertStringIncludes(codex, comment);
  assertStringIncludes(await user.read("{config}/goose/config.yaml"), "# mine");
  assertStringIncludes(await user.read("{home}/.continue/config.yaml"), "schema: v1");
});

Deno.test("every file of a fixture that was imported can be read as mcp.json without a fault", async () => {
  await using user = await TestUser.create();
  for (const [name, { at: template }] of Object.entries(FIXTURES)) {
    if (await Deno.lstat(user.path(at(template))).catch(() => undefined)) continue;
    await user.write(at(template), await Deno.readFile(join(DIR, name)));
  }
  const { plan } = await user.adopt();
  assert(plan.servers.length >= 20, `${plan.servers.length}`);
  const env = { EXA_API_KEY: "k", ISSUES_TOKEN: "t", LINEAR_TOKEN: "l", HOME: user.dir };
  const { faults, warnings } = await readServers(user.mcp, { env });
  // The one value that VS Code asks for is still to be written.
  assertEquals(faults.map(({ key }) => key), ["env.API_TOKEN"]);
  assertEquals(warnings, []);
  for (const { path } of await user.undo()) assert(path.length > 0);
});
