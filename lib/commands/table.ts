import stringWidth from "string-width";
import { MINUTE_MS } from "../base/units.ts";
import { visible } from "../base/visible.ts";

/** How much of a line about one thing is shown, in characters. */
export const MAX_SHOWN_CHARS = 500;
/** How much of an error message is shown, in characters. */
export const MAX_ERROR_CHARS = 2000;

/**
 * Rows under their headings, in columns as wide as their widest cell; an unknown value is `-`. A cell is always one line:
 * line breaks in it are escaped.
 */
export function formatTable(headings: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = rows.map((row) => row.map(formatCell));
  const widths = headings.map((heading, i) =>
    cells.reduce((most, row) => Math.max(most, stringWidth(row[i]!)), heading.length)
  );
  return [headings, ...cells].map((row) => formatRow(row, widths)).join("\n");
}

/** One value as a cell of a row. */
export function formatCell(value: unknown): string {
  return value === undefined || value === null ? "-" : visible(String(value));
}

/** Cells in columns of `widths`; a wide (East Asian) character counts as two. */
export function formatRow(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, i) => cell + " ".repeat(Math.max(0, (widths[i] ?? 0) - stringWidth(cell))))
    .join("  ").trimEnd();
}

/** A time in the machine's time zone, as `2026-11-24 09:00`; to the millisecond with seconds and their fraction. */
export function formatLocalTime(time: number | string, precision: "minute" | "millisecond"): string {
  const date = new Date(time);
  const local = new Date(date.getTime() - date.getTimezoneOffset() * MINUTE_MS);
  return local.toISOString().slice(0, precision === "minute" ? 16 : 23).replace("T", " ");
}
