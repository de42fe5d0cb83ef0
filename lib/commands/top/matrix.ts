import { basename } from "@std/path";
import stringWidth from "string-width";
import { formatBytes } from "../../base/units.ts";
import type { KnownCall } from "../../admin/known_state.ts";
import { stateInWords, toneOf } from "../../admin/state_words.ts";
import type { ServerStatus, SessionStatus } from "../../admin/status_rows.ts";
import { visible } from "../../base/visible.ts";
import { fit, fitRight, type Paint, windowOf } from "./paint.ts";
import { callsAt, type Selected, type ServerRow, type Shown } from "./view.ts";
import type { TopState } from "./top_state.ts";

/** What the letters of the matrix mean, for its help. */
export const CELLS: readonly string[] = [
  ".       the window does not use this process",
  "o       it uses the process, and shares it with the other o of the row",
  "1 to 9  calls of the window that run there; + are more",
  "w       its calls there wait",
  "!       its calls there fail: the server has failed, or needs somebody",
];

interface MatrixInput {
  watched: TopState;
  shown: Shown;
  selected: Selected;
  isFocused: boolean;
  paint: Paint;
  columns: number;
  /** Lines, with that of the headings. */
  rows: number;
}

interface MatrixLayout {
  /** Columns of a line beside those of the name and the cells. */
  fixed: number;
  name: number;
  state: number;
  memory: number;
  cell: number;
  /** Which windows are seen. */
  from: number;
  to: number;
}

/** A narrow terminal cuts longer states; the line of the selected server has them whole. */
const STATE = { least: 8, narrow: 13, most: 19 };
const NARROW = 100;
const NUMBER = 4;
const MEMORY = 9;

/** Servers by windows, as many of both as there is room for; the selected ones are seen. */
export function drawMatrix(input: MatrixInput): string[] {
  const { shown: { servers, windows }, selected, rows, paint, columns } = input;
  const labels = labelsOf(servers);
  const layout = layoutOf(input, labels);
  const at = servers.findIndex(([key]) => key === selected.server?.[0]);
  const [from, to] = windowOf(servers.length, { selected: at, room: rows - 1 });
  const callsOf = callsAt(input.watched);
  const lines = [paint(headingOf(input, layout), "bold")];
  for (const row of servers.slice(from, to)) {
    lines.push(lineOf(input, { layout, row, callsOf, label: labels.get(row[0])! }));
  }
  if (servers.length === 0) {
    lines.push(paint(fit("  no server is configured, or none matches", columns), "dim"));
  } else if (windows.length === 0 && lines.length < rows) {
    lines.push(paint(fit("  no window is open, or none matches", columns), "dim"));
  }
  return lines.slice(0, rows);
}

function layoutOf(
  { watched, shown: { servers, windows }, selected, columns }: MatrixInput,
  labels: ReadonlyMap<string, string>,
): MatrixLayout {
  const most = Math.max(0, ...windows.map(({ session }) => watched.numberOf(session)));
  const cell = most > 99 ? 4 : 3;
  const longest = Math.max(6, ...servers.map(([key]) => stringWidth(visible(labels.get(key)!))));
  const memory = columns >= 70 ? MEMORY : 0;
  const longestState = Math.max(STATE.least, ...servers.map(([, row]) => stateInWords(row).length));
  const state = Math.min(longestState, columns < NARROW ? STATE.narrow : STATE.most);
  const fixed = 2 + state + 1 + NUMBER + memory + 1;
  // Half of a terminal is for the windows, as far as they need it.
  const half = Math.max(Math.floor(columns / 2), columns - 1 - cell * windows.length - 1);
  const name = Math.max(6, Math.min(longest, half - fixed));
  const room = Math.max(0, Math.floor((columns - fixed - name - 1) / cell));
  const at = windows.findIndex(({ session }) => session === selected.window?.session);
  const [from, to] = windowOf(windows.length, { selected: at, room });
  return { fixed, name, state, memory, cell, from, to };
}

function headingOf({ watched, shown, selected, columns }: MatrixInput, layout: MatrixLayout): string {
  const windows = shown.windows.slice(layout.from, layout.to).map(({ session }) => {
    const number = String(watched.numberOf(session));
    return cellOf(number, { layout, isSelected: session === selected.window?.session });
  });
  const hidden = layout.to - layout.from < shown.windows.length ? ">" : "";
  const before = fit("  SERVER", layout.name + 2) + " " + fit("STATE", layout.state) +
    fitRight("RUN", NUMBER) + (layout.memory > 0 ? fitRight("MEMORY", layout.memory) : "") + " ";
  return fit(before + windows.join("") + hidden, columns);
}

interface MatrixRow {
  layout: MatrixLayout;
  row: ServerRow;
  callsOf: ReturnType<typeof callsAt>;
  label: string;
}

function lineOf(input: MatrixInput, { layout, row: [key, row], callsOf, label }: MatrixRow): string {
  const { paint, selected, isFocused, shown, columns } = input;
  const isSelected = key === selected.server?.[0];
  const running = row.inflight + row.queued;
  const name = fit(`${isSelected ? ">" : " "} ${label}`, layout.name + 2);
  const state = fit(stateInWords(row), layout.state);
  const load = fitRight(running === 0 ? "-" : String(running), NUMBER);
  const memory = layout.memory === 0 ? "" : fitRight(
    row.memory_bytes === undefined ? "-" : formatBytes(row.memory_bytes),
    layout.memory,
  );
  const cells = shown.windows.slice(layout.from, layout.to).map((window) => {
    const { session } = window;
    const letter = letterOf(row, { isUsed: isUsedBy(row, window), calls: callsOf(row, session) });
    const text = cellOf(letter, { layout, isSelected: isSelected && session === selected.window?.session });
    return letter === "!" ? paint(text, "red") : letter === "w" ? paint(text, "yellow") : text;
  });
  const dressed = isSelected && isFocused ? paint(name, "inverse") : name;
  const painted = isWrong(row)
    ? paint(state, "red")
    : row.state === "running"
    ? paint(state, "green")
    : state;
  const used = layout.fixed + layout.name + cells.length * layout.cell;
  return `${dressed} ${painted}${load}${memory} ${cells.join("")}` + " ".repeat(Math.max(0, columns - used));
}

function cellOf(text: string, { layout, isSelected }: { layout: MatrixLayout; isSelected: boolean }): string {
  return `${isSelected ? ">" : ""}${text}`.padStart(layout.cell);
}

function letterOf(row: ServerStatus, { isUsed, calls }: { isUsed: boolean; calls: KnownCall[] }): string {
  if (!isUsed) return ".";
  if (calls.some(({ row }) => row.waits_for !== undefined)) return "w";
  if (calls.length > 0) return calls.length > 9 ? "+" : String(calls.length);
  return isWrong(row) ? "!" : "o";
}

/** Whether calls of the server fail as things are. */
export function isWrong(row: ServerStatus): boolean {
  const tone = toneOf(row);
  return tone === "bad" || tone === "ask";
}

/** Whether calls of the window are for this process; one that could not start is used by all whose calls fail. */
function isUsedBy(row: ServerStatus, { session, cwd }: SessionStatus): boolean {
  if (row.sessions.length > 0 || !isWrong(row)) return row.sessions.includes(session);
  return row.directory === undefined || row.directory === cwd;
}

/** A name for each row by its key; of several processes of a server each with what tells it from the others. */
export function labelsOf(servers: readonly ServerRow[]): Map<string, string> {
  const byName = Map.groupBy(servers, ([, row]) => nameOf(row));
  return new Map(servers.map(([key, row]) => {
    const name = nameOf(row);
    const others = byName.get(name)!;
    if (others.length === 1) return [key, name];
    const places = new Set(others.map(([, { directory }]) => directory));
    const ends = new Set(others.map(([, { directory }]) => lastPart(directory)));
    const told = places.size < others.length
      ? row.pid === undefined ? undefined : `#${row.pid}`
      : ends.size < others.length
      ? row.directory
      : lastPart(row.directory);
    return [key, told === undefined ? name : `${name} ${told}`];
  }));
}

const lastPart = (path: string | undefined) => path === undefined ? undefined : basename(path);

/** As `ps` shows it. */
export function nameOf({ server, account }: ServerStatus): string {
  return account === undefined ? server : `${server} (${account})`;
}
