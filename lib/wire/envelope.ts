import { isObject, parseJson } from "../base/json.ts";
import { UNLIMITED } from "./json_scan.ts";
import { readRawMessage } from "./raw_message.ts";
import {
  checkEnvelope,
  jsonId,
  kindOf,
  readRequestId,
  type RequestId,
  type RpcRequest,
  type RpcResponse,
} from "./rpc.ts";

/** What routing needs to know of a client's message. */
export type MessageEnvelope =
  | RequestEnvelope
  | { readonly kind: "notification"; readonly method: string }
  | { readonly kind: "response"; readonly id: RequestId | null };

export interface RequestEnvelope {
  readonly kind: "request";
  readonly id: RequestId;
  readonly method: string;
}

/**
 * The envelope of a message that can be passed on as it is. The text is checked by the engine's own parser, which is
 * the fastest there is for a short one, without a compiler too; the values it makes are dropped, numbers are not read
 * from them.
 *
 * @returns undefined for anything out of the ordinary, which `raw_reader.ts` reads
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { envelopeOf } from "./envelope.ts";
 *
 * const text = '{"jsonrpc":"2.0","id":1.0,"method":"ping"}';
 * assertEquals(envelopeOf(text), { kind: "request", id: 1, method: "ping" });
 * assertEquals(envelopeOf('{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}'), undefined);
 * ```
 */
export function envelopeOf(text: string): MessageEnvelope | undefined {
  const value = parseJson(text);
  if (!isObject(value)) return undefined;
  const message = checkEnvelope(value);
  // Some clients send null for what they leave out.
  if (typeof message === "string" || hasNull(value.params)) return undefined;
  switch (kindOf(message)) {
    case "request": {
      const { id, method } = message as RpcRequest;
      return { kind: "request", id, method };
    }
    case "notification":
      return { kind: "notification", method: (message as RpcRequest).method };
    case "response":
      return { kind: "response", id: (message as RpcResponse).id };
  }
}

function hasNull(params: unknown): boolean {
  if (!isObject(params)) return false;
  for (const name in params) if (params[name] === null) return true;
  return false;
}

// The following read the text again, where they are needed, which is seldom.

/** The id of a request as the client wrote it: `1.0`, `9007199254740993`. */
export function idTextOf({ id, text }: { readonly id: RequestId; readonly text: string }): string {
  return readRawMessage(text, UNLIMITED)?.idText || JSON.stringify(jsonId(id));
}

/** The id of the request that a `notifications/cancelled` names. */
export function cancelledId(text: string): RequestId | undefined {
  const message = readRawMessage(text, UNLIMITED);
  // Names that stand twice are read as the daemon reads them.
  if (message === undefined) return JSON.parse(text).params?.requestId;
  return readRequestId(message.body?.textOf("requestId") ?? "null");
}
