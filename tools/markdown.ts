/** Rows as a Markdown table. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n") + "\n";
}

export function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}

/** The page `before` with `lines` in its generated part `name`, which is added at the end of a page that has none. */
export function generatedPart(
  before: string,
  { name, lines }: { name: string; lines: readonly string[] },
): string {
  const [begin, end] = [`<!-- generated: ${name} -->`, "<!-- end -->"];
  const part = [begin, "", ...lines, end].join("\n");
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) return `${before.trimEnd()}\n\n${part}\n`;
  return before.slice(0, from) + part + before.slice(to + end.length);
}
