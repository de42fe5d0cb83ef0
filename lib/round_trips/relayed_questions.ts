import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject, ownEntry, textOf } from "../base/json.ts";
import { checkAnswerable, CLIENT_CAPABILITY } from "../call/client_capabilities.ts";
import { changedResult } from "../wire/raw_edits.ts";
import { hasMember, memberOf, withMember } from "../wire/raw_object.ts";
import { rawResult } from "../wire/raw_message.ts";
import type { Result } from "../wire/rpc.ts";

function bodyOf(result: Result) {
  return result.error ? undefined : rawResult(result)?.body ?? result.result;
}

/**
 * The server's own state in what it asks; undefined where it gave none.
 *
 * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when it asks for nothing, or for something that no client can be asked;
 * `MISSING_CAPABILITY` for something that this client has not declared
 */
export function stateOf(result: Result, capabilities: JsonObject): string | undefined {
  const body = bodyOf(result)!;
  const state = textOf(memberOf(body, "requestState"));
  const requests = memberOf(body, "inputRequests");
  if (state === undefined && !isObject(requests)) {
    throw new ExaiError("UPSTREAM_UNAVAILABLE", "the server asks for input and does not say for which");
  }
  for (const request of Object.values(isObject(requests) ? requests : {})) checkAsked(request, capabilities);
  return state;
}

function checkAsked(request: unknown, capabilities: JsonObject): void {
  const { method, params } = isObject(request) ? request : {};
  const capability = typeof method === "string" ? ownEntry(CLIENT_CAPABILITY, method) : undefined;
  if (capability === undefined) {
    throw new ExaiError("UPSTREAM_UNAVAILABLE", "the server asks for what no client can be asked");
  }
  const asked = isObject(params) ? params : {};
  try {
    checkAnswerable(String(method), asked, capabilities);
  } catch (thrown) {
    const mode = capability === "elicitation" ? { [textOf(asked.mode) ?? "form"]: {} } : {};
    throw new ExaiError(
      "MISSING_CAPABILITY",
      `the server asks ${String(method)}: ${ExaiError.from(thrown).message}`,
      {
        details: { requiredCapabilities: { [capability]: mode } },
      },
    );
  }
}

/** `result` with `state` in place of the server's own, which it has. */
export function withState(result: Result, state: string): Result {
  return changedResult(result, (body) => {
    return (hasMember(body, "requestState") ? withMember(body, "requestState", state) : body) as typeof body;
  });
}
