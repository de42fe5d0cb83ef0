import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import { formatBytes, SECOND_MS } from "../base/units.ts";
import { visible, visibleJson } from "../base/visible.ts";
import type { LoadedSettings } from "../config/load.ts";
import { statePaths } from "../config/paths.ts";
import { callsCommand, cancelCommand, killCommand } from "./calls.ts";
import { certsCommand } from "./certs.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { newToolCommand } from "./new_tool.ts";
import { checkStateDir } from "../state/state_files.ts";
import type { DaemonStatus } from "../admin/status.ts";
import { formatTable } from "./table.ts";
import { threadsCommand } from "./threads.ts";
import { tokenCommand } from "./token.ts";

/** Of an error, this much is shown. */
const MAX_ERROR_CHARS = 2000;

/** A command of `exai-daemon` that gives what to print. */
interface Command {
  help: string;
  /** Whether words may follow the command's own. */
  takesWords?: boolean;
  /** Whether it takes the flags of `calls`. */
  takesOptions?: boolean;
  run(loaded: LoadedSettings, words: readonly string[], print: Print): Promise<string | Outcome>;
}

/** Prints what comes before the command ends. */
type Print = (text: string) => void;

/** What a command has to say, and the exit code it ends with. */
interface Outcome {
  text: string;
  code: number;
}

/** The commands by their first word. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  ps: {
    help:
      "Show mounted servers and sessions of the running daemon (--why: and why each is shared; --json: all)",
    run: ps,
  },
  calls: {
    help:
      "List calls, or show one: calls ID (--session --server --tool --outcome --since --limit --follow --json)",
    takesWords: true,
    takesOptions: true,
    run: (loaded, words, print) => callsCommand(words, loaded, print),
  },
  cancel: {
    help: "ID: cancel a call that runs; its client gets CANCELLED",
    takesWords: true,
    run: (loaded, words) => cancelCommand(words, loaded),
  },
  kill: {
    help: "call ID, session ID, upstream NAME: end it; a server starts again with its next call",
    takesWords: true,
    run: (loaded, words) => killCommand(words, loaded),
  },
  reload: {
    help: "Have the running daemon read mcp.json, models.json and your own tools again",
    run: reload,
  },
  token: {
    help: "rotate: make a new one while the daemon runs; show: print it",
    takesWords: true,
    run: (loaded, words) => tokenCommand(words, loaded),
  },
  "new-tool": {
    help: "Write a tool of your own to begin with: new-tool NAME",
    takesWords: true,
    run: ({ settings }, words) => newToolCommand(words, settings),
  },
  certs: {
    help: "Make a local CA and certificates for TLS: [HOST...], or client NAME",
    takesWords: true,
    run: (loaded, words) => certsCommand(words, loaded),
  },
  threads: {
    help: "List threads; show ID, delete ID..., export [ID...] (--json)",
    takesWords: true,
    run: (loaded, words) => threadsCommand(words, loaded),
  },
};

/**
 * Runs the command the command line names.
 *
 * @throws {ExaiError} `CONFIG` for a word that is no command; what the command itself throws
 */
export async function runCommand(loaded: LoadedSettings, print: Print): Promise<Outcome> {
  const [word = "", ...rest] = loaded.words;
  const command = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined;
  if (!command || (rest.length > 0 && !command.takesWords)) {
    const known = Object.keys(COMMANDS);
    const meant = command ? `; ${word} takes no more words` : didYouMean(word, known);
    throw new ExaiError(
      "CONFIG",
      `${quoteName(loaded.words.join(" "))} is no command${meant}; there are: ${known.join(", ")}`,
    );
  }
  const given = command.takesOptions ? undefined : givenOption(loaded);
  if (given !== undefined) {
    throw new ExaiError("CONFIG", `--${given} is a flag of calls; ${word} does not take it`);
  }
  await checkStateDir(statePaths(loaded.settings));
  const said = await command.run(loaded, rest, print);
  return typeof said === "string" ? { text: said, code: 0 } : said;
}

/** One of the command's own flags with a value that the command line names. */
export function givenOption({ options }: LoadedSettings): string | undefined {
  return [...options].find(([, values]) => values.length > 0)?.[0];
}

async function ps({ settings, switches }: LoadedSettings): Promise<string> {
  const status = await askDaemon(settings, "/status") as DaemonStatus;
  if (switches.has("json")) return visibleJson(status, 2);
  const servers = status.servers.map((row) => [
    row.server,
    row.listening === "waiting" ? `${row.state}, not heard` : row.state,
    row.pid,
    row.scope,
    row.share_key,
    row.sessions.length,
    row.memory_bytes === undefined ? undefined : formatBytes(row.memory_bytes),
    row.calls,
    row.inflight,
    row.queued,
  ]);
  const sessions = status.sessions.map((row) => [
    row.session,
    row.client,
    row.connected ? "yes" : "no",
    row.calls,
    row.inflight,
    row.cwd,
  ]);
  const reasons = status.servers.map((
    row,
  ) => [row.server, row.scope, row.share_key, row.sessions.length, row.why]);
  const waiting = status.waiting.map((row) => [
    row.call,
    row.session,
    row.tool,
    row.waits_for,
    formatAge(row.since),
  ]);
  return [
    formatTable(
      ["SERVER", "STATE", "PID", "SHARED", "KEY", "SESSIONS", "MEMORY", "CALLS", "RUNNING", "QUEUED"],
      servers,
    ),
    ...(switches.has("why") ? [formatTable(["SERVER", "SHARED", "KEY", "SESSIONS", "WHY"], reasons)] : []),
    ...problemsOf(status.servers),
    formatTable(["SESSION", "CLIENT", "CONNECTED", "CALLS", "RUNNING", "DIRECTORY"], sessions),
    ...(waiting.length > 0 ? [formatTable(["CALL", "SESSION", "TOOL", "WAITS FOR", "FOR"], waiting)] : []),
  ].join("\n\n");
}

/** What is wrong with the servers, each in a sentence. */
function problemsOf(servers: DaemonStatus["servers"]): string[] {
  const troubles = servers.flatMap(({ server, failures, retry_at, last_error }) =>
    !failures ? [] : [
      `${visible(server)} failed ${failures} times in a row, starts again from ${retry_at} on: ` +
      visible(String(last_error), MAX_ERROR_CHARS),
    ]
  );
  const breakers = servers.flatMap(({ server, breaker }) =>
    breaker === undefined || breaker.state === "closed"
      ? []
      : [`${visible(server)} is left alone: ${visible(String(breaker.last_error), MAX_ERROR_CHARS)}`]
  );
  const refused = servers.flatMap(({ server, refused_questions: questions }) =>
    questions === undefined ? [] : [
      `${
        visible(server)
      }: ${questions.count} of its questions were refused, as they could have been for one of ` +
      `several windows; the last was ${questions.last_method} at ${questions.last_at}`,
    ]
  );
  const listFaults = servers.flatMap(({ server, list_faults }) =>
    (list_faults ?? []).map((fault) => `${visible(server)}: ${visible(fault, MAX_ERROR_CHARS)}`)
  );
  return [...troubles, ...new Set([...breakers, ...refused, ...listFaults])];
}

function formatAge(since: string): string {
  return `${(Math.max(0, Date.now() - Date.parse(since)) / SECOND_MS).toFixed(1)} s`;
}

async function reload({ settings }: LoadedSettings): Promise<Outcome> {
  const change = await askDaemon(settings, "/reload", "POST");
  const lines = (["added", "changed", "removed", "unchanged"] as const)
    .map((what) => [what, change[what] as string[]] as const)
    .filter(([, names]) => names.length > 0)
    .map(([what, names]) => `${what}: ${names.map((name) => visible(name)).join(", ")}`);
  const tools = change.tools as string[];
  if (lines.length === 0) lines.push("mcp.json names no server");
  if (tools.length > 0) lines.push(`your own tools: ${tools.map((name) => visible(name)).join(", ")}`);
  const faults = (change.faults as JsonObject[]).map((fault) => visible(String(fault), MAX_ERROR_CHARS));
  const warnings = (change.warnings as JsonObject[]).map((warning) =>
    `warning: ${visible(String(warning), MAX_ERROR_CHARS)}`
  );
  return { text: [...lines, ...warnings, ...faults].join("\n"), code: faults.length > 0 ? 1 : 0 };
}
