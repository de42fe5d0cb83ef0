import { assert, assertEquals, assertThrows } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import { formatHelp, settingsOf } from "../lib/config/help.ts";
import { defaultSettings, loadSettings, type SettingSources } from "../lib/config/load.ts";
import { type Setting, SETTINGS } from "../lib/config/settings.ts";

const settings = Object.entries<Setting>(SETTINGS);

/** Loads with nothing of this machine's own environment. */
function load(sources: SettingSources = {}) {
  return loadSettings({ args: [], env: {}, ...sources });
}

function faultsOf(sources: SettingSources): string[] {
  const error = assertThrows(() => load(sources), ExaiError);
  assertEquals(error.code, sources.args === undefined ? "CONFIG" : "INVALID_PARAMS");
  return error.message.split("\n");
}

function withEnvFile(text: string, use: (path: string, dir: string) => void): void {
  const dir = Deno.makeTempDirSync();
  const path = join(dir, ".env");
  Deno.writeTextFileSync(path, text);
  try {
    use(path, dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

Deno.test("a flag beats the environment, the environment the env file, the env file the default", () => {
  withEnvFile("EXAI_WS_PORT=1003\nEXAI_WS_HOST=host.of.file\n", (path) => {
    const env = { ENV_FILE: path, EXAI_WS_PORT: "1002" };
    assertEquals(load({ env, args: ["--port", "1001"] }).settings.port, 1001);
    assertEquals(load({ env }).settings.port, 1002);
    assertEquals(load({ env: { ENV_FILE: path } }).settings.port, 1003);
    assertEquals(load({ env }).settings.host, "host.of.file");
    assertEquals(load().settings.port, 8765);
  });
});

Deno.test("the .env beside the program is read unless ENV_FILE names another or is empty", () => {
  withEnvFile("EXAI_WS_PORT=1003\n", (path, programDir) => {
    assertEquals(load({ programDir }).settings.port, 1003);
    assertEquals(load({ programDir, env: { ENV_FILE: "" } }).settings.port, 8765);
    assertEquals(load({ args: ["--env-file", path] }).settings.port, 1003);
    assertEquals(load({ programDir: join(programDir, "none") }).settings.port, 8765);
  });
});

Deno.test("an env file that was named and cannot be read is a fault", () => {
  const [fault] = faultsOf({ env: { ENV_FILE: "/no/such/file" } });
  assert(fault?.includes("ENV_FILE") && fault.includes("/no/such/file"), fault);
});

Deno.test("an empty value in the environment stands for the default", () => {
  const env = { EXAI_WS_PORT: "", EXAI_WS_HOST: "", LOG_LEVEL: "", EXAI_WS_TOKEN: "" };
  assertEquals(load({ env }).settings, load().settings);
  withEnvFile("EXAI_WS_TOKEN=secret-of-file\n", (path) => {
    assertEquals(load({ env: { ...env, ENV_FILE: path } }).settings.token, "");
  });
});

Deno.test("every fault is told at once, a line each with variable, value and what is allowed", () => {
  const faults = faultsOf({
    env: { EXAI_WS_PORT: "70000", LOG_LEVEL: "loud", EXAI_WS_CALL_TIMEOUT: "soon", LEAN_MODE: "maybe" },
  });
  assertEquals(faults, [
    'EXAI_WS_PORT (--port) is "70000"; allowed: a whole number from 0 to 65535',
    'EXAI_WS_CALL_TIMEOUT (--call-timeout) is "soon"; allowed: a number of seconds from 0.05 to 86400',
    'LOG_LEVEL (--log-level) is "loud"; allowed: trace, debug, info, warning, error, fatal',
    'LEAN_MODE (--lean-mode) is "maybe"; allowed: true or false',
  ]);
});

Deno.test("a fault in a secret does not show the secret", () => {
  const [fault] = faultsOf({ env: { EXAI_WS_TOKEN: "hunter2" } });
  assert(fault?.startsWith("EXAI_WS_TOKEN (--token)") && !fault.includes("hunter2"), fault);
});

Deno.test("a flag that does not exist is a fault, and its value is not taken for a word", () => {
  assert(faultsOf({ args: ["--prot", "1"] })[0]?.includes("--prot"));
  assert(faultsOf({ args: ["-x"] })[0]?.includes("-x"));
});

Deno.test("an address written as a URL is a fault", () => {
  assert(faultsOf({ env: { EXAI_WS_HOST: "ws://127.0.0.1" } })[0]?.includes("a host name or an IP address"));
});

Deno.test("a flag without its value is a fault", () => {
  assert(faultsOf({ args: ["--port"] })[0]?.includes("EXAI_WS_PORT"));
  assert(faultsOf({ args: ["--host"] })[0]?.includes("EXAI_WS_HOST"));
});

Deno.test("flags are read in every usual way of writing them", () => {
  assertEquals(load({ args: ["--port=1"] }).settings.port, 1);
  assertEquals(load({ args: ["--port", "2", "--port", "3"] }).settings.port, 3);
  assertEquals(load({ args: ["--lean-mode", "true"] }).settings.leanMode, true);
  assertEquals(load({ args: ["--token", "12345678"] }).settings.token, "12345678");
  assertEquals(load({ args: ["--token=0123456789012345678901"] }).settings.token, "0123456789012345678901");
});

Deno.test("a command's own switches and options are told apart from settings", () => {
  const loaded = load({
    args: ["list", "-h", "--if-not-running", "--server", "a", "--server", "b", "--port", "1", "more"],
    switches: ["if-not-running", "off"],
    options: ["server"],
  });
  assertEquals([...loaded.switches], ["help", "if-not-running"]);
  assertEquals(loaded.options.get("server"), ["a", "b"]);
  assertEquals(loaded.words, ["list", "more"]);
});

Deno.test("times are read in seconds and kept in milliseconds, lists without blanks", () => {
  const { settings } = load({
    env: { EXAI_WS_PING_INTERVAL: "1.5", DISABLED_TOOLS: " a, b,,c ", CONVERSATION_TIMEOUT_HOURS: "2" },
  });
  assertEquals(settings.pingIntervalMs, 1500);
  assertEquals(settings.disabledTools, ["a", "b", "c"]);
  assertEquals(settings.conversationTimeoutMs, 7_200_000);
});

Deno.test("the defaults are the documented ones", () => {
  const { host, port, token, maxFrameBytes, sessionMaxInflight, globalMaxInflight, autostart } =
    defaultSettings();
  assertEquals(
    [host, port, token, maxFrameBytes, sessionMaxInflight, globalMaxInflight, autostart],
    ["127.0.0.1", 8765, "", 33554432, 8, 24, true],
  );
});

Deno.test("every setting has a name of its own, help, what is allowed, and a default that is allowed", () => {
  for (const unique of [settings.map(([, { env }]) => env), settings.map(([, { flag }]) => flag)]) {
    assertEquals(new Set(unique).size, settings.length);
  }
  for (const [name, setting] of settings) {
    assert(/^[A-Z][A-Z0-9_]+$/.test(setting.env), name);
    assert(/^[a-z][a-z0-9-]+$/.test(setting.flag), name);
    assert(setting.help.length > 10 && !setting.help.endsWith("."), `${name}: ${setting.help}`);
    assert(setting.allowed.length > 0 && setting.programs.length > 0, name);
    assert(!/(Ms|Bytes)$/.test(name) || setting.unit !== undefined, `${name} has no unit`);
  }
  defaultSettings();
});

Deno.test("help names every setting of the program with its variable, default and allowed values", () => {
  for (const program of ["daemon", "shim"] as const) {
    const text = formatHelp({
      program: `exai-${program}`,
      usage: "[settings]",
      about: "What it is.",
      settings: settingsOf(program),
      switches: [{ flag: "if-not-running", help: "Exit with 0 when one runs" }],
    });
    for (const [name, setting] of settings) {
      const shown = text.includes(`--${setting.flag} `) && text.includes(setting.env);
      assertEquals(shown, setting.programs.includes(program), `${program}: ${name}`);
    }
    for (const part of ["What it is.", `Usage: exai-${program} [settings]`, "--help", "--if-not-running"]) {
      assert(text.includes(part), part);
    }
    assert(!/NaN|default auto [A-Z]/.test(text), "a default that is a word has no unit");
  }
});
