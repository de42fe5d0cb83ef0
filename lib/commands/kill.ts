import { UsageError } from "../base/errors.ts";
import { visible } from "../base/visible.ts";
import { askDaemon } from "../client/daemon_client.ts";
import type { Action, CommandGroup, CommandResult, Invocation } from "./command.ts";
import { MAX_SHOWN_CHARS } from "./table.ts";

export const killCommand: CommandGroup = {
  summary: "End a call, a session or the processes of a server; a server starts again with its next call",
  actions: {
    call: killing("call", "Cancel a call that runs", { args: "ID", does: "the same as `cancel ID`" }),
    session: killing("session", "End a session", {
      args: "ID",
      does: "cancels the session's calls and closes its connection; a shim begins a new session",
    }),
    upstream: killing("upstream", "End the processes of a server", {
      args: "NAME",
      does: "ends a server's processes with all they started; the next call starts it again",
    }),
  },
};

function killing(what: string, summary: string, form: Action["forms"][number]): Action {
  return { summary, forms: [form], run: (invocation) => kill(what, invocation) };
}

async function kill(what: string, { args: [id], settings, usage }: Invocation): Promise<CommandResult> {
  if (id === undefined) throw new UsageError(`it is not said which one to end; usage: ${usage}`);
  const { ended } = await askDaemon(settings, `/kill?${new URLSearchParams({ what, id })}`, "POST");
  const text = (ended as string[]).map((name) => visible(`ended ${what} ${name}`, MAX_SHOWN_CHARS));
  return { text: text.join("\n"), json: { what, ended } };
}
