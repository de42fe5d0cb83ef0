import { type Command, type Invocation, usageOf } from "../../lib/commands/command.ts";
import { COMMANDS } from "../../lib/commands/commands.ts";

/** Runs `command` in the process of the test and gives what it prints at its end. */
export async function runCommandAlone(
  command: Command,
  args: readonly string[],
  loaded: Pick<Invocation, "settings"> & Partial<Invocation>,
): Promise<string> {
  const result = await command.run({
    switches: new Set(),
    options: new Map(),
    own: new Map(),
    ...loaded,
    args,
    usage: usageOf("command", command),
    commands: COMMANDS,
    print: () => {},
  });
  return typeof result === "string" ? result : result.text;
}
