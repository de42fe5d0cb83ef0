import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { visible } from "../base/visible.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { MAX_SHOWN_CHARS } from "./table.ts";
import type { Command, Invocation } from "./command.ts";

export const cancelCommand: Command = {
  summary: "Cancel a call that runs; its client gets CANCELLED",
  forms: [{ args: "ID", does: "cancels a call; its client gets `CANCELLED`" }],
  run: cancel,
};

async function cancel({ args, settings }: Invocation): Promise<string> {
  const [id] = args;
  if (id === undefined || args.length > 1) throw new ExaiError("CONFIG", "cancel takes the id of one call");
  const { cancelled } = await askDaemon(settings, `/cancel?${new URLSearchParams({ id })}`, "POST");
  const { id: full, tool, session } = cancelled as JsonObject;
  return visible(`cancelled ${full}: ${tool} of session ${session}`, MAX_SHOWN_CHARS);
}
