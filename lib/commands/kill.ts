import { ExaiError } from "../base/errors.ts";
import { visible } from "../base/visible.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { MAX_SHOWN_CHARS } from "./table.ts";
import type { Command, Invocation } from "./command.ts";

export const killCommand: Command = {
  summary: "End a call, a session or the processes of a server; a server starts again with its next call",
  forms: [
    { args: "call ID", does: "the same as `cancel ID`" },
    {
      args: "session ID",
      does: "cancels the session's calls and closes its connection; a shim begins a new session",
    },
    {
      args: "upstream NAME",
      does: "ends a server's processes with all they started; the next call starts it again",
    },
  ],
  run: kill,
};

async function kill({ args, settings }: Invocation): Promise<string> {
  const [what = "", id] = args;
  if (id === undefined || args.length > 2) {
    throw new ExaiError(
      "CONFIG",
      "kill takes what and which: kill call ID, kill session ID, kill upstream NAME",
    );
  }
  const { ended } = await askDaemon(settings, `/kill?${new URLSearchParams({ what, id })}`, "POST");
  return (ended as string[]).map((name) => visible(`ended ${what} ${name}`, MAX_SHOWN_CHARS)).join("\n");
}
