import { isObject, type JsonObject } from "../base/json.ts";
import { jsonId, type RequestId } from "./rpc.ts";

/** What a forwarder needs to know of a frame of the daemon. */
export type Peeked =
  | PeekedResponse
  | { kind: "request"; id: RequestId; message: JsonObject }
  | { kind: "notification"; message: JsonObject }
  | { kind: "op"; message: JsonObject };

export interface PeekedResponse {
  kind: "response";
  /** Null when the request's id could not be read. */
  id: RequestId | null;
  /** Whether it carries an error instead of a result. */
  failed: boolean;
  /** Offset of `"result":` or `"error":`; undefined when the whole frame was parsed. */
  bodyAt?: number;
}

// A response as `responseTo` writes it. Longer numbers are left to JSON.parse, which may round them; longer strings
// too, since a repeated alternation overflows the stack.
const RESPONSE_HEAD =
  /^\s*\{\s*"jsonrpc"\s*:\s*"2\.0"\s*,\s*"id"\s*:\s*(-?(?:0|[1-9]\d{0,14})|"(?:[^"\\]|\\.){0,200}")\s*,\s*"(result|error)"\s*:/d;

/**
 * Classifies `text`. A response is recognized by its first bytes, so that a large one is forwarded unparsed; any
 * other frame is parsed.
 *
 * @returns undefined when it is not a JSON object
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { peek, responseBody, withBody } from "./peek.ts";
 *
 * const text = '{"jsonrpc":"2.0","id":7,"result":{"content":[]}}';
 * const response = peek(text);
 * if (response?.kind !== "response") throw new Error("no response");
 * assertEquals(withBody(1, responseBody(text, response)), '{"jsonrpc":"2.0","id":1,"result":{"content":[]}}');
 * ```
 */
export function peek(text: string): Peeked | undefined {
  const head = RESPONSE_HEAD.exec(text);
  if (head) {
    // The member starts one quote before its name.
    const bodyAt = head.indices![2]![0] - 1;
    return { kind: "response", id: JSON.parse(head[1]!), failed: head[2] === "error", bodyAt };
  }
  return classify(parse(text));
}

/** The members of a response after its id, as they are in `text`: `"result":…}`. */
export function responseBody(text: string, response: PeekedResponse): string {
  if (response.bodyAt !== undefined) return text.slice(response.bodyAt);
  const { jsonrpc: _, id: __, ...body } = JSON.parse(text);
  return JSON.stringify(body).slice(1);
}

/** A response to `id` with a {@linkcode responseBody}. */
export function withBody(id: RequestId, body: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(jsonId(id))},${body}`;
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
