import { deadline } from "@std/async/deadline";
import { fromFileUrl, resolve } from "@std/path";
import { statePaths } from "../../lib/config/paths.ts";
import { SHIM_V8_FLAGS } from "../../lib/config/shim_program.ts";
import { endTree, gone } from "./end_tree.ts";
import { tempDir } from "./held.ts";
import { type Command, Spawned } from "./spawned.ts";

const root = fromFileUrl(new URL("../..", import.meta.url));

const START_MS = 30_000;
const DRAIN_MS = 5000;
/** How long a daemon may take that a shim has started. */
const STOP_MS = 15_000;

/**
 * `path` as a command: a `.ts` file and a bundle (`.js`) are run by Deno, anything else is a program.
 *
 * @param flags of Deno, for a `.ts` file
 */
export function commandFor(path: string, flags: readonly string[] = []): Command {
  const full = resolve(path);
  if (full.endsWith(".ts")) {
    return { command: Deno.execPath(), args: ["run", "-A", "--no-check", ...flags, full] };
  }
  // With what deno compile gives the program it makes of the bundle.
  const own = ["--no-config", SHIM_V8_FLAGS];
  if (full.endsWith(".js")) return { command: Deno.execPath(), args: ["run", "-A", ...own, full] };
  return { command: full, args: [] };
}

/** The two programs as they stand in this repository. */
export const SOURCE = { daemon: resolve(root, "daemon.ts"), shim: resolve(root, "shim.ts") };

/** What keeps a program of this tool from the user's own state and settings. */
export function privateEnv(home: string): Record<string, string> {
  return { EXAI_HOME: home, EXAI_WS_PORT: "0", EXAI_WS_TOKEN: "", ENV_FILE: "", LOG_LEVEL: "warning" };
}

export interface PrivateDaemon extends AsyncDisposable {
  url: string;
  pid: number;
  home: string;
}

export interface PrivateDaemonOptions {
  env?: Record<string, string>;
  /** Done to the new state directory before the daemon starts. */
  prepare?: (home: string) => Promise<void>;
}

/**
 * Starts the daemon `program` (an executable, `daemon.ts` or a command) on a free port in a state directory of its own.
 *
 * @throws when it does not listen in time
 */
export async function startPrivateDaemon(
  program: string | Command,
  options: PrivateDaemonOptions = {},
): Promise<PrivateDaemon> {
  const home = await tempDir("exai-tool-");
  await options.prepare?.(home);
  const command = typeof program === "string" ? commandFor(program) : program;
  const env = { ...privateEnv(home), ...options.env };
  const spawned = new Spawned({ ...command, env }, { graceMs: DRAIN_MS });
  return {
    url: await addressOf(spawned, command.args.at(-1) ?? command.command),
    pid: spawned.pid,
    home,
    [Symbol.asyncDispose]: () => spawned[Symbol.asyncDispose](),
  };
}

/** The address and process of the daemon that runs in `home`. @throws when none has said so */
export async function startedDaemon(home: string): Promise<{ url: string; pid: number }> {
  return JSON.parse(await Deno.readTextFile(statePaths({ home }).endpoint));
}

/** Ends the daemon that a shim has started in `home`, if one has. @throws when it does not end */
export async function endStartedDaemon(home: string): Promise<void> {
  const found = await startedDaemon(home).catch(() => undefined);
  if (!found) return;
  await endTree(found.pid, { graceMs: STOP_MS });
  const left = await gone([found.pid], 0);
  if (left.length > 0) throw new Error(`the daemon that was started (process ${found.pid}) did not end`);
}

/**
 * The WebSocket address that `spawned` says on its stdout.
 *
 * @throws when it says none in time; `name` is what the message calls it
 */
export async function addressOf(spawned: Spawned, name: string): Promise<string> {
  return await deadline(readAddress(spawned), START_MS).catch((thrown: Error) => {
    throw new Error(`${name} does not listen: ${thrown.message}${spawned.lastWords}`);
  });
}

function readAddress(spawned: Spawned): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = "";
  spawned.child.stdout.on("data", (chunk) => {
    text = (text + chunk).slice(-4096);
    const url = /(ws:\/\/\S+)\s/.exec(text)?.[1];
    if (url) resolve(url);
  });
  spawned.exited.then((how) => reject(new Error(how)));
  return promise;
}
