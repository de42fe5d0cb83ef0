import { UsageError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import {
  DAY_MS,
  formatBytes,
  formatDuration,
  formatUsd,
  HOUR_MS,
  MINUTE_MS,
  SECOND_MS,
} from "../base/units.ts";
import { jsonEscaped, visible } from "../base/visible.ts";
import { callJson, parseFilter, parseLimit } from "../admin/call_routes.ts";
import { askDaemon, followDaemon, isDaemonRunning } from "../client/daemon_client.ts";
import type { Action, CommandFlag, CommandGroup, CommandResult, Invocation } from "./command.ts";
import { fromCallsFile } from "./calls_file.ts";
import { exportCommand } from "./export_calls.ts";
import { followLines } from "./follow.ts";
import { formatCell, formatLocalTime, formatRow, formatTable } from "./table.ts";

/** The flags that choose calls, each sent to the daemon as a parameter of the same name. */
const FILTERS: readonly CommandFlag[] = [
  { name: "session", value: "ID", help: "Calls of the session with this id, or whose id begins with it" },
  { name: "server", value: "NAME", help: "Calls of this server" },
  { name: "tool", value: "NAME", help: "Calls of this tool" },
  {
    name: "outcome",
    value: "CODE|failed|running",
    completions: ["ok", "tool_error", "failed", "running"],
    help: "Calls that ended so: ok, tool_error or an error code; failed: all but ok; running: not ended yet",
  },
  {
    name: "since",
    value: "10m|TIME",
    completions: ["10m", "1h", "1d"],
    help: "Calls that started since: 30s, 10m, 2h, 1d ago, or a time as 2026-11-24T09:00",
  },
  { name: "limit", value: "N", help: "At most this many calls, the latest; 50 when not given" },
];

const listCalls: Action = {
  summary: "List calls, or show one in full",
  forms: [
    {
      args: "[ID]",
      does: "the latest calls, those that run last, or one in full; without a daemon from the file",
    },
    { args: "--follow", does: "each call as it ends, until Ctrl+C" },
  ],
  flags: [...FILTERS, { name: "follow", help: "Show each call as it ends, until Ctrl+C" }],
  run: calls,
};

export const callsCommand: CommandGroup = {
  summary: "List calls, show one in full, or export what a session said",
  fallback: "list",
  actions: { list: listCalls, export: exportCommand },
};

const HEADINGS = [
  "CALL",
  "STARTED",
  "SERVER",
  "TOOL",
  "OUTCOME",
  "TOOK",
  "IN",
  "OUT",
  "TOKENS",
  "COST",
  "SESSION",
  "CLIENT",
  "WAITS FOR",
];

/** The columns that a narrow terminal does without. */
const OPTIONAL = ["WAITS FOR", "IN", "OUT", "TOKENS", "CLIENT", "COST", "SESSION"];

/** @throws {UsageError} for a flag that makes no sense, `RESOURCE_NOT_FOUND` for an unknown id */
async function calls(invocation: Invocation): Promise<string | CommandResult> {
  const { args, settings, switches } = invocation;
  const query = queryOf(invocation);
  if (switches.has("follow")) return await follow(invocation, query);
  const [id] = args;
  if (id !== undefined) query.set("id", id);
  const ask = () => askDaemon(settings, `/calls?${query}`);
  const found = await isDaemonRunning(settings) ? await ask() : await withoutDaemon(invocation, query, ask);
  if (id !== undefined) return { text: formatCall(found.call as JsonObject), json: found.call };
  const list = found.calls as JsonObject[];
  const text = list.length === 0
    ? "There are no such calls."
    : formatTable(HEADINGS, list.map(rowOf), { optional: OPTIONAL });
  return { text, json: list };
}

function queryOf({ options }: Invocation): URLSearchParams {
  const query = new URLSearchParams();
  for (const { name } of FILTERS) {
    const value = options.get(name)?.at(-1);
    if (value === undefined) continue;
    query.set(name, name === "since" ? String(sinceMs(value)) : value);
  }
  return query;
}

const UNITS_MS: Readonly<Record<string, number>> = {
  s: SECOND_MS,
  m: MINUTE_MS,
  h: HOUR_MS,
  d: DAY_MS,
};

/** `10m`, `2h`, or a time, as milliseconds since 1970. */
export function sinceMs(text: string, nowMs = Date.now()): number {
  const ago = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text);
  if (ago) return nowMs - Number(ago[1]) * UNITS_MS[ago[2]!]!;
  const at = Date.parse(text);
  if (!Number.isNaN(at)) return at;
  throw new UsageError(
    `--since is ${
      quoteName(text)
    }; allowed: how long ago, as 30s, 10m, 2h, 1d, or a time, as 2026-11-24T09:00`,
  );
}

/** Reads the file, or asks a daemon that has started in the meantime. */
async function withoutDaemon(
  { settings }: Invocation,
  query: URLSearchParams,
  ask: () => Promise<JsonObject>,
): Promise<JsonObject> {
  return await fromCallsFile(settings, ask, (control) => {
    const id = query.get("id");
    if (id === null) {
      const list = control.list(parseFilter(query), parseLimit(query));
      return { calls: list.map((record) => callJson(record)) };
    }
    const { record, bodies } = control.find(id);
    return { call: callJson(record, bodies) };
  });
}

async function follow({ settings, switches, print }: Invocation, query: URLSearchParams): Promise<string> {
  const json = switches.has("json");
  const widths = [9, 23, 12, 28, 20, 11, 9, 9, 9, 9, 36];
  const line = (cells: readonly unknown[]) => formatRow(cells.map(formatCell), widths);
  if (!json) print(line(HEADINGS));
  const show = (text: string) => print(json ? jsonEscaped(text) : line(rowOf(JSON.parse(text))));
  await followLines(followDaemon(settings, `/calls/follow?${query}`), show);
  return json ? "" : "the daemon has stopped";
}

function rowOf(call: JsonObject): unknown[] {
  const client = call.client_version ? `${call.client} ${call.client_version}` : call.client;
  return [
    call.id,
    formatLocalTime(String(call.started_at), "millisecond"),
    call.server,
    call.tool,
    call.outcome,
    formatDuration(Number(call.duration_ms)),
    formatBytes(Number(call.bytes_in)),
    formatBytes(Number(call.bytes_out)),
    call.input_tokens === undefined ? undefined : Number(call.input_tokens) + Number(call.output_tokens),
    typeof call.cost_usd === "number" ? formatUsd(call.cost_usd) : undefined,
    call.session,
    client,
    call.waits_for,
  ];
}

function formatCall(call: JsonObject): string {
  const { request, answer, ...facts } = call;
  const lines = Object.entries(facts)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name.padEnd(16)}${visible(String(value), 2000)}`);
  const bodies = [["request", request], ["answer", answer]]
    .filter(([, text]) => typeof text === "string")
    .map(([name, text]) => `\n${name}\n${pretty(String(text))}`);
  if (bodies.length === 0) lines.push("", 'What was said is kept with "callsBodies": true in exai.json.');
  return [...lines, ...bodies].join("\n");
}

/** JSON with indents; text that was cut is no JSON and stays as it is. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
