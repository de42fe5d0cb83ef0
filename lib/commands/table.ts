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

/**
 * Rows under their headings, in columns as wide as their widest cell; an unknown value is `-`. A cell is always one line:
 * line breaks in it are escaped.
 *
 * Where that is wider than the terminal, the widest columns are cut, paths at their beginning; where even that is too
 * wide, each row is a list of its values.
 *
 * @param columns of the terminal; undefined: any width fits, as in a file or a pipe
 */
export function formatTable(
  headings: readonly string[],
  rows: readonly (readonly unknown[])[],
  columns: number | undefined = terminalColumns(),
): string {
  const cells = rows.map((row) => row.map(formatCell));
  const natural = headings.map((heading, i) =>
    cells.reduce((most, row) => Math.max(most, stringWidth(row[i]!)), stringWidth(heading))
  );
  const widths = columns === undefined ? natural : fit(natural, { headings, columns });
  if (widths === undefined) return formatRecords(headings, cells, columns!);
  return [headings, ...cells]
    .map((row) => formatRow(row.map((cell, i) => cutToWidth(cell, widths[i]!)), widths)).join("\n");
}

/** Widths that fit into `columns`, the widest narrowed first; undefined when there are none. */
function fit(
  natural: readonly number[],
  { headings, columns }: { headings: readonly string[]; columns: number },
): number[] | undefined {
  const widths = [...natural];
  const least = natural.map((width, i) => Math.min(width, Math.max(MIN_COLUMN, stringWidth(headings[i]!))));
  let excess = widths.reduce((sum, width) => sum + width, 0) + GAP * (widths.length - 1) - columns;
  while (excess > 0) {
    let widest = -1;
    for (const [i, width] of widths.entries()) {
      if (width > least[i]! && (widest < 0 || width > widths[widest]!)) widest = i;
    }
    if (widest < 0) return undefined;
    widths[widest]!--;
    excess--;
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
