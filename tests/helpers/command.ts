import { visibleJson } from "../../lib/base/visible.ts";
import type { Command, Invocation } from "../../lib/commands/command.ts";
import { runAction } from "../../lib/commands/commands.ts";
import { isGroup } from "../../lib/commands/usage.ts";

/** Runs `command` in the process of the test and gives what it prints at its end. */
export async function runCommandAlone(
  command: Command,
  args: readonly string[],
  loaded: Pick<Invocation, "settings"> & Partial<Invocation>,
): Promise<string> {
  const [word = "", ...rest] = args;
  const found = isGroup(command) ? command.actions[word] ?? command.actions[command.fallback ?? ""] : command;
  if (found === undefined) throw new Error(`the command has no action ${word}`);
  const isNamed = isGroup(command) && Object.hasOwn(command.actions, word);
  const { text, json } = await runAction({ path: "command", action: found }, {
    switches: new Set(),
    options: new Map(),
    progress: { step() {}, end() {} },
    own: new Map(),
    print: () => {},
    ...loaded,
    args: isNamed ? rest : args,
  });
  return loaded.switches?.has("json") && json !== undefined ? visibleJson(json, 2) : text;
}
