import { formatFlags, formatHelp, settingsOf } from "../config/help.ts";
import { COMMANDS, PROGRAM_FLAGS } from "./commands.ts";
import { type Command, type CommandFlag, usageOf } from "./command.ts";

const NAME_WIDTH = Math.max(...Object.keys(COMMANDS).map((name) => name.length)) + 2;

/** The text of `exai-daemon --help`. */
export function programHelp(): string {
  return formatHelp({
    program: "exai-daemon",
    usage: "[command] [--flag=value ...]",
    about: [
      "One warm daemon per machine: runs EXAI's tools and shares MCP servers between every window.",
      "",
      "Without a command it starts the daemon. Commands (exai-daemon COMMAND --help shows the flags of one):",
      ...Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(NAME_WIDTH)}${summary}`),
    ].join("\n"),
    settings: settingsOf("daemon"),
    switches: PROGRAM_FLAGS.map(shownFlag),
  });
}

/** The text of `exai-daemon NAME --help`. */
export function commandHelp(name: string, command: Command): string {
  const { summary, forms, flags = [] } = command;
  const calls = forms.map(({ args, does }) => [`exai-daemon ${name} ${args}`.trimEnd(), does] as const);
  const width = Math.max(...calls.map(([call]) => call.length)) + 2;
  return [
    summary,
    "",
    `Usage: exai-daemon ${usageOf(name, command)}`,
    "",
    ...calls.map(([call, does]) => `  ${call.padEnd(width)}${does.replaceAll("`", "")}`),
    "",
    ...formatFlags([{ flag: "help", help: "Show this text and exit" }, ...flags.map(shownFlag)]),
    "",
    "Every setting is a flag too, such as --home; exai-daemon --help lists them.",
  ].join("\n");
}

function shownFlag({ name, value, help }: CommandFlag): { flag: string; help: string } {
  return { flag: value === undefined ? name : `${name}=${value}`, help };
}
