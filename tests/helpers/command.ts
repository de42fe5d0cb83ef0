import { visibleJson } from "../../lib/base/visible.ts";
import type { Command, Invocation } from "../../lib/commands/command.ts";
import { runAction } from "../../lib/commands/commands.ts";
import { isGroup } from "../../lib/commands/usage.ts";

/** Runs `command` in the process of the test and gives what it ends with. */
export async function outcomeOf(
  command: Command,
  args: readonly string[],
  loaded: Pick<Invocation, "settings"> & Partial<Invocation>,
) {
  const [word = "", ...rest] = args;
  const found = isGroup(command) ? command.actions[word] ?? command.actions[command.fallback ?? ""] : command;
  if (found === undefined) throw new Error(`the command has no action ${word}`);
  const isNamed = isGroup(command) && Object.hasOwn(command.actions, word);
  return await runAction({ path: "command", action: found }, {
    switches: new Set(),
    options: new Map(),
    progress: { step() {}, end() {} },
    own: new Map(),
    print: () => {},
    ...loaded,
    args: isNamed ? rest : args,
  });
}

/** Runs `command` in the process of the test and gives what it prints at its end. */
export async function runCommandAlone(...command: Parameters<typeof outcomeOf>): Promise<string> {
  const { text, json } = await outcomeOf(...command);
  return command[2].switches?.has("json") && json !== undefined ? visibleJson(json, 2) : text;
}
