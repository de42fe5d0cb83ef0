import { UsageError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { visible } from "../base/visible.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { MAX_SHOWN_CHARS } from "./table.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";

export const cancelCommand: Action = {
  summary: "Cancel a call that runs; its client gets CANCELLED",
  forms: [{
    args: "ID",
    does: "cancels a call, also one that goes on without its client; a client that waits gets `CANCELLED`",
  }],
  run: cancel,
};

async function cancel({ args, settings }: Invocation): Promise<CommandResult> {
  const [id] = args;
  if (id === undefined) throw new UsageError("cancel takes the id of one call; exai-daemon calls shows them");
  const { cancelled } = await askDaemon(settings, `/cancel?${new URLSearchParams({ id })}`, "POST");
  const { id: full, tool, session } = cancelled as JsonObject;
  return {
    text: visible(`cancelled ${full}: ${tool} of session ${session}`, MAX_SHOWN_CHARS),
    json: { cancelled },
  };
}
