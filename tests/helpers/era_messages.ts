import type { JsonObject } from "../../lib/base/json.ts";
import { META } from "../../lib/wire/client_claim.ts";
import { rawResult, readRawMessage } from "../../lib/wire/raw_message.ts";
import type { RawObject } from "../../lib/wire/raw_object.ts";
import type { Result } from "../../lib/wire/rpc.ts";

const LIMITS = { depth: 512, members: 100_000 };

/** What a request of the modern era says in `_meta` of its client. */
export function claimed(capabilities: JsonObject = {}, logLevel?: string): JsonObject {
  return {
    [META.revision]: "2026-07-28",
    [META.client]: { name: "test", version: "1" },
    [META.capabilities]: capabilities,
    ...(logLevel === undefined ? {} : { [META.logLevel]: logLevel }),
  };
}

/** A request as it is read from a client. */
export function rawRequest(method: string, params: JsonObject): { method: string; body: RawObject } {
  const message = readRawMessage(JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }), LIMITS);
  if (message?.kind !== "request" || !message.body) throw new Error(`no request: ${method}`);
  return { method, body: message.body };
}

/** `answer` as it is read from a server. */
export function rawAnswer(answer: Result): Result {
  return rawResult(readRawMessage(JSON.stringify({ jsonrpc: "2.0", id: 1, ...answer }), LIMITS)!)!;
}
