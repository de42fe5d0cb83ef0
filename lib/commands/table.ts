import stringWidth from "string-width";
import { MINUTE_MS } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import { terminalColumns } from "./terminal.ts";

/** How much of a line about one thing is shown, in characters. */
export const MAX_SHOWN_CHARS = 500;
/** How much of an error message is shown, in characters. */
export const MAX_ERROR_CHARS = 2000;

const GAP = 2;
/** A column is not made narrower than this, or than its heading. */
const MIN_COLUMN = 8;
const CUT = "…";

interface TableOptions {
  /** Columns of the terminal; undefined: any width fits, as in a file or a pipe. Those of stdout by default. */
  columns?: number;
  /** Headings of the columns that a narrow terminal does without, the first one first. */
  optional?: readonly string[];
}

/**
 * Rows under their headings, in columns as wide as their widest cell; a value that is unknown or missing is `-`. A cell is
 * always one line: line breaks in it are escaped.
 *
 * Where that is wider than the terminal, optional columns are left out, and the widest are cut: words at their end, paths
 * at their beginning, numbers and times never. Where even that is too wide, each row is a list of its values.
 */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly unknown[])[],
  options: TableOptions = {},
): string {
  const { columns, optional = [] } = { columns: terminalColumns(), ...options };
  const cells = rows.map((row) => headings.map((_, i) => formatCell(row[i])));
  const table = headings.map((heading, i) => columnOf(heading, cells.map((row) => row[i]!)));
  if (columns !== undefined) leaveOut(table, optional, columns);
  const widths = columns === undefined ? table.map(({ natural }) => natural) : fit(table, columns);
  if (widths === undefined) return formatRecords(headings, cells, columns!);
  return ["heading", ...cells.keys()].map((at) =>
    formatRow(
      table.map(({ heading, cells }, i) =>
        cutToWidth(typeof at === "number" ? cells[at]! : heading, widths[i]!)
      ),
      widths,
    )
  ).join("\n");
}

/** One column of a table, with the widths it may have. */
interface TableColumn {
  heading: string;
  cells: readonly string[];
  natural: number;
  least: number;
}

/** A part of these says nothing: numbers, sizes, times. */
const RIGID = /^(?:-|[\d:. -]+(?: [A-Za-z]{1,3})?)$/;

function columnOf(heading: string, cells: readonly string[]): TableColumn {
  const ofHeading = stringWidth(heading);
  const natural = cells.reduce((most, cell) => Math.max(most, stringWidth(cell)), ofHeading);
  const isRigid = cells.every((cell) => RIGID.test(cell));
  return {
    heading,
    cells,
    natural,
    least: isRigid ? natural : Math.min(natural, Math.max(MIN_COLUMN, ofHeading)),
  };
}

function totalOf(table: readonly TableColumn[], width: "natural" | "least"): number {
  return table.reduce((sum, column) => sum + column[width], GAP * (table.length - 1));
}

/** Takes optional columns out, those that say nothing first, until the table can fit. */
function leaveOut(table: TableColumn[], optional: readonly string[], columns: number): void {
  const isEmpty = ({ cells }: TableColumn) => cells.every((cell) => cell === "-");
  const candidates = optional.flatMap((name) => table.filter(({ heading }) => heading === name));
  for (const column of candidates.filter(isEmpty)) {
    if (totalOf(table, "natural") > columns) table.splice(table.indexOf(column), 1);
  }
  for (const column of candidates) {
    if (totalOf(table, "least") > columns && table.includes(column)) table.splice(table.indexOf(column), 1);
  }
}

/** Widths that fit into `columns`, the widest narrowed first; undefined when there are none. */
function fit(table: readonly TableColumn[], columns: number): number[] | undefined {
  const widths = table.map(({ natural }) => natural);
  for (let excess = totalOf(table, "natural") - columns; excess > 0; excess--) {
    let widest = -1;
    for (const [i, width] of widths.entries()) {
      if (width > table[i]!.least && (widest < 0 || width > widths[widest]!)) widest = i;
    }
    if (widest < 0) return undefined;
    widths[widest]!--;
  }
  return widths;
}

/** Each row as lines of a heading and its value, for a terminal that is too narrow for the table. */
function formatRecords(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
): string {
  const width = Math.max(...headings.map((heading) => stringWidth(heading)));
  const left = Math.max(1, columns - width - GAP);
  return rows.map((row) =>
    row.map((cell, i) => formatRow([headings[i]!, cutToWidth(cell, left)], [width])).join("\n")
  ).join("\n\n");
}

/** One value as a cell of a row. */
export function formatCell(value: unknown): string {
  return value === undefined || value === null ? "-" : visible(String(value));
}

/** Cells in columns of `widths`; a wide (East Asian) character counts as two. */
export function formatRow(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, i) => cell + " ".repeat(Math.max(0, (widths[i] ?? 0) - stringWidth(cell))))
    .join(" ".repeat(GAP)).trimEnd();
}

/** `text` in at most `width` columns: cut at its end, a path at its beginning. */
export function cutToWidth(text: string, width: number): string {
  if (stringWidth(text) <= width) return text;
  const isPath = /^(?:~?[\\/]|[A-Za-z]:[\\/])/.test(text);
  const parts = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  if (isPath) parts.reverse();
  const kept: string[] = [];
  let left = width - stringWidth(CUT);
  for (const part of parts) {
    left -= stringWidth(part);
    if (left < 0) break;
    kept.push(part);
  }
  return isPath ? CUT + kept.reverse().join("") : kept.join("") + CUT;
}

/** A time in the machine's time zone, as `2026-11-24 09:00`; to the millisecond with seconds and their fraction. */
export function formatLocalTime(time: number | string, precision: "minute" | "millisecond"): string {
  const date = new Date(time);
  const local = new Date(date.getTime() - date.getTimezoneOffset() * MINUTE_MS);
  return local.toISOString().slice(0, precision === "minute" ? 16 : 23).replace("T", " ");
}
