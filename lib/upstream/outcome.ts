import { ExaiError } from "../base/errors.ts";
import type { Call } from "../call/call.ts";
import { isIdempotent, isIdempotentTool } from "../wire/idempotency.ts";
import type { ListCache } from "./lists.ts";

/**
 * Whether `call`, which failed with `thrown`, may be made again on the next connection: it was refused and so did not
 * run, or it may have run and running twice does no harm.
 */
export async function mayRepeat(
  thrown: unknown,
  call: Call,
  lists: ListCache | undefined,
): Promise<boolean> {
  if (call.signal.aborted || !(thrown instanceof ExaiError)) return false;
  const outcome = thrown.details?.outcome;
  if (outcome === "not_run") return true;
  if (outcome !== "unknown") return false;
  if (call.method !== "tools/call") return isIdempotent(call.method);
  // A list that is not known by now is not asked for: the connection is gone.
  const tools = await lists?.known("tools") ?? [];
  return isIdempotentTool(tools.find(({ name }) => name === call.params.name));
}
