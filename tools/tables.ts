import { shownDefault } from "../lib/config/help.ts";
import { type Setting, SETTINGS } from "../lib/config/settings.ts";

/** Every setting as a Markdown table. */
export function settingsTable(): string {
  const rows = Object.values<Setting>(SETTINGS).map((setting) => [
    code(setting.env),
    code(`--${setting.flag}`),
    code(shownDefault(setting)),
    setting.allowed,
    setting.help,
    setting.programs.join(", "),
  ]);
  return markdownTable(["variable", "flag", "default", "allowed", "what it does", "read by"], rows);
}

/** Rows as a Markdown table. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n") + "\n";
}

function code(text: string): string {
  return text === "" ? "" : `\`${text}\``;
}
