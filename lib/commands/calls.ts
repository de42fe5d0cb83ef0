import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import { formatBytes, HOUR_MS, MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { jsonEscaped, visible, visibleJson } from "../base/visible.ts";
import type { LoadedSettings } from "../config/load.ts";
import { type StatePaths, statePaths } from "../config/paths.ts";
import type { Settings } from "../config/settings.ts";
import { CallControl } from "../admin/call_control.ts";
import { openCallRecords } from "../state/call_records.ts";
import { callJson, parseFilter, parseLimit } from "../admin/call_routes.ts";
import { askDaemon, followDaemon, isDaemonThere } from "../client/daemon_client.ts";
import { accessHome } from "./home_access.ts";
import { formatCell, formatRow, formatTable } from "./table.ts";

/** The flags with a value that `calls` takes. */
export const CALLS_OPTIONS = ["session", "server", "tool", "outcome", "since", "limit"] as const;

const CALLS_USAGE =
  "calls [ID] [--session=ID] [--server=NAME] [--tool=NAME] [--outcome=CODE|failed|running] " +
  "[--since=10m|TIME] [--limit=N] [--follow] [--json]";

const HEADINGS = [
  "CALL",
  "STARTED",
  "SERVER",
  "TOOL",
  "OUTCOME",
  "TOOK",
  "IN",
  "OUT",
  "SESSION",
  "CLIENT",
  "WAITS FOR",
];

/**
 * Runs `exai-daemon calls`: asks the daemon that runs, or reads the file where none does.
 *
 * @param print takes what is shown while it goes on
 * @returns what to print at the end
 * @throws {ExaiError} `CONFIG` for a flag that makes no sense, `RESOURCE_NOT_FOUND` for an unknown id
 */
export async function callsCommand(
  words: readonly string[],
  loaded: LoadedSettings,
  print: (text: string) => void,
): Promise<string> {
  const query = queryOf(loaded);
  const json = loaded.switches.has("json");
  if (words.length > 1) throw new ExaiError("CONFIG", `calls takes one id; ${CALLS_USAGE}`);
  if (loaded.switches.has("follow")) return await follow(loaded, query, print);
  const [id] = words;
  if (id !== undefined) query.set("id", id);
  const ask = () => askDaemon(loaded.settings, `/calls?${query}`);
  const found = await isDaemonThere(loaded.settings) ? await ask() : await withoutDaemon(loaded, query, ask);
  if (id !== undefined) return json ? asJson(found.call) : inFull(found.call as JsonObject);
  const calls = found.calls as JsonObject[];
  if (json) return asJson(calls);
  return calls.length === 0 ? "There are no such calls." : formatTable(HEADINGS, calls.map(rowOf));
}

/** Has the daemon cancel a call. */
export async function cancelCommand(words: readonly string[], { settings }: LoadedSettings): Promise<string> {
  const [id] = words;
  if (id === undefined || words.length > 1) throw new ExaiError("CONFIG", "cancel takes the id of one call");
  const { cancelled } = await askDaemon(settings, `/cancel?${new URLSearchParams({ id })}`, "POST");
  const { id: full, tool, session } = cancelled as JsonObject;
  return visible(`cancelled ${full}: ${tool} of session ${session}`, 500);
}

/** Has the daemon end a call, a session or the processes of a server. */
export async function killCommand(words: readonly string[], { settings }: LoadedSettings): Promise<string> {
  const [what = "", id] = words;
  if (id === undefined || words.length > 2) {
    throw new ExaiError(
      "CONFIG",
      "kill takes what and which: kill call ID, kill session ID, kill upstream NAME",
    );
  }
  const { ended } = await askDaemon(settings, `/kill?${new URLSearchParams({ what, id })}`, "POST");
  return (ended as string[]).map((name) => visible(`ended ${what} ${name}`, 500)).join("\n");
}

function queryOf({ options }: LoadedSettings): URLSearchParams {
  const query = new URLSearchParams();
  for (const name of CALLS_OPTIONS) {
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
  d: 24 * HOUR_MS,
};

/** `10m`, `2h`, or a time, as milliseconds since 1970. */
export function sinceMs(text: string, nowMs = Date.now()): number {
  const ago = /^(\d+(?:\.\d+)?)([smhd])$/.exec(text);
  if (ago) return nowMs - Number(ago[1]) * UNITS_MS[ago[2]!]!;
  const at = Date.parse(text);
  if (!Number.isNaN(at)) return at;
  throw new ExaiError(
    "CONFIG",
    `--since is ${
      quoteName(text)
    }; allowed: how long ago, as 30s, 10m, 2h, 1d, or a time, as 2026-11-24T09:00`,
  );
}

/** Reads the file, unless a daemon has started in the meantime. */
async function withoutDaemon(
  { settings }: LoadedSettings,
  query: URLSearchParams,
  ask: () => Promise<JsonObject>,
): Promise<JsonObject> {
  const paths = statePaths(settings);
  if (!await isFile(paths.calls)) {
    throw new ExaiError(
      "RESOURCE_NOT_FOUND",
      `no daemon runs, and there is no record of calls at ${paths.calls}`,
    );
  }
  return await accessHome(settings, { ask, alone: () => fromFile(settings, paths, query) });
}

// deno-lint-ignore require-await -- SQLite works at once
async function fromFile(settings: Settings, paths: StatePaths, query: URLSearchParams): Promise<JsonObject> {
  const notes: string[] = [];
  using store = openCallRecords({ ...settings, calls: true }, paths, {
    onquarantine: (note) => notes.push(note),
  });
  const calls = new CallControl({ store, maxBodyChars: settings.callsBodyMaxBytes });
  const [fault] = [...notes, ...calls.faults()];
  if (fault !== undefined) throw new ExaiError("CONFIG", fault);
  const id = query.get("id");
  if (id !== null) {
    const { record, bodies } = calls.find(id);
    return { call: callJson(record, bodies) };
  }
  return { calls: calls.list(parseFilter(query), parseLimit(query)).map((record) => callJson(record)) };
}

async function follow(
  loaded: LoadedSettings,
  query: URLSearchParams,
  print: (text: string) => void,
): Promise<string> {
  const json = loaded.switches.has("json");
  const widths = [9, 23, 12, 28, 20, 10, 9, 9, 36];
  const line = (cells: readonly unknown[]) => formatRow(cells.map(formatCell), widths);
  if (!json) print(line(HEADINGS));
  for await (const text of followDaemon(loaded.settings, `/calls/follow?${query}`)) {
    print(json ? jsonEscaped(text) : line(rowOf(JSON.parse(text))));
  }
  return "the daemon has stopped";
}

function rowOf(call: JsonObject): unknown[] {
  const client = call.client_version ? `${call.client} ${call.client_version}` : call.client;
  return [
    call.id,
    localTime(String(call.started_at)),
    call.server,
    call.tool,
    call.outcome,
    formatMs(Number(call.duration_ms)),
    formatBytes(Number(call.bytes_in)),
    formatBytes(Number(call.bytes_out)),
    call.session,
    client,
    call.waits_for,
  ];
}

function inFull(call: JsonObject): string {
  const { request, answer, ...facts } = call;
  const lines = Object.entries(facts)
    .filter(([, value]) => value !== undefined && value !== null)
    .map(([name, value]) => `${name.padEnd(16)}${visible(String(value), 2000)}`);
  const bodies = [["request", request], ["answer", answer]]
    .filter(([, text]) => typeof text === "string")
    .map(([name, text]) => `\n${name}\n${pretty(String(text))}`);
  if (bodies.length === 0) lines.push("", "What was said is kept with EXAI_CALLS_BODIES=true.");
  return [...lines, ...bodies].join("\n");
}

/** JSON set out for a person; as it is where it was cut. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function formatMs(ms: number): string {
  if (ms < SECOND_MS) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  return `${(ms / SECOND_MS).toFixed(1)} s`;
}

function localTime(iso: string): string {
  const at = new Date(iso);
  const local = new Date(at.getTime() - at.getTimezoneOffset() * MINUTE_MS);
  return local.toISOString().slice(0, 23).replace("T", " ");
}

function asJson(value: unknown): string {
  return visibleJson(value, 2);
}

async function isFile(path: string): Promise<boolean> {
  return await Deno.stat(path).then((info) => info.isFile, () => false);
}
