import { jsonEscaped } from "../base/visible.ts";
import type { Action, Invocation } from "./command.ts";
import { followLines } from "./follow.ts";

export const topCommand: Action = {
  summary: "Show servers, windows and calls on the terminal as they change, and restart, park or cancel them",
  about: [
    "Each row is a process of a server, each column a window. Keys: arrows select, r restarts a server, p parks it, " +
    "s stops it, c cancels a call, / filters, l shows a log, ? shows all keys, q ends. It needs a terminal of 40 " +
    "columns and 10 rows or more; without colours where NO_COLOR is set.",
  ],
  forms: [
    { args: "", does: "a matrix of servers and windows, live, with calls, faults and logs below it" },
    { args: "--json", does: "each change as a line of JSON, until Ctrl+C; needs no terminal" },
  ],
  run: top,
};

async function top({ settings, switches, progress, print }: Invocation): Promise<string> {
  // What draws is loaded only here: daemons have no use for it.
  const { runOnTerminal, topDaemon, watchLines } = await import("./top/terminal_run.ts");
  if (!switches.has("json")) {
    await runOnTerminal(topDaemon(settings), () => progress.end());
    return "";
  }
  await followLines(watchLines(settings, undefined), (line) => print(jsonEscaped(line)));
  return "";
}
