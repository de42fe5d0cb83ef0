import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Ajv } from "ajv";
import { formatFault } from "../lib/config/config_fault.ts";
import { SettingsLoader } from "../lib/config/program_settings.ts";
import { FILE_KEYS } from "../lib/config/setting_keys.ts";
import { readSettingsFile } from "../lib/config/settings_file.ts";
import { settingsJsonSchema } from "../lib/config/settings_schema.ts";
import { type Setting, SETTINGS } from "../lib/config/settings.ts";
import { readWindowSettings } from "../lib/config/window_settings.ts";
import { tempDir } from "./helpers/files.ts";

const NO_ENV = { ENV_FILE: "" };

/** The settings of both programs with `text` as `exai.json`, and what is wrong with it. */
async function load(
  text: string,
  { args = [], env = {} }: { args?: string[]; env?: Record<string, string> } = {},
) {
  await using dir = await tempDir({ "exai.json": text });
  await Deno.chmod(`${dir.path}/exai.json`, 0o600);
  const sources = { args, env: { ...NO_ENV, EXAI_HOME: dir.path, ...env } };
  const daemon = await new SettingsLoader(sources).read();
  const shim = await readWindowSettings(sources);
  const faults = daemon.file.faults.map((fault) => formatFault(fault).replace(`${dir.path}/`, ""));
  return { daemon: daemon.settings, shim: shim.settings, faults, isBlank: daemon.file.isBlank };
}

/** A value that is no default, for each key. */
function exampleOf({ types = ["string"], values, range, fallback, env }: Setting) {
  if (env === "EXAI_DAILY_BUDGET") return { openai: "5 USD", all: "2M tokens" };
  if (env === "LOCALE") return "fr-FR";
  if (types.includes("array")) return [env === "EXAI_ALLOWED_DIRS" ? "/srv" : "one", "/two"].slice(0, 1);
  if (types.includes("object")) return { "codex*": "lean", "/srv": "off", "*": "auto" };
  if (types.includes("boolean")) return fallback !== "true";
  if (types.includes("integer") && types.length > 1) return 12_345_678;
  if (range) return range[1];
  if (values) return values.find((value) => value !== fallback);
  if (env === "EXAI_SOCKET") return "off";
  return /(URL|ENDPOINT)$/.test(env) ? "https://example.com/v1" : "something";
}

const example = Object.fromEntries(
  Array.from(FILE_KEYS, ([key, name]) => [key, exampleOf(SETTINGS[name])]),
);

Deno.test("every setting can stand in exai.json, and the schema accepts a file with all of them", async () => {
  const validate = new Ajv({ strict: false }).compile(settingsJsonSchema());
  assert(validate({ $schema: "./exai.schema.json", ...example }), JSON.stringify(validate.errors));
  const { daemon, shim, faults } = await load(JSON.stringify(example));
  assertEquals(faults, []);
  for (const [key, name] of FILE_KEYS) {
    const unset = await load("{}");
    assert(JSON.stringify(daemon[name]) !== JSON.stringify(unset.daemon[name]), key);
    if (SETTINGS[name].programs.includes("shim")) assertEquals(shim[name], daemon[name], key);
  }
});

Deno.test("the schema refuses what the program refuses: a wrong type, a wrong key", async () => {
  const validate = new Ajv({ strict: false }).compile(settingsJsonSchema());
  for (
    const bad of [{ port: "8765" }, { port: 70_000 }, { logLevel: "loud" }, { calls: "true" }, { prot: 1 }]
  ) {
    assertEquals(validate(bad), false, JSON.stringify(bad));
    assertEquals((await load(JSON.stringify(bad))).faults.length, 1, JSON.stringify(bad));
  }
});

Deno.test("comments, trailing commas, a byte order mark, an empty and a missing file are fine", async () => {
  const text = '\uFEFF// mine\n{ "port": 9001, /* a list */ "disabledTools": ["a", "b",], }';
  const { daemon, shim, faults } = await load(text);
  assertEquals([faults, daemon.port, shim.port, daemon.disabledTools], [[], 9001, 9001, ["a", "b"]]);
  for (const empty of ["", " \n", "{}"]) assertEquals((await load(empty)).faults, [], empty);
  await using dir = await tempDir({});
  const missing = await readSettingsFile(`${dir.path}/exai.json`, {});
  assertEquals([missing.faults, missing.isBlank], [[], true]);
});

Deno.test("flag, environment, exai.json, env file, default: the first that is set counts", async () => {
  await using dir = await tempDir({ ".env": "EXAI_WS_PORT=1003\nEXAI_WS_HOST=host.of.file\n" });
  const env = { ENV_FILE: `${dir.path}/.env` };
  const text = '{ "port": 1002 }';
  const port = async (sources: Parameters<typeof load>[1], content = text) => {
    const { daemon, shim } = await load(content, sources);
    assertEquals(shim.port, daemon.port);
    return daemon.port;
  };
  assertEquals(await port({ env: { ...env, EXAI_WS_PORT: "1001" }, args: ["--port=1000"] }), 1000);
  assertEquals(await port({ env: { ...env, EXAI_WS_PORT: "1001" } }), 1001);
  assertEquals(await port({ env }), 1002);
  assertEquals(await port({ env }, "{}"), 1003);
  assertEquals(await port({}, "{}"), 8765);
  assertEquals(await port({ env: { EXAI_WS_PORT: "" } }), 1002, "an empty variable counts as not set");
  assertEquals((await load('{ "kimiApiKey": "" }', { env })).daemon.kimiApiKey, "");
});

Deno.test("each fault is told with its line and column, its key and what is allowed, and no secret is shown", async () => {
  const { faults, daemon } = await load(`{
  "port": "9000",
  "callTimeout": -1,
  "token": "hunter2",
  "disabledTools": "chat, ask",
  "tlsCert": 5,
  "leanMode": true
}`);
  assertEquals(faults, [
    'exai.json:2:11: port is "9000"; allowed: a whole number from 0 to 65535, without quotes',
    "exai.json:3:18: callTimeout is -1; allowed: a number of seconds from 0.05 to 86400",
    "exai.json:4:12: token is (a secret, not shown); allowed: empty, auto, or 8 to 512 printable ASCII characters, " +
    "with no space at either end",
    'exai.json:5:20: disabledTools is "chat, ask"; allowed: names separated by commas; write it as an array of ' +
    'texts without commas: ["chat", "ask"]',
    "exai.json:6:14: tlsCert is 5; allowed: any text, as a text in quotes",
  ]);
  assertEquals(daemon.leanMode, true, "the others are read");
});

Deno.test("a misspelt key is told with the nearest, and another name of a setting with its key", async () => {
  const cases: [key: string, said: RegExp][] = [
    ["prot", /did you mean "port"\?/],
    ["calltimeout", /the key of EXAI_WS_CALL_TIMEOUT is "callTimeout"/],
    ["call-timeout", /is "callTimeout"/],
    ["callTimeoutMs", /is "callTimeout"/],
    ["EXAI_WS_PORT", /the key of EXAI_WS_PORT is "port"/],
    ["KIMI_API_KEY", /the key of KIMI_API_KEY is "kimiApiKey"/],
    ["home", /hold for every window; use the variable EXAI_HOME or the flag --home/],
    ["EXAI_SERVER", /use the variable EXAI_SERVER/],
    ["mcpServers", /is no key here/],
    ["__proto__", /is no key here/],
    ["toString", /is no key here/],
  ];
  for (const [key, said] of cases) {
    const { faults } = await load(`{ ${JSON.stringify(key)}: "sk-secret-value" }`);
    assertEquals(faults.length, 1, key);
    assertMatch(faults[0]!, said);
    assert(!faults[0]!.includes("sk-secret"), faults[0]);
  }
  assertMatch((await load('{ "port": 1, "port": 2 }')).faults[0]!, /^exai.json:1:\d+: port stands twice/);
});

Deno.test("what is no JSON object is a fault of the file, and a window goes on without it", async () => {
  for (const text of ["{", "[]", "5", '"port"', "{ port: 1 }", '{ "port" 1 }', "null"]) {
    const { faults, shim } = await load(text);
    assertEquals([faults.length, shim.port], [1, 8765], text);
    assertMatch(faults[0]!, /^exai\.json:1:\d+: /);
  }
});

Deno.test("a value may stand in the environment or in a file of its own", async () => {
  await using dir = await tempDir({ "kimi": "sk-of-a-file\n" });
  const text = JSON.stringify({ kimiApiKey: `\${file:${dir.path}/kimi}`, token: "${env:MY_TOKEN}" });
  const { daemon, shim, faults } = await load(text, { env: { MY_TOKEN: "correct-horse" } });
  assertEquals([faults, daemon.kimiApiKey, daemon.token, shim.token], [
    [],
    "sk-of-a-file",
    "correct-horse",
    "correct-horse",
  ]);
  assertStringIncludes((await load('{ "token": "${env:NOT_THERE}" }')).faults[0]!, "NOT_THERE");
});

Deno.test({
  name: "an exai.json that others may write is not used, and a secret that others may read is warned about",
  ignore: Deno.build.os === "windows",
  fn: async () => {
    await using dir = await tempDir({ "exai.json": '{ "port": 9001, "kimiApiKey": "sk-secret-value" }' });
    const path = `${dir.path}/exai.json`;
    await Deno.chmod(path, 0o666);
    const sources = { args: [], env: { ...NO_ENV, EXAI_HOME: dir.path } };
    const { file, settings } = await new SettingsLoader(sources).read();
    assertMatch(formatFault(file.faults[0]!), /is not used.*chmod go-w/);
    assertEquals([settings.port, (await readWindowSettings(sources)).settings.port], [8765, 8765]);
    await Deno.chmod(dir.path, 0o755);
    await Deno.chmod(path, 0o644);
    const [warning] = (await readSettingsFile(path, {})).warnings.map(formatFault);
    assertMatch(warning!, /kimiApiKey is a secret that other users can read; chmod 600/);
    assert(!warning!.includes("sk-secret"));
  },
});

Deno.test("a token that was made before is asked for again, unless an empty one is set", async () => {
  await using dir = await tempDir({ "token": "the token of an earlier daemon\n" });
  const sources = { args: [] as string[], env: { ...NO_ENV, EXAI_HOME: dir.path } };
  const both = async () => [
    (await new SettingsLoader(sources).read()).settings.token,
    (await readWindowSettings(sources)).settings.token,
  ];
  assertEquals(await both(), ["auto", "auto"]);
  sources.args = ["--token="];
  assertEquals(await both(), ["", ""]);
  sources.args = [];
  await dir.write("exai.json", '{ "token": "" }');
  assertEquals(await both(), ["", ""]);
});
