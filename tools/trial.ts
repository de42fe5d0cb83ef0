/**
 * Installs the archive of this system from `dist/release/` into a home directory of its own, as a user would: two clients
 * with servers in their configuration, install with `adopt`, the installed pair used by two clients and two shims,
 * uninstall. Every file of the home must then be what it was, byte for byte. On Windows PATH of the user is written too,
 * and given back.
 */
import { join } from "@std/path";
import { fromFileUrl } from "@std/path/from-file-url";
import { isAlive } from "../lib/state/live_process.ts";
import { progress, runTool } from "./lib/run_tool.ts";
import { archiveName, programFiles, PROJECT, type ReleaseTarget, TARGETS } from "./release/project.ts";

const DEADLINE_MS = 300_000;
const root = fromFileUrl(new URL("../", import.meta.url));
const isWindows = Deno.build.os === "windows";

/**
 * Files of clients as people have them: comments, tabs, line ends of Windows, no line end. Their server is one that nobody
 * reaches: one started with npx would leave npm's own cache in the home.
 */
const CLIENT_FILES: Readonly<Record<string, string>> = {
  ".cursor/mcp.json":
    '{\r\n\t// mine\r\n\t"mcpServers": {\r\n\t\t"issues": { "url": "https://mcp.example.invalid/mcp" }\r\n\t}\r\n}',
  ".codex/config.toml":
    '# mine\nmodel = "o"\n\n[mcp_servers.issues]\nurl = "https://mcp.example.invalid/mcp"\n',
  ".profile": "export A=1",
};

async function tryRelease(): Promise<void> {
  const target = TARGETS.find(({ target }) => target === Deno.build.target);
  if (target === undefined) throw new Error(`a release has no programs for ${Deno.build.target}`);
  // Blanks and letters that are not ASCII, as names of users have them.
  const dir = await Deno.makeTempDir({ prefix: "exai Jürgen " });
  try {
    const home = join(dir, "home");
    for (const [name, text] of Object.entries(CLIENT_FILES)) {
      await Deno.mkdir(join(home, name, ".."), { recursive: true });
      await Deno.writeTextFile(join(home, name), text);
    }
    await tryIn({ dir, home, target });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

interface Place {
  dir: string;
  home: string;
  target: ReleaseTarget;
}

async function tryIn({ dir, home, target }: Place): Promise<void> {
  const before = await contents(home);
  const env = environmentOf(home);
  const run = (command: string, args: string[]) => runIn(dir, { command, args, env });
  const { folder, file } = archiveName(target);
  // The tar of Windows unpacks archives of both kinds.
  await run("tar", ["-xf", join(root, "dist/release", file), "-C", dir]);
  const installed = isWindows
    ? join(home, "AppData", "Local", "Programs", "exai")
    : join(home, ".local", "share", "exai");
  const script = (path: string, unix: string[], windows: string[]) =>
    isWindows
      ? run("powershell", ["-NoProfile", "-ExecutionPolicy", "Bypass", "-File", `${path}.ps1`, ...windows])
      : run("/bin/sh", [`${path}.sh`, ...unix]);
  const startedMs = performance.now();
  await script(join(dir, folder, "install"), ["--adopt"], ["-Adopt"]);
  progress(`installed after ${Math.round(performance.now() - startedMs)} ms`);
  const bin = isWindows ? installed : join(installed, "bin");
  const programs = programFiles(target).map((name) => join(bin, name));
  for (const program of programs) {
    const shown = await run(program, ["--version"]);
    if (!shown.includes(PROJECT.version)) throw new Error(`${program} --version says ${shown}`);
  }
  for (const name of [".cursor/mcp.json", ".codex/config.toml"]) {
    const text = await Deno.readTextFile(join(home, name));
    if (text === CLIENT_FILES[name]) throw new Error(`${name} does not start the shim after adopt`);
  }
  const [daemon, shim] = programs as [string, string];
  const smoke = ["run", "-A", join(root, "tools/smoke.ts"), "--daemon", daemon, "--shim", shim];
  await runIn(dir, { command: Deno.execPath(), args: smoke });
  const pid = await startDaemon(daemon, { shim, cwd: dir, env });
  // An update, while the daemon runs and a window would hold its file.
  await script(join(dir, folder, "install"), ["--no-preview"], ["-NoPreview"]);
  if (await isAlive(pid)) throw new Error(`the update has not stopped the daemon of before, process ${pid}`);
  const next = await startDaemon(daemon, { shim, cwd: dir, env });
  await script(join(installed, "uninstall"), ["--purge"], ["-Purge"]);
  if (await isAlive(next)) throw new Error(`the daemon runs on as process ${next}`);
  compare(before, await contents(home));
}

interface Window {
  shim: string;
  cwd: string;
  env: Record<string, string>;
}

const INITIALIZE = {
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "trial", version: "1" } },
};

/** Opens a window, which starts the daemon, and closes it; the process of the daemon. */
async function startDaemon(daemon: string, { shim, cwd, env }: Window): Promise<number> {
  const options = { cwd, clearEnv: true, env, stdin: "piped", stdout: "piped", stderr: "null" } as const;
  await using shimProcess = new Deno.Command(shim, options).spawn();
  const output = shimProcess.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const input = shimProcess.stdin.getWriter();
  await input.write(new TextEncoder().encode(JSON.stringify(INITIALIZE) + "\n"));
  const { value = "" } = await output.read();
  if (!value.includes("serverInfo")) throw new Error(`the shim has answered initialize with ${value}`);
  const { daemon: running } = JSON.parse(
    await runIn(cwd, { command: daemon, args: ["version", "--json"], env }),
  );
  await output.cancel();
  await input.close();
  await shimProcess.status;
  if (running === null) throw new Error("the window has started no daemon");
  return running.pid;
}

/** A user's variables, in a home of their own. The daemon takes a port of its own. */
function environmentOf(home: string): Record<string, string> {
  const kept = Object.fromEntries(
    [
      "PATH",
      "PATHEXT",
      "SYSTEMROOT",
      "COMSPEC",
      "TEMP",
      "TMP",
      "OS",
      "DENO_DIR",
      "PSMODULEPATH",
      "PROCESSOR_ARCHITECTURE",
    ]
      .map((name) => [name, Deno.env.get(name)]).filter(([, value]) => value !== undefined),
  );
  const ofWindows = {
    USERPROFILE: home,
    APPDATA: join(home, "AppData", "Roaming"),
    LOCALAPPDATA: join(home, "AppData", "Local"),
  };
  return { ...kept, HOME: home, EXAI_WS_PORT: "0", SHELL: "/bin/sh", ...(isWindows && ofWindows) };
}

interface Run {
  command: string;
  args: string[];
  /** All of its variables; those of this process when not given. */
  env?: Record<string, string>;
}

/** @throws when the command fails, with all it has said */
async function runIn(cwd: string, { command, args, env }: Run): Promise<string> {
  progress(`$ ${command} ${args.join(" ")}`);
  const { success, code, stdout, stderr } = await new Deno.Command(command, {
    args,
    cwd,
    clearEnv: env !== undefined,
    env,
    stdin: "null",
  }).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  progress(said.replaceAll(/^(?=.)/gm, "    ").trimEnd());
  if (!success) throw new Error(`${command} ended with exit code ${code}`);
  return said;
}

/** The files below a directory with their content, links followed. */
async function contents(dir: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const walk = async (path: string) => {
    for await (const { name, isDirectory } of Deno.readDir(path)) {
      if (isDirectory) await walk(join(path, name));
      else found.set(join(path, name).slice(dir.length + 1), await Deno.readTextFile(join(path, name)));
    }
  };
  await walk(dir);
  return found;
}

function compare(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): void {
  const names = [...new Set([...before.keys(), ...after.keys()])];
  const changed = names.filter((name) => before.get(name) !== after.get(name));
  if (changed.length > 0) throw new Error(`not as before after uninstalling: ${changed.join(", ")}`);
}

await runTool(tryRelease, { name: "trial", deadlineMs: DEADLINE_MS });
