import { ExaiError } from "../base/errors.ts";
import { textOf } from "../base/json.ts";
import { GivenUp } from "../call/wait.ts";
import { type Params, RawObject } from "../wire/raw_object.ts";
import { readRequestId, type RequestId } from "../wire/rpc.ts";

/**
 * The reason of a client whose own time was up, and not of a user who no longer wants the answer. MCP has no code for
 * it: the SDKs write theirs, -32001 (TypeScript), "request timeout" (rmcp) or "context deadline exceeded" (Go), the shim
 * "not answered in time".
 */
const TIMED_OUT = /-32001|timed?[ -]?out|deadline|not answered in time/i;

/** Why a client has withdrawn a request, by the params of its `notifications/cancelled`. */
export function withdrawalOf(params: RawObject | undefined): ExaiError {
  const why = textOf(params?.get("reason")) ?? "no reason given";
  const message = `the client cancelled the call: ${why}`;
  return TIMED_OUT.test(why) ? new GivenUp("timed_out", message) : new ExaiError("CANCELLED", message);
}

/** The id of the request that it names; undefined where that is no id. */
export function withdrawnId(params: Params | undefined): RequestId | undefined {
  const text = params instanceof RawObject ? params.textOf("requestId") : JSON.stringify(params?.requestId);
  return readRequestId(text ?? "null");
}
