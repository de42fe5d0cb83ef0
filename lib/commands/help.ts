import { formatFlags, formatHelp, settingsOf } from "../config/help.ts";
import type { Action, Command, CommandFlag, CommandGroup } from "./command.ts";
import { EXIT_MEANINGS } from "./exit_codes.ts";
import { flagsOf, isGroup, PROGRAM_FLAGS, usageOf } from "./usage.ts";

/** The text of `exai-daemon --help`. */
export function programHelp(commands: Readonly<Record<string, Command>>): string {
  return formatHelp({
    program: "exai-daemon",
    usage: "[command] [--flag=value ...]",
    about: [
      "One warm daemon per machine: runs EXAI's tools and shares MCP servers between every window.",
      "",
      "Without a command it starts the daemon. Commands (exai-daemon COMMAND --help shows the flags of one):",
      ...formatList(Object.entries(commands).map(([name, { summary }]) => [name, summary])),
    ].join("\n"),
    settings: settingsOf("daemon"),
    switches: PROGRAM_FLAGS.map(shownFlag),
  });
}

/** The text of `exai-daemon help`. */
export function commandList(commands: Readonly<Record<string, Command>>): string {
  return [
    "Usage: exai-daemon [command] [--flag=value ...]; without a command it starts the daemon.",
    "",
    ...formatList(Object.entries(commands).map(([name, { summary }]) => [name, summary])),
    "",
    "exai-daemon COMMAND --help shows the flags of one, and exai-daemon --help every setting.",
  ].join("\n");
}

/** The text of `exai-daemon NAME --help`, and of `exai-daemon NAME WORD --help`. */
export function commandHelp(path: string, command: Command): string {
  return isGroup(command) ? groupHelp(path, command) : actionHelp(path, command);
}

function groupHelp(name: string, { summary, about, actions, fallback }: CommandGroup): string {
  const words = Object.keys(actions).join("|");
  return [
    summary,
    ...paragraphs(about),
    "",
    `Usage: exai-daemon ${name} ${fallback === undefined ? words : `[${words}]`}`,
    "",
    ...formatList(Object.entries(actions).flatMap(([word, action]) => formRows(`${name} ${word}`, action))),
    "",
    `exai-daemon ${name} ${Object.keys(actions)[0]} --help shows the flags of one.`,
  ].join("\n");
}

function actionHelp(path: string, action: Action): string {
  const { summary, about, exits } = action;
  const codes = Object.entries({ ...EXIT_MEANINGS, ...exits });
  return [
    summary,
    ...paragraphs(about),
    "",
    `Usage: exai-daemon ${usageOf(path, action)}`,
    "",
    ...formatList(formRows(path, action)),
    "",
    ...formatFlags([{ flag: "help", help: "Show this text and exit" }, ...flagsOf(action).map(shownFlag)]),
    "",
    "Exit codes:",
    ...formatList(codes),
    "",
    "Every setting is a flag too, such as --home; exai-daemon --help lists them.",
  ].join("\n");
}

function paragraphs(about: readonly string[] = []): string[] {
  return about.flatMap((text) => ["", text.replaceAll("`", "")]);
}

function formRows(path: string, { forms }: Action): [string, string][] {
  return forms.map(({ args, does }) => [`exai-daemon ${path} ${args}`.trimEnd(), does.replaceAll("`", "")]);
}

function formatList(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return rows.map(([name, text]) => `  ${name.padEnd(width)}${text}`);
}

function shownFlag({ name, value, help }: CommandFlag): { flag: string; help: string } {
  return { flag: value === undefined ? name : `${name}=${value}`, help };
}
