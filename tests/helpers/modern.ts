import type { Json, JsonObject } from "../../lib/base/json.ts";
import { META } from "../../lib/wire/client_claim.ts";

export const MODERN = "2026-07-28";

/** What a client of the modern era says of itself on each request. */
export interface Said {
  capabilities?: JsonObject;
  client?: string;
  revision?: Json;
  logLevel?: string;
  /** Beside the claim, as `progressToken`. */
  meta?: JsonObject;
}

/** `_meta` of a request of the modern era. */
export function claimOf(
  { capabilities = {}, client = "new", revision = MODERN, logLevel, meta }: Said = {},
): JsonObject {
  return {
    ...meta,
    [META.revision]: revision,
    [META.client]: { name: client, version: "1" },
    [META.capabilities]: capabilities,
    ...(logLevel === undefined ? {} : { [META.logLevel]: logLevel }),
  };
}

/** A request of the modern era. */
export function modernRequest(id: Json, method: string, params: JsonObject = {}, said?: Said): JsonObject {
  return { jsonrpc: "2.0", id, method, params: { ...params, _meta: claimOf(said) } };
}

/** The id of the listen that a notification or a result belongs to. */
export function subscriptionOf(message: JsonObject): Json | undefined {
  const body = (message.params ?? message.result) as JsonObject;
  return (body._meta as JsonObject)[META.subscription];
}
