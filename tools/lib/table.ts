/** `rows` under `head` in columns; what looks like a number stands to the right. */
export function formatTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, i) => Math.max(title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const isNumeric = head.map((_, i) => rows.every((row) => /^([\d.,]+|-|)$/.test(row[i] ?? "")));
  const line = (row: readonly string[]) =>
    widths.map((width, i) => isNumeric[i] ? (row[i] ?? "").padStart(width) : (row[i] ?? "").padEnd(width))
      .join("  ").trimEnd();
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
