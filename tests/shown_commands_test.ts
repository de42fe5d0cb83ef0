import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { COMMANDS } from "../lib/commands/commands.ts";
import { commandHelp } from "../lib/commands/help.ts";
import { loadSettings } from "../lib/config/load.ts";
import { SHIM_V8_FLAGS } from "../lib/config/shim_program.ts";
import { readClink } from "../lib/config/clink_file.ts";
import { readModels } from "../lib/config/models_file.ts";
import { formatFault, readServers } from "../lib/config/servers.ts";
import { readSettingsFile } from "../lib/config/settings_file.ts";
import { loadServerTls } from "../lib/config/tls.ts";
import denoJson from "../deno.json" with { type: "json" };
import { commandLine, WORDS } from "./helpers/command_line.ts";
import { tempDir } from "./helpers/files.ts";
import { codeBlocks, readPages, shownCommands, wordsOf } from "./helpers/pages.ts";
import { symptomsOf } from "./helpers/symptoms.ts";

const root = fromFileUrl(new URL("..", import.meta.url));
const TASKS: Readonly<Record<string, { command: string }>> = denoJson.tasks;

/** What is checked by less than running it, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  "deno task ok": "runs this test",
  "deno task long": "takes minutes",
  "deno fmt": "writes files; the gate runs it with --check",
  "deno check": "the gate runs it",
  "deno task test": "runs this test",
  "deno task slow": "takes minutes",
  "deno task docs": "writes files; the gate runs it with --check",
  "deno task compile": "takes minutes; compile_test runs it",
  "tar -xzf exai-*.tar.gz": "needs a release; trial does it",
  "exai-*/install.sh": "install_script_test runs it",
  "exai-*/install.sh --adopt": "install_script_test runs it",
  "npx exai-shim": "needs a published release; npm_packages_test runs it",
  "deno task release": "takes minutes; release_test tests what it is made of",
  "gh attestation verify FILE --repo OWNER/NAME": "a program of others, about a published release",
  "deno task trial": "needs a release; CI runs it after one was built",
  "npx -y deno@2.9.6 task smoke": "downloads a package",
  "npx -y deno@2.9.6 task ok": "downloads a package",
  "npx -y deno@2.9.6 task slow": "downloads a package",
  "npx -y deno@2.9.6 task compile": "downloads a package",
  "npx -y deno@2.9.6": "downloads a package",
  "claude mcp add --scope user exai -- /path/to/exai/exai-shim": "a program of others",
  "npx mcp-remote URL": "a program of others",
  "exai-daemon auth refresh": "started by the daemon alone; oauth_renewal_test runs it",
  "exai-daemon service install": "changes the machine; service_test runs it with a double of systemd",
  "exai-daemon service uninstall": "changes the machine; service_test runs it with a double of systemd",
  "exai-daemon service status": "looks at the machine; service_test runs it with a double of systemd",
  "deno bundle NAME.ts -o NAME.js": "a command of Deno; user_tools_test loads such files",
};

/** Commands that end, change or ask what is outside of this test, and the test that runs them. */
const RUN_ELSEWHERE: Readonly<Record<string, string>> = {
  "exai-daemon stop": "tests/long/stop_test.ts",
  "exai-daemon restart": "tests/long/stop_test.ts",
  "exai-daemon top": "tests/long/top_test.ts",
  "exai-daemon top --json": "tests/long/top_test.ts",
  "exai-daemon logs --follow": "tests/long/logs_test.ts",
  "exai-daemon config edit [mcp|exai|models]": "tests/config_command_test.ts",
  "exai-daemon secret set NAME": "tests/long/secret_command_test.ts",
  "exai-daemon secret set github": "tests/long/secret_command_test.ts",
  "exai-daemon secret remove NAME": "tests/long/secret_command_test.ts",
  "exai-daemon secret move-key": "tests/long/secret_command_test.ts",
  "exai-daemon secret remove github": "tests/long/secret_command_test.ts",
  "exai-daemon auth login": "tests/long/login_ways_test.ts",
  "exai-daemon secret move-key --from FILE": "tests/long/secret_command_test.ts",
  "exai-daemon auth login [SERVER]": "tests/long/login_ways_test.ts",
  "exai-daemon auth login SERVER --paste": "tests/long/login_ways_test.ts",
  "exai-daemon auth login SERVER --device": "tests/long/login_ways_test.ts",
  "exai-daemon auth logout SERVER": "tests/long/logins_test.ts",
  "exai-daemon auth login NAME": "tests/long/login_ways_test.ts",
  "exai-daemon auth login issues": "tests/long/login_ways_test.ts",
  "exai-daemon auth login NAME --paste": "tests/long/login_ways_test.ts",
  "exai-daemon auth login issues --paste": "tests/long/login_ways_test.ts",
  "exai-daemon auth login issues --device": "tests/long/login_ways_test.ts",
  "exai-daemon auth login issues --account work": "tests/long/login_ways_test.ts",
  "exai-daemon auth logout issues": "tests/long/logins_test.ts",
  "exai-daemon adopt": "tests/long/adopt_command_test.ts",
  "exai-daemon adopt --dry-run": "tests/long/adopt_command_test.ts",
  "exai-daemon adopt --http": "tests/long/adopt_command_test.ts",
  "exai-daemon adopt --undo": "tests/long/adopt_command_test.ts",
  "exai-daemon adopt --windows-home=/mnt/c/Users/me": "tests/long/adopt_command_test.ts",
  "exai-daemon calls export": "tests/long/replay_test.ts",
  "exai-daemon calls export [--session ID] [--out FILE]": "tests/long/replay_test.ts",
  "exai-daemon calls export --session ID --out FILE": "tests/long/replay_test.ts",
  "exai-daemon replay": "tests/long/replay_test.ts",
  "exai-daemon replay FILE": "tests/long/replay_test.ts",
  "exai-daemon replay FILE [--session ID] [--speed 0|real]": "tests/long/replay_test.ts",
  "exai-daemon service install": "tests/long/service_test.ts",
  "exai-daemon service install --dry-run": "tests/long/service_test.ts",
  "exai-daemon service uninstall": "tests/long/service_test.ts",
  "exai-daemon service status": "tests/long/service_test.ts",
};

/** A page whose cures are read from it and followed. */
const FOLLOWED = {
  page: "docs/troubleshooting.md",
  tests: ["troubleshooting_test.ts", "troubleshooting_servers_test.ts", "troubleshooting_machine_test.ts"],
};

Deno.test("each symptom that the documentation has a cure for is produced by a test that follows it", async () => {
  const page = await Deno.readTextFile(`${root}/${FOLLOWED.page}`);
  const texts = await Promise.all(
    FOLLOWED.tests.map((name) => Deno.readTextFile(`${root}/tests/long/${name}`)),
  );
  const symptoms = [...symptomsOf(page).values()].filter(({ cures, said }) => cures.length + said.length > 0);
  const left = symptoms.map(({ title }) => JSON.stringify(title)).filter((title) =>
    !texts.some((text) => text.includes(title))
  );
  assertEquals(left, []);
  assert(symptoms.length > 10);
});

/** Every command the documentation shows, once, with the pages it stands on. */
async function commands(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (const [path, text] of await readPages()) {
    // Those tests type the blocks of that page, and compare what comes with what it shows.
    for (const line of shownCommands(text, { inBlocks: path !== FOLLOWED.page })) {
      found.set(line, [found.get(line), path].filter(Boolean).join(", "));
    }
  }
  return found;
}

const shown = [...(await commands()).keys()];
const ofDaemon = shown.filter((line) => /^exai-daemon [^-]/.test(line) && !Object.hasOwn(NOT_RUN, line));
const ofTasks = shown.filter((line) => line.startsWith("deno task "));
const ofTests = shown.filter((line) => line.startsWith("deno test "));
const ofSettings = shown.filter((line) => /^[A-Z_]+=\S* .*exai-daemon$/.test(line));
const ofPrograms = shown.filter((line) => /^deno run -A (--inspect(?:=\S+)? )?(daemon|shim)\.ts/.test(line));

Deno.test("each command shown is checked here, or not run for a reason", () => {
  const checked = [
    ...ofDaemon,
    ...ofTasks,
    ...ofTests,
    ...ofSettings,
    ...ofPrograms,
    ...Object.keys(NOT_RUN),
  ];
  assertEquals(shown.filter((line) => !checked.includes(line)), []);
  const named = [NOT_RUN, RUN_ELSEWHERE, WORDS].flatMap((table) => Object.keys(table));
  assertEquals(named.filter((line) => !shown.includes(line)), [], "no longer shown");
});

Deno.test("each command that another test runs is in that test", async () => {
  for (const [line, path] of Object.entries(RUN_ELSEWHERE)) {
    const text = await Deno.readTextFile(`${root}/${path}`);
    assert(text.includes(`"${line.split(" ")[1]}"`), `${path}: ${line}`);
  }
});

Deno.test("each command of exai-daemon shown does its work with a daemon that runs", async () => {
  await using line = await commandLine();
  const isRun = (line: string) => ![NOT_RUN, RUN_ELSEWHERE].some((lines) => Object.hasOwn(lines, line));
  for (const text of ofDaemon.filter(isRun)) {
    const words = WORDS[text] ?? wordsOf(text).slice(1);
    if (words.includes("--help")) {
      for (const [name, command] of Object.entries(COMMANDS)) {
        assertMatch(commandHelp(name, command), /^Usage: exai-daemon /m);
      }
    } else if (words.includes("--follow")) {
      const begun = Promise.withResolvers<string>();
      const following = line.run(words, begun.resolve);
      assertMatch(await begun.promise, /^CALL +STARTED/);
      void following.catch(() => {});
    } else {
      if (words[0] === "new-tool") {
        await Deno.remove(`${line.home}/tools`, { recursive: true }).catch(() => {});
      }
      const { code, text: said } = await line.run(WORDS[text] ?? await line.fill(words));
      assertEquals(code, 0, `${text}: ${said}`);
      assert(said.length > 0, text);
    }
    assert(words[0] === "COMMAND" || Object.hasOwn(COMMANDS, words[0]!), text);
  }
  // A daemon with the settings shown finds the files that the commands above have made.
  for (const text of ofSettings) {
    const made: Readonly<Record<string, string>> = { CERT: "server.pem", KEY: "server.key", CA: "ca.pem" };
    const filled = text.replaceAll(
      /_(CERT|KEY|CA)=\.\.\./g,
      (_, what) => `_${what}=${line.home}/certs/${made[what]}`,
    );
    const pairs = wordsOf(filled).filter((word) => word.includes("=")).map((word) => word.split("="));
    const { settings } = loadSettings({ args: [], env: { ...Object.fromEntries(pairs), ENV_FILE: "" } });
    assertMatch((await loadServerTls(settings))?.clientCa ?? "", /BEGIN CERTIFICATE/);
  }
});

/** Runs Deno in the root of the repository. */
async function deno(...args: string[]): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), { args, cwd: root, env: { NO_COLOR: "1" } });
  const { code, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(code, 0, `deno ${args.join(" ")}: ${err}`);
  return out!;
}

Deno.test("each task shown is one, its program starts, and its flags are known to it", async () => {
  const toRun = ofTasks.filter((line) => !Object.hasOwn(NOT_RUN, line));
  for (const line of [...ofTasks, ...Object.keys(NOT_RUN)]) {
    const task = / task (\S+)/.exec(line)?.[1];
    if (task === undefined) continue;
    const files = TASKS[task]?.command.match(/\b[\w/]+\.ts\b/g) ?? [];
    assert(TASKS[task] !== undefined, line);
    for (const file of files) assert((await Deno.stat(`${root}/${file}`)).isFile, `${line}: ${file}`);
  }
  const tasks = new Set(toRun.map((line) => line.split(" ")[2]!));
  for (const task of tasks) {
    const isProgram = ["daemon", "shim"].includes(task);
    const help = await deno("task", "-q", task, isProgram ? "--version" : "--help");
    const flags = toRun.filter((line) => line.split(" ")[2] === task).flatMap((line) =>
      line.match(/--[\w-]+/g) ?? []
    );
    assertEquals(flags.filter((flag) => !help.includes(flag)), [], `flags of ${task}`);
  }
});

Deno.test("each program shown from source starts", async () => {
  for (const line of ofPrograms) {
    const words = wordsOf(line.replace("--inspect ", "--inspect=127.0.0.1:0 ")).slice(1);
    assertMatch(await deno(...words, "--version"), /^exai-/);
  }
});

Deno.test("each test shown is there, and its filter fits one", async () => {
  for (const line of ofTests) {
    const words = wordsOf(line);
    const path = words.find((word) => word.endsWith("_test.ts"))!;
    const text = await Deno.readTextFile(`${root}/${path}`);
    const at = words.indexOf("--filter");
    if (at >= 0) assert(text.includes(words[at + 1]!), line);
  }
});

Deno.test("each configuration shown is one: of a client, mcp.json, models.json, clink.json or exai.json", async () => {
  await using dir = await tempDir({});
  const env = { ISSUES_TOKEN: "t", LAB_KEY: "k", HOME: dir.path };
  await dir.write("keys/build-agent.pem", await privateKey());
  for (const [page, text] of await readPages()) {
    for (const block of codeBlocks(text, ["json", "jsonc"])) {
      const path = `${dir.path}/file.json`;
      await Deno.writeTextFile(path, block, { mode: 0o600 });
      if (/^ {2}"providers"/m.test(block)) {
        assertEquals((await readModels(path, env)).faults.map(formatFault), [], page);
      } else if (/^ {2}"(agents|roles)"/m.test(block)) {
        assertEquals((await readClink(path, env)).faults.map(formatFault), [], page);
      } else if (/"\$schema": .*exai\.schema/.test(block)) {
        await dir.write(".secrets/kimi", "k");
        assertEquals((await readSettingsFile(path, env)).faults.map(formatFault), [], page);
      } else if (/"exai": \{/.test(block)) checkClient(JSON.parse(block), page);
      else if (/^ {2}"(mcpServers|servers|clients)"/m.test(block)) {
        const { faults, warnings } = await readServers(path, { env });
        assertEquals([...faults, ...warnings].map(formatFault), [], page);
      }
    }
  }
});

/** A private key as PKCS #8 in PEM. */
async function privateKey(): Promise<string> {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const { privateKey: key } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const base64 = new Uint8Array(await crypto.subtle.exportKey("pkcs8", key)).toBase64();
  return `-----BEGIN PRIVATE KEY-----\n${base64}\n-----END PRIVATE KEY-----\n`;
}

/** Checks an entry for the shim in a client's configuration. */
function checkClient(
  file: Record<string, Record<string, { command: string | string[]; args?: string[] }>>,
  page: string,
) {
  const section = file.mcpServers ?? file.servers ?? file.mcp ?? file.context_servers;
  const { command: program, args: rest = [] } = section!.exai!;
  const [command, ...args] = [program, rest].flat();
  const started = [command!, ...args].at(-1)!;
  // The package of that name starts it.
  if (command === "npx" && started === "exai-shim") return assertEquals(args, ["-y", "exai-shim"], page);
  assertMatch(started, /^\/path\/to\/exai\/(exai-shim|shim\.ts|dist\/shim\.js|daemon\.ts)$/, page);
  if (/\.[jt]s$/.test(started)) assertEquals([command, ...args].slice(0, 3), ["deno", "run", "-A"], page);
  if (started.endsWith(".js")) assertEquals(args.slice(2, -1), ["--no-config", SHIM_V8_FLAGS], page);
}
