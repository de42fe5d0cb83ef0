import type { JsonObject } from "../base/json.ts";
import { neededInput } from "../call/input_requests.ts";
import { changedResult } from "../wire/raw_edits.ts";
import { memberOf, withMember } from "../wire/raw_object.ts";
import { rawResult } from "../wire/raw_message.ts";
import type { Result } from "../wire/rpc.ts";

/**
 * The server's own state in what it asks; undefined where it gave none.
 *
 * @param asked what its client has declared, and the server's name where it is known
 * @throws {ExaiError} as {@linkcode neededInput}
 */
export function stateOf(
  result: Result & { result: JsonObject },
  asked: { capabilities: JsonObject; server: string | undefined },
): string | undefined {
  const body = rawResult(result)?.body ?? result.result;
  const inputRequests = memberOf(body, "inputRequests");
  const requestState = memberOf(body, "requestState");
  return neededInput({ inputRequests, requestState }, asked).state;
}

/** `result` with `state` in place of the server's own. */
export function withState(result: Result, state: string): Result {
  return changedResult(result, (body) => withMember(body, "requestState", state) as typeof body);
}
