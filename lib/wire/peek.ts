import { isObject, type JsonObject } from "../base/json.ts";
import type { RequestId } from "./rpc.ts";

/** What a frame of the daemon is, as far as one who only passes it on must know. */
export type Peeked =
  | PeekedResponse
  | { kind: "request"; id: RequestId; message: JsonObject }
  | { kind: "notification"; message: JsonObject }
  | { kind: "op"; message: JsonObject };

export interface PeekedResponse {
  kind: "response";
  /** Null when the request's id could not be read. */
  id: RequestId | null;
  /** Whether it carries an error in place of a result. */
  failed: boolean;
  /** Where `"result":` or `"error":` begins; undefined when the whole frame had to be parsed. */
  bodyAt?: number;
}

// A response as `responseTo` writes it. Longer numbers are left to JSON.parse, which alone says what they become, and so
// are longer texts: an expression that repeats a choice some million times runs out of stack.
const RESPONSE_HEAD =
  /^\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(-?(?:0|[1-9]\d{0,14})|"(?:[^"\\]|\\.){0,200}")\s*,\s*"(result|error)"\s*:/d;

/**
 * Says what `text` is. A response is recognised by its first bytes, so that a large answer is not parsed to be passed
 * on; everything else is parsed.
 *
 * @returns undefined when it is no JSON object
 */
export function peek(text: string): Peeked | undefined {
  const head = RESPONSE_HEAD.exec(text);
  if (head) {
    // The member name starts one quote before its capture.
    const bodyAt = head.indices![2]![0] - 1;
    return { kind: "response", id: JSON.parse(head[1]!), failed: head[2] === "error", bodyAt };
  }
  return classify(parse(text));
}

/** The members of a response after its id, as they stand in `text`: `"result":…}`. */
export function responseBody(text: string, response: PeekedResponse): string {
  if (response.bodyAt !== undefined) return text.slice(response.bodyAt);
  const { jsonrpc: _, id: __, ...body } = JSON.parse(text);
  return JSON.stringify(body).slice(1);
}

/** A response to `id` made of a {@linkcode responseBody}. */
export function withBody(id: RequestId, body: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},${body}`;
}

function classify(message: unknown): Peeked | undefined {
  if (!isObject(message)) return undefined;
  if (message.jsonrpc === undefined) return { kind: "op", message };
  const { id } = message;
  const isId = typeof id === "string" || typeof id === "number";
  if (message.method === undefined) {
    return { kind: "response", id: isId ? id : null, failed: message.error !== undefined };
  }
  return isId ? { kind: "request", id, message } : { kind: "notification", message };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
