import stringWidth from "string-width";
import { visible } from "../base/visible.ts";

/**
 * Rows under their headings, in columns as wide as they need to be; what is not known shows as `-`. A cell is one line,
 * whatever text somebody has chosen for it.
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

/** Cells in columns of `widths`; a letter of East Asian writing takes two places. */
export function formatRow(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, i) => cell + " ".repeat(Math.max(0, (widths[i] ?? 0) - stringWidth(cell))))
    .join("  ").trimEnd();
}
