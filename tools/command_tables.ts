import { COMMANDS } from "../lib/commands/commands.ts";
import { EXIT_MEANINGS } from "../lib/commands/exit_codes.ts";
import { actionsOf, type NamedAction } from "../lib/commands/usage.ts";
import { code, markdownTable } from "./markdown.ts";

/** Every command with what it does, in the order of `exai-daemon help`. */
export function commandsTable(): string {
  const rows = Object.entries(COMMANDS).map((
    [name, { summary }],
  ) => [`[${code(name)}](#${name})`, summary]);
  return markdownTable(["command", "what it does"], rows);
}

export function exitCodesTable(): string {
  return markdownTable(["code", "means"], Object.entries(EXIT_MEANINGS).map(([code, text]) => [code, text]));
}

/** A section for each command: its forms, flags and exit codes. */
export function commandSections(): string {
  return Object.entries(COMMANDS).map(([name, command]) => {
    const actions = actionsOf(name, command);
    const about = [command.about, ...actions.map(({ action }) => action === command ? [] : action.about)];
    return [
      `### ${name}`,
      command.summary + ".",
      ...about.flatMap((texts) => texts ?? []),
      formsTable(actions),
      ...flagsTable(actions),
      ...exitLines(actions),
    ].join("\n\n");
  }).join("\n\n");
}

function formsTable(actions: readonly NamedAction[]): string {
  const rows = actions.flatMap(({ path, action: { forms } }) =>
    forms.map(({ args, does }) => [code(`exai-daemon ${path} ${args}`.trimEnd()), does])
  );
  return markdownTable(["command", "what it does"], rows).trimEnd();
}

function flagsTable(actions: readonly NamedAction[]): string[] {
  const rows = actions.flatMap(({ path, action: { flags = [] } }) =>
    flags.filter(({ name }) => name !== "json").map(({ name, value, help }) => [
      code(value === undefined ? `--${name}` : `--${name}=${value}`),
      ...actions.length > 1 ? [code(path)] : [],
      help,
    ])
  );
  const head = ["flag", ...actions.length > 1 ? ["of"] : [], "what it does"];
  return rows.length === 0 ? [] : [markdownTable(head, rows).trimEnd()];
}

function exitLines(actions: readonly NamedAction[]): string[] {
  return actions.flatMap(({ path, action: { exits } }) => {
    if (exits === undefined) return [];
    const texts = Object.entries(exits).map(([exit, text]) => `${exit} (${text})`);
    return [`${code(path)} exits with ${texts.join(", ")}.`];
  });
}
