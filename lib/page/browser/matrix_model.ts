import type { ServerStatus, SessionStatus } from "../../admin/status_rows.ts";
import { lastPart } from "./format.ts";
import type { ShownCall } from "./shown_state.ts";

/** How a state is drawn. */
export type Tone = "ok" | "busy" | "ask" | "bad" | "off";

/** One process of a server, or what stands for it where none runs. */
export interface ShownProcess {
  key: string;
  /** Counts from 1 within its server; cells with one number share one process. */
  number: number;
  row: ServerStatus;
}

/** A line of the matrix: one configured server. */
export interface ServerLine {
  name: string;
  processes: ShownProcess[];
  tone: Tone;
  /** Its states in words, the worst first. */
  state: string;
  cause?: string;
  /** The numbers of the processes of each column. */
  byColumn: Map<string, ShownProcess[]>;
}

/** A column of the matrix: one window, with the sessions of its agents. */
export interface WindowColumn {
  key: string;
  label: string;
  /** What tells it from another of the same label. */
  detail: string;
  isConnected: boolean;
  sessions: SessionStatus[];
}

/** What the matrix shows. */
export interface Matrix {
  lines: ServerLine[];
  columns: WindowColumn[];
}

const TONES: ReadonlyMap<string, Tone> = new Map<string, Tone>([
  ["running", "ok"],
  ["starting", "busy"],
  ["ending", "busy"],
  ["needs a login", "ask"],
  ["needs a directory", "ask"],
  ["not started", "off"],
  ["disabled", "off"],
  ["parked", "off"],
]);
const WORST_FIRST: readonly Tone[] = ["bad", "ask", "busy", "ok", "off"];

/** What is not known is a fault. */
export function toneOf({ state, list_faults, breaker }: ServerStatus): Tone {
  const tone = TONES.get(state) ?? "bad";
  const isTroubled = (list_faults?.length ?? 0) > 0 || (breaker?.state ?? "closed") !== "closed";
  return tone === "ok" && isTroubled ? "ask" : tone;
}

/** The matrix of servers and windows, both in the order of their names. */
export function buildMatrix(
  servers: ReadonlyMap<string, ServerStatus>,
  sessions: ReadonlyMap<string, SessionStatus>,
): Matrix {
  const columns = columnsOf(sessions);
  const columnOf = new Map(
    columns.flatMap(({ key, sessions }) => sessions.map(({ session }) => [session, key] as const)),
  );
  const byName = new Map<string, ShownProcess[]>();
  for (const [key, row] of [...servers].sort(([a], [b]) => a < b ? -1 : 1)) {
    const processes = byName.get(row.server) ?? [];
    processes.push({ key, number: processes.length + 1, row });
    byName.set(row.server, processes);
  }
  const lines = Array.from(byName, ([name, processes]) => lineOf(name, processes, columnOf));
  return { lines: lines.sort((a, b) => a.name < b.name ? -1 : 1), columns };
}

function lineOf(
  name: string,
  processes: ShownProcess[],
  columnOf: ReadonlyMap<string, string>,
): ServerLine {
  const tones = processes.map(({ row }) => toneOf(row));
  const tone = WORST_FIRST.find((one) => tones.includes(one)) ?? "off";
  const counts = new Map<string, number>();
  for (const { row: { state } } of processes) counts.set(state, (counts.get(state) ?? 0) + 1);
  const state = [...counts].map(([state, count]) => count === 1 ? state : `${state} ×${count}`).join(", ");
  const byColumn = new Map<string, ShownProcess[]>();
  for (const process of processes) {
    const columns = new Set(process.row.sessions.flatMap((id) => columnOf.get(id) ?? []));
    for (const column of columns) byColumn.set(column, [...byColumn.get(column) ?? [], process]);
  }
  const worst = processes.find(({ row }) => toneOf(row) === tone);
  return { name, processes, tone, state, cause: worst?.row.cause, byColumn };
}

function columnsOf(sessions: ReadonlyMap<string, SessionStatus>): WindowColumn[] {
  const groups = new Map<string, SessionStatus[]>();
  for (const session of sessions.values()) {
    const key = session.window === undefined ? `session ${session.session}` : `window ${session.window}`;
    groups.set(key, [...groups.get(key) ?? [], session]);
  }
  const columns = Array.from(groups, ([key, sessions]): WindowColumn => {
    const [first] = sessions as [SessionStatus];
    const client = first.client ?? "no name given";
    return {
      key,
      label: first.cwd === undefined ? client : `${client} ${lastPart(first.cwd)}`,
      detail: first.window ?? first.session.slice(0, 8),
      isConnected: sessions.some(({ connected }) => connected),
      sessions,
    };
  });
  return columns.sort((a, b) =>
    a.label === b.label ? (a.detail < b.detail ? -1 : 1) : a.label < b.label ? -1 : 1
  );
}

/** Running calls by server and session, as `SERVER\nSESSION`. */
export function runningByCell(running: Iterable<ShownCall>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { row } of running) {
    const key = cellKey(String(row.server), String(row.session));
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

export function cellKey(server: string, session: string): string {
  return `${server}\n${session}`;
}

/** The lines whose server, state or cause has each word of `filter` in it. */
export function filterLines(lines: readonly ServerLine[], filter: string): readonly ServerLine[] {
  const words = filter.toLowerCase().split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) return lines;
  return lines.filter(({ name, state, cause }) => {
    const text = `${name} ${state} ${cause ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** The part of `count` things of `size` pixels that is seen, with a few on either side. */
export function visibleRange(
  { scroll, extent, size, count }: { scroll: number; extent: number; size: number; count: number },
): [number, number] {
  const first = Math.max(0, Math.floor(scroll / size) - 4);
  return [Math.min(first, Math.max(0, count - 1)), Math.min(count, Math.ceil((scroll + extent) / size) + 4)];
}
