import { isObject, type JsonObject, parseJson } from "../base/json.ts";
import { scanObject, UNLIMITED } from "./json_scan.ts";
import { bodyBetweenEnds, HEAD_CHARS, readEnds, TAIL_CHARS } from "./message_ends.ts";
import type { RequestEnvelope } from "./envelope.ts";
import { readRawMessage } from "./raw_message.ts";
import type { RequestId } from "./rpc.ts";

/** What a forwarder needs to know of a frame of the daemon. */
export type Peeked =
  | PeekedResponse
  | RequestEnvelope
  | { kind: "notification"; method: string; message: JsonObject }
  | { kind: "op"; message: JsonObject };

export interface PeekedResponse {
  kind: "response";
  /** Null when the request's id could not be read. */
  id: RequestId | null;
  /** Whether it carries an error instead of a result. */
  failed: boolean;
}

/**
 * Classifies `text`, which is valid JSON with no member twice. A response is recognized by its ends, so that a large one
 * is forwarded unparsed; notifications and ops, and whatever the ends do not tell, are parsed.
 *
 * @returns undefined when it is not a JSON object
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { peek, responseBody, withBody } from "./peek.ts";
 *
 * const text = '{"result":{"content":[]},"jsonrpc":"2.0","id":7}';
 * assertEquals(peek(text), { kind: "response", id: 7, failed: false });
 * assertEquals(withBody("1", responseBody(text)), '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}');
 * ```
 */
export function peek(text: string): Peeked | undefined {
  return readEnds(text.slice(0, HEAD_CHARS), text.slice(-TAIL_CHARS)) ?? classify(text);
}

/** The members of a response after its id, as they are in `text`: `"result":…}`. */
export function responseBody(text: string): string {
  const body = bodyBetweenEnds(text);
  if (body !== undefined) return body;
  const members = scanObject(text, UNLIMITED, () => false) ?? [];
  const rest = members.filter(({ name }) => name !== "jsonrpc" && name !== "id");
  return rest.map(({ name, from, to }) => `${JSON.stringify(name)}:${text.slice(from, to)}`).join(",") + "}";
}

/** A response with a {@linkcode responseBody}, to the request whose id has the text `idText`. */
export function withBody(idText: string, body: string): string {
  return `{"jsonrpc":"2.0","id":${idText},${body}`;
}

function classify(text: string): Peeked | undefined {
  const message = parseJson(text);
  if (!isObject(message)) return undefined;
  if (message.jsonrpc === undefined) return { kind: "op", message };
  const { method } = message;
  const id = idOf(message, text);
  if (method === undefined) return { kind: "response", id, failed: message.error !== undefined };
  return id === null
    ? { kind: "notification", method: String(method), message }
    : { kind: "request", id, method: String(method) };
}

function idOf({ id }: JsonObject, text: string): RequestId | null {
  // A number that a double cannot hold is read from the text.
  if (typeof id === "number" && !Number.isSafeInteger(id)) {
    const message = readRawMessage(text, UNLIMITED);
    return message === undefined || message.kind === "notification" ? null : message.id;
  }
  return typeof id === "string" || typeof id === "number" ? id : null;
}
