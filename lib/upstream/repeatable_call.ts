import { ExaiError } from "../base/errors.ts";
import { type Call, paramOf } from "../call/call.ts";
import { isIdempotent, isIdempotentTool } from "../wire/idempotency.ts";
import { ProcessStoppedError } from "./next_process.ts";
import type { ListCache } from "./lists/list_cache.ts";

/**
 * Whether `call`, which failed with `thrown`, may be made again on the next connection: it did not run, or it may have
 * run and running it twice does no harm. That is done once (`isRepeated`), but each time the daemon itself has stopped
 * the process before the call ran.
 */
export async function mayRepeat(
  thrown: unknown,
  call: Call,
  { lists, isRepeated = false }: { lists?: ListCache; isRepeated?: boolean } = {},
): Promise<boolean> {
  if (call.signal.aborted || !(thrown instanceof ExaiError)) return false;
  // It would be refused again until somebody has signed in.
  if (thrown.code === "LOGIN_REQUIRED") return false;
  if (thrown instanceof ProcessStoppedError) return true;
  if (isRepeated) return false;
  const outcome = thrown.details?.outcome;
  if (outcome === "not_run") return true;
  if (outcome !== "unknown") return false;
  if (call.method !== "tools/call") return isIdempotent(call.method);
  // The connection is gone: a list that is not cached cannot be read.
  const tools = await lists?.known("tools") ?? [];
  const called = paramOf(call, "name");
  return isIdempotentTool(tools.find(({ name }) => name === called));
}
