/** Rows under their headings, in columns as wide as they need to be; what is not known shows as `-`. */
export function formatTable(headings: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const cells = rows.map((row) =>
    row.map((cell) => cell === undefined || cell === null ? "-" : String(cell))
  );
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...cells.map((row) => row[i]!.length))
  );
  return [headings, ...cells]
    .map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join("  ").trimEnd())
    .join("\n");
}
