import { formatBytes, formatDuration } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import { stateInWords } from "../admin/state_words.ts";
import type { DaemonStatus } from "../admin/status_rows.ts";
import { askDaemon } from "../client/daemon_client.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";
import { listChangeTable } from "./list_changes.ts";
import { formatTable, MAX_ERROR_CHARS } from "./table.ts";

export const psCommand: Action = {
  summary: "Show mounted servers, sessions and waiting calls of the running daemon",
  forms: [
    {
      args: "",
      does:
        "every configured server (state, process, directory, cause), sessions, and which calls wait for what",
    },
    { args: "--why", does: "the same, with keys and calls, and why each is shared as far as it is" },
  ],
  flags: [{ name: "why", help: "Say why each server is shared as far as it is" }],
  run: ps,
};

async function ps({ settings, switches }: Invocation): Promise<CommandResult> {
  const status = await askDaemon(settings, "/status") as DaemonStatus;
  const text = [
    serverTable(status.servers),
    ...(switches.has("why") ? [reasonTable(status.servers)] : []),
    ...problemsOf(status.servers),
    ...status.address.notes.map((note) => visible(note, MAX_ERROR_CHARS)),
    sessionTable(status.sessions),
    ...(status.waiting.length > 0 ? [waitingTable(status)] : []),
    ...listChangeTable(status.list_changes),
  ].join("\n\n");
  return { text, json: status };
}

function serverTable(servers: DaemonStatus["servers"]): string {
  if (servers.length === 0) return "no server is configured in mcp.json";
  const rows = servers.map((row) => [
    row.account === undefined ? row.server : `${row.server} (${row.account})`,
    stateInWords(row),
    row.pid,
    row.scope,
    row.sessions.length,
    row.inflight,
    row.queued,
    row.memory_bytes === undefined ? undefined : formatBytes(row.memory_bytes),
    row.directory,
  ]);
  // The directory is last: it may be long, and does not move the other columns.
  const headings = [
    "SERVER",
    "STATE",
    "PID",
    "SHARED",
    "SESSIONS",
    "CALLS",
    "WAITING",
    "MEMORY",
    "DIRECTORY",
  ];
  return formatTable(headings, rows, { optional: ["PID", "MEMORY", "CALLS", "SESSIONS", "SHARED"] });
}

function reasonTable(servers: DaemonStatus["servers"]): string {
  const rows = servers.map((row) => [
    row.server,
    row.share_key,
    row.calls,
    row.inflight,
    row.queued,
    row.why,
  ]);
  return formatTable(["SERVER", "KEY", "CALLS", "RUNNING", "QUEUED", "WHY"], rows);
}

function sessionTable(sessions: DaemonStatus["sessions"]): string {
  const rows = sessions.map((row) => [
    row.session,
    row.client,
    row.window,
    row.connected ? "yes" : "no",
    row.calls,
    row.inflight,
    row.cwd,
  ]);
  const headings = ["SESSION", "CLIENT", "WINDOW", "CONNECTED", "CALLS", "RUNNING", "DIRECTORY"];
  return formatTable(headings, rows, { optional: ["WINDOW", "RUNNING", "CALLS"] });
}

function waitingTable({ waiting, sessions }: DaemonStatus): string {
  const clients = new Map(sessions.map(({ session, client, window }) => [session, window ?? client]));
  const rows = waiting.map((row) => [
    row.call,
    clients.get(row.session),
    row.server,
    row.tool,
    formatDuration(Date.now() - Date.parse(row.since)),
    row.session,
    row.waits_for,
  ]);
  return formatTable(["CALL", "WHO WAITS", "SERVER", "TOOL", "FOR", "SESSION", "WAITS FOR"], rows, {
    optional: ["SESSION", "SERVER"],
  });
}

/** What is wrong with the servers, each in a sentence. */
function problemsOf(servers: DaemonStatus["servers"]): string[] {
  const troubles = servers.flatMap(({ server, failures, retry_at, last_error, advice }) =>
    !failures ? [] : [
      `${visible(server)} failed ${failures === 1 ? "once" : `${failures} times in a row`}, ` +
      `is started by calls from ${retry_at} on: ` +
      `${visible(String(last_error), MAX_ERROR_CHARS)}; ${advice}`,
    ]
  );
  const entries = servers.flatMap(({ server, failures, cause, advice }) =>
    failures || cause === undefined
      ? []
      : [`${visible(server)}: ${visible(cause, MAX_ERROR_CHARS)}; ${advice}`]
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
  return [...troubles, ...entries, ...new Set([...breakers, ...refused, ...listFaults])];
}
