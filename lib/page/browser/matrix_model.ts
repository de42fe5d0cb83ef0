import { stateInWords, type StateTone, toneOf } from "../../admin/state_words.ts";
import type { ServerStatus, SessionStatus } from "../../admin/status_rows.ts";
import { filterWords } from "../../base/text.ts";
import { clientName, lastPart } from "./format.ts";
import type { KnownCall } from "../../admin/known_state.ts";

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
  tone: StateTone;
  /** Its states in words, the worst first. */
  state: string;
  cause?: string;
  /** The processes that each column uses, by its key. */
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
  lines: readonly ServerLine[];
  columns: readonly WindowColumn[];
}

/** "window 9" before "window 10". */
const BY_NAME = new Intl.Collator("en", { numeric: true });
const WORST_FIRST: readonly StateTone[] = ["bad", "ask", "busy", "ok", "off"];

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
  for (const { row } of processes) counts.set(stateInWords(row), (counts.get(stateInWords(row)) ?? 0) + 1);
  const state = [...counts].map(([state, count]) => count === 1 ? state : `${state} ×${count}`).join(", ");
  const byColumn = new Map<string, ShownProcess[]>();
  for (const process of processes) {
    const columns = new Set(process.row.sessions.flatMap((id) => columnOf.get(id) ?? []));
    for (const column of columns) byColumn.set(column, [...byColumn.get(column) ?? [], process]);
  }
  const worst = processes.find(({ row }) => toneOf(row) === tone);
  return { name, processes, tone, state, cause: worst?.row.cause, byColumn };
}

/** The windows, in the order of their names. */
export function columnsOf(sessions: ReadonlyMap<string, SessionStatus>): WindowColumn[] {
  const groups = Map.groupBy(
    sessions.values(),
    // One program may have several windows: they work in directories of their own.
    ({ window, session, cwd }) =>
      window === undefined ? `session ${session}` : `window ${window} ${cwd ?? ""}`,
  );
  const columns = Array.from(groups, ([key, sessions]): WindowColumn => {
    const [first] = sessions as [SessionStatus];
    const client = clientName(first.client);
    return {
      key,
      label: first.cwd === undefined ? client : `${client} ${lastPart(first.cwd)}`,
      detail: first.window ?? first.session.slice(0, 8),
      isConnected: sessions.some(({ connected }) => connected),
      sessions,
    };
  });
  return columns.sort((a, b) => BY_NAME.compare(a.label, b.label) || BY_NAME.compare(a.detail, b.detail));
}

/** How many calls run, and how many wait. */
export interface CellLoad {
  running: number;
  waiting: number;
}

/** Calls that have not ended, by server and session, as `SERVER\nSESSION`. */
export function loadsByCell(calls: Iterable<KnownCall>): Map<string, CellLoad> {
  const loads = new Map<string, CellLoad>();
  for (const { row } of calls) {
    const key = cellKey(String(row.server), String(row.session));
    const load = loads.get(key) ?? { running: 0, waiting: 0 };
    if (row.waits_for) load.waiting++;
    else load.running++;
    loads.set(key, load);
  }
  return loads;
}

/** The calls of one window at one server. */
export function loadOf(
  loads: ReadonlyMap<string, CellLoad>,
  server: string,
  { sessions }: WindowColumn,
): CellLoad {
  const of = sessions.flatMap(({ session }) => loads.get(cellKey(server, session)) ?? []);
  return {
    running: of.reduce((sum, { running }) => sum + running, 0),
    waiting: of.reduce((sum, { waiting }) => sum + waiting, 0),
  };
}

function cellKey(server: string, session: string): string {
  return `${server}\n${session}`;
}

/** A cell of the matrix: column -1 is that of the names. */
export interface GridPlace {
  row: number;
  column: number;
}

/** The cell that a person has chosen. Lines and columns come and go, so it is known by what is there. */
export interface ChosenPlace extends GridPlace {
  server?: string;
  /** Key of the column. */
  window?: string;
}

/** What is chosen with the cell at `place`. */
export function chosenAt({ row, column }: GridPlace, { lines, columns }: Matrix): ChosenPlace {
  return { row, column, server: lines[row]?.name, window: columns[column]?.key };
}

/** Where what was chosen is now; what is no longer there leaves its place to what follows it. */
export function placeOf(chosen: ChosenPlace, { lines, columns }: Matrix): GridPlace {
  const row = lines.findIndex(({ name }) => name === chosen.server);
  const column = columns.findIndex(({ key }) => key === chosen.window);
  return {
    row: row >= 0 ? row : Math.max(0, Math.min(chosen.row, lines.length - 1)),
    column: column >= 0 ? column : Math.min(chosen.column, columns.length - 1),
  };
}

/** The lines whose server, state or cause has each word of `filter` in it. */
export function filterLines(lines: readonly ServerLine[], filter: string): readonly ServerLine[] {
  const words = filterWords(filter);
  if (words.length === 0) return lines;
  return lines.filter(({ name, state, cause }) => {
    const text = `${name} ${state} ${cause ?? ""}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
