import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Ajv } from "ajv";
import { ConfiguredAgents } from "../lib/app/configured_agents.ts";
import { clinkJsonSchema, readClink } from "../lib/config/clink_file.ts";
import { formatFault } from "../lib/config/config_fault.ts";
import { watchClink } from "../lib/config/clink_watch.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { statePaths } from "../lib/config/paths.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { tempDir } from "./helpers/files.ts";
import { until } from "./helpers/until.ts";

async function read(text: string, env = {}) {
  await using dir = await tempDir({ "clink.json": text });
  const file = await readClink(`${dir.path}/clink.json`, env);
  return { ...file, lines: file.faults.map((fault) => formatFault(fault).replace(`${dir.path}/`, "")) };
}

Deno.test("clink.json describes agents and roles, with comments, variables and limits", async () => {
  const { agents, roles, limits, lines } = await read(
    `{
    // comments are allowed
    "$schema": "clink.schema.json",
    "agents": {
      "claude": { "permissions": ["--permission-mode", "acceptEdits"], "model": "opus" },
      "second": { "preset": "codex", "env": { "CODEX_HOME": "\${env:ALT}/codex", "X": null }, "timeoutSeconds": 60 },
      "mine": { "command": "mine", "args": ["{prompt}"], "format": "text" },
    },
    "roles": { "tester": "You test.", "writer": { "file": "w.md" } },
    "maxDepth": 2, "maxRunning": 8
  }`,
    { ALT: "/alt" },
  );
  assertEquals(lines, []);
  assertEquals(agents.map(({ name }) => name), ["claude", "second", "mine"]);
  assertEquals([agents[1]!.env, agents[1]!.timeoutMs], [{ CODEX_HOME: "/alt/codex", X: null }, 60_000]);
  assertEquals(limits, { maxDepth: 2, maxRunning: 8 });
  const [tester, writer] = roles;
  assertEquals(tester, { name: "tester", text: "You test." });
  assert("file" in writer! && writer.file.endsWith("/w.md"));
});

Deno.test("a fault in clink.json is named with its place and what is allowed, and hides nothing else", async (test) => {
  const faults: Record<string, [text: string, says: string]> = {
    "no program": ['"mine": {}', "agents.mine needs command"],
    "an unknown key": [
      '"mine": { "command": "c", "arg": [] }',
      "agents.mine.arg is no key here; allowed: preset, command",
    ],
    "args as a text": [
      '"mine": { "command": "c", "args": "--x" }',
      "agents.mine.args must be an array of texts",
    ],
    "an unknown format": [
      '"mine": { "command": "c", "format": "xml" }',
      "must be claude, codex, gemini, opencode, text",
    ],
    "no time": ['"mine": { "command": "c", "timeoutSeconds": 0 }', "must be a whole number from 1 to 86400"],
    "a variable that is not set": ['"mine": { "command": "${env:EXAI_NOWHERE}" }', "EXAI_NOWHERE"],
    "a session's variable": ['"mine": { "command": "${workspaceFolder}/x" }', "which only a session has"],
    "a name that is none": ['"a b": { "command": "c" }', "cannot be a name"],
    "no object": ['"mine": true', "agents.mine must be an object"],
  };
  for (const [name, [entry, says]] of Object.entries(faults)) {
    await test.step(name, async () => {
      const { agents, lines } = await read(
        `{\n  "agents": {\n    ${entry},\n    "good": { "command": "c" }\n  }\n}`,
      );
      assertEquals(agents.map(({ name }) => name), ["good"]);
      assertEquals(lines.length, 1);
      assertStringIncludes(lines[0]!, "clink.json:3:");
      assertStringIncludes(lines[0]!, says);
    });
  }
  await test.step("of the file", async () => {
    assertStringIncludes(
      (await read('{"agent": {}}')).lines[0]!,
      "agent is no key here; allowed: agents, roles",
    );
    assertStringIncludes((await read('{"agents": []}')).lines[0]!, "agents must be an object");
    assertStringIncludes(
      (await read('{"roles": {"r": 5}}')).lines[0]!,
      "roles.r must be the instructions as a text",
    );
    assertStringIncludes(
      (await read('{"maxDepth": 9}')).lines[0]!,
      "maxDepth must be a whole number from 1 to 5",
    );
    assertEquals((await read("{")).readable, false);
  });
});

Deno.test("the JSON Schema of clink.json takes what is read, and refuses what is not", () => {
  const validate = new Ajv({ strict: false }).compile(clinkJsonSchema());
  const good = {
    $schema: "x",
    agents: { a: { command: "c", args: ["{prompt}"], env: { X: null } }, claude: { permissions: [] } },
    roles: { r: "text", f: { file: "f.md" } },
    maxDepth: 1,
  };
  assert(validate(good), JSON.stringify(validate.errors));
  for (const bad of [{ agent: {} }, { agents: { a: { arg: [] } } }, { maxRunning: 0 }, { roles: { r: 1 } }]) {
    assertEquals(validate(bad), false, JSON.stringify(bad));
  }
});

Deno.test("a change of clink.json takes effect while running; a faulty or missing one takes nothing away", async () => {
  await using home = await tempDir({ "clink.json": '{"agents": {"one": {"command": "/bin/cat"}}}' });
  const settings = defaultSettings({ home: home.path });
  await using configured = await ConfiguredAgents.open(statePaths(settings));
  const names = async () => (await configured.agents.list()).map(({ name }) => name);
  assert((await names()).includes("one"));
  await home.write(
    "clink.json",
    '{"agents": {"two": {"command": "/bin/cat"}, "claude": {"disabled": true}}}',
  );
  await until("the change", async () => (await names()).includes("two") || undefined);
  assertEquals((await names()).filter((name) => ["one", "claude"].includes(name)), []);
  await home.write("clink.json", '{"agents": {"two": {"comand": "x"}}}');
  await configured.reload();
  assert((await names()).includes("two"));
  assertStringIncludes(configured.faults().join(), "agents.two");
  await home.write("clink.json", "{");
  await configured.reload();
  assert((await names()).includes("two"));
  await Deno.remove(`${home.path}/clink.json`);
  await configured.reload();
  assert((await names()).includes("two"));
  assertStringIncludes(configured.faults().join(), "is gone or empty");
  await home.write("clink.json", "{}");
  await configured.reload();
  assertEquals((await names()).includes("two"), false);
});

Deno.test("a faulty limit in clink.json stays as it was, and so do limits of a file that is gone", async () => {
  await using home = await tempDir({ "clink.json": '{"maxRunning": 1, "maxDepth": 2}' });
  const path = `${home.path}/clink.json`;
  await using watch = await watchClink(path, () => {}, { env: {}, databaseDir: home.path });
  assertEquals(watch.current.limits, { maxDepth: 2, maxRunning: 1 });
  await home.write("clink.json", '{"maxRunning": 100, "maxDepth": 3}');
  assertEquals((await watch.reload()).limits, { maxDepth: 3, maxRunning: 1 });
  await Deno.remove(path);
  const { limits, faults } = await watch.reload();
  assertEquals(limits, { maxDepth: 3, maxRunning: 1 });
  assertStringIncludes(formatFault(faults[0]!), "is gone or empty");
  await home.write("clink.json", "{}");
  assertEquals((await watch.reload()).limits, { maxDepth: 1, maxRunning: 4 });
});

Deno.test("the health of the daemon names the faults of clink.json", async () => {
  await using home = await tempDir({ "clink.json": '{\n  "agents": {"mine": {}}\n}' });
  await using at = await testDaemon({ settings: { home: home.path, findLocal: false } });
  assertStringIncludes(JSON.stringify(at.daemon.health()), "clink.json:2:");
});
