import { isObject, type JsonObject } from "../base/json.ts";
import { bodyBetweenEnds, HEAD_CHARS, readEnds, TAIL_CHARS } from "./message_ends.ts";
import type { RequestId } from "./rpc.ts";

/** What a forwarder needs to know of a frame of the daemon. */
export type Peeked =
  | PeekedResponse
  | { kind: "request"; id: RequestId }
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
  return readEnds(text.slice(0, HEAD_CHARS), text.slice(-TAIL_CHARS)) ?? classify(parse(text));
}

/** The members of a response after its id, as they are in `text`: `"result":…}`. */
export function responseBody(text: string): string {
  const body = bodyBetweenEnds(text);
  if (body !== undefined) return body;
  const { jsonrpc: _, id: __, ...rest } = JSON.parse(text);
  return JSON.stringify(rest).slice(1);
}

/** A response with a {@linkcode responseBody}, to the request whose id has the text `idText`. */
export function withBody(idText: string, body: string): string {
  return `{"jsonrpc":"2.0","id":${idText},${body}`;
}

/** `text`, which is JSON: strings contain no line breaks, so all of them are between its tokens. */
export function oneLine(text: string): string {
  return text.includes("\n") || text.includes("\r") ? text.replace(/[\r\n]/g, " ") : text;
}

function classify(message: unknown): Peeked | undefined {
  if (!isObject(message)) return undefined;
  if (message.jsonrpc === undefined) return { kind: "op", message };
  const { id, method } = message;
  const isId = typeof id === "string" || typeof id === "number";
  if (method === undefined) {
    return { kind: "response", id: isId ? id : null, failed: message.error !== undefined };
  }
  return isId ? { kind: "request", id } : { kind: "notification", method: String(method), message };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
