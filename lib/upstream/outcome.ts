import { ExaiError } from "../base/errors.ts";
import type { Call } from "../call/call.ts";
import { isRepeatable, isRepeatableTool } from "../wire/repeatable.ts";
import type { Instance } from "./instance.ts";
import { AnswerCut, SessionLost } from "./url/failures.ts";

/** What is known of a call that failed with `cause`, for `details`: whether it has run. */
export function outcomeOf(cause: unknown): { outcome?: "unknown" | "not_run" } {
  if (cause instanceof SessionLost) return { outcome: "not_run" };
  return cause instanceof AnswerCut ? { outcome: "unknown" } : {};
}

/**
 * Whether `call`, which failed with `thrown`, may be made again on the next connection: it was refused and so did not
 * run, or it may have run and running twice does no harm.
 */
export async function mayRepeat(
  thrown: unknown,
  call: Call,
  instance: Instance | undefined,
): Promise<boolean> {
  if (call.signal.aborted || !(thrown instanceof ExaiError)) return false;
  const outcome = thrown.details?.outcome;
  if (outcome === "not_run") return true;
  if (outcome !== "unknown") return false;
  if (call.method !== "tools/call") return isRepeatable(call.method);
  // A list that is not known by now is not asked for: the connection is gone.
  const tools = await instance?.lists.known("tools") ?? [];
  return isRepeatableTool(tools.find(({ name }) => name === call.params.name));
}
