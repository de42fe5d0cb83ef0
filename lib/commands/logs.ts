import { join } from "@std/path";
import { ExaiError, UsageError } from "../base/errors.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import { visibleJson } from "../base/visible.ts";
import { serverLogName, statePaths } from "../config/paths.ts";
import { readServers } from "../config/servers.ts";
import type { Settings } from "../config/settings.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";
import { followLines } from "./follow.ts";
import { followLog, readTail } from "../state/log_tail.ts";

const DEFAULT_LINES = 100;
const MAX_LINES = 100_000;
const SERVER_LOG = /^server-(.+)\.log$/;

export const logsCommand: Action = {
  summary: "Show the log of the daemon, or what a server has written to stderr",
  forms: [
    { args: "", does: "the last lines of the daemon's log" },
    { args: "[SERVER]", does: "the last lines a mounted server has written to stderr" },
    { args: "--follow", does: "the same, and each line as it is written, until Ctrl+C" },
  ],
  flags: [
    { name: "follow", help: "Show each line as it is written, until Ctrl+C" },
    { name: "lines", value: "N", help: `At most this many lines, the last; ${DEFAULT_LINES} by default` },
    { name: "shim", help: "The log that the shims of all windows write, in place of the daemon's" },
  ],
  exits: { 1: "there is no such server" },
  run: logs,
};

async function logs(invocation: Invocation): Promise<CommandResult> {
  const { switches, print, progress } = invocation;
  const count = lineCount(invocation);
  const { path, what } = await findLog(invocation);
  const { lines, end } = await readTail(path, count);
  const json = switches.has("json");
  if (!switches.has("follow")) {
    const text = lines.length > 0 || count === 0
      ? lines.join("\n")
      : `${what} has written nothing to ${path}.`;
    return { text, json: { path, lines } };
  }
  progress.end();
  const show = (line: string) => print(json ? visibleJson({ line }) : line);
  for (const line of lines) show(line);
  await followLines(followLog(path, end), show);
  return { text: "" };
}

function lineCount({ options }: Invocation): number {
  const given = options.get("lines")?.at(-1);
  if (given === undefined) return DEFAULT_LINES;
  const count = /^\d{1,9}$/.test(given) ? Number(given) : NaN;
  if (count <= MAX_LINES) return count;
  throw new UsageError(`--lines is ${quoteName(given)}; allowed: a whole number, 0 to ${MAX_LINES}`);
}

/** The file that is asked for, and whose it is. */
async function findLog(
  { args: [server], settings, switches }: Invocation,
): Promise<{ path: string; what: string }> {
  const { logs: dir } = statePaths(settings);
  if (server === undefined) {
    const program = switches.has("shim") ? "shim" : "daemon";
    return { path: join(dir, `${program}.log`), what: `the ${program}` };
  }
  if (switches.has("shim")) throw new UsageError("--shim goes without the name of a server");
  const known = [...new Set([...await serversWithLogs(dir), ...await configuredServers(settings)])];
  if (known.includes(server)) {
    return { path: join(dir, serverLogName(server)), what: `the server ${server}` };
  }
  const there = known.length === 0 ? "mcp.json names none" : `there are: ${known.toSorted().join(", ")}`;
  throw new ExaiError(
    "RESOURCE_NOT_FOUND",
    `there is no server ${quoteName(server)}${didYouMean(server, known)}; ${there}`,
  );
}

async function serversWithLogs(dir: string): Promise<string[]> {
  try {
    const files = await Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
    return files.flatMap((name) => SERVER_LOG.exec(name)?.[1] ?? []);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return [];
    throw thrown;
  }
}

async function configuredServers(settings: Settings): Promise<string[]> {
  // Names are all that matters here: variables stay unset rather than start a login shell.
  const options = { env: {}, loginEnv: () => Promise.resolve({}) };
  const { servers, faulty, disabled } = await readServers(statePaths(settings).config, options);
  return [...servers.keys(), ...faulty, ...disabled];
}
