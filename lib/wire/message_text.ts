import { type Params, RawObject } from "./raw_object.ts";
import { rawResult } from "./raw_message.ts";
import { jsonId, type RequestId, type Result } from "./rpc.ts";

/** A request or notification that is to be written. */
export interface OutgoingMessage {
  /** Undefined for a notification. */
  id?: RequestId;
  method: string;
  params?: Params;
}

/** How a request is answered: under its id, as the text it came in. */
export interface RequestRef {
  readonly id: RequestId;
  /** The id as JSON: `1.0`, `"a\u0062"`. */
  readonly idText: string;
}

/** What a request with the id `id` is answered under, where its text is not known. */
export function refOf(id: RequestId): RequestRef {
  return { id, idText: JSON.stringify(jsonId(id)) };
}

/**
 * The response with `result` as one line of JSON. A result that is passed on keeps its text, except for the id.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { responseText } from "./message_text.ts";
 * import { rawResult, readRawMessage } from "./raw_message.ts";
 *
 * const read = readRawMessage('{"result":{"n":1.0}, "jsonrpc":"2.0","id":7}', { depth: 9, members: 9 });
 * const result = rawResult(read!)!;
 * assertEquals(responseText('"a"', result), '{"result":{"n":1.0}, "jsonrpc":"2.0","id":"a"}');
 * ```
 */
export function responseText(idText: string, result: Result): string {
  const raw = rawResult(result);
  if (raw) return raw.toText({ idText });
  const [name, value] = result.error === undefined ? ["result", result.result] : ["error", result.error];
  return `{"jsonrpc":"2.0","id":${idText},"${name}":${JSON.stringify(value)}}`;
}

/**
 * A request or notification as one line of JSON. Params that are passed on keep their text, and so does the message they
 * came in.
 */
export function messageLine(message: OutgoingMessage): string {
  return messageParts(message).join("");
}

/** As {@linkcode messageLine}, in parts that lie where they came, so that a large message is not copied. */
export function messageParts({ id, method, params }: OutgoingMessage): readonly string[] {
  const idText = id === undefined ? undefined : JSON.stringify(jsonId(id));
  const isRaw = params instanceof RawObject;
  const passedOn = isRaw ? params.messageParts(method, idText) : undefined;
  if (passedOn !== undefined) return passedOn;
  const head = `{"jsonrpc":"2.0",${idText === undefined ? "" : `"id":${idText},`}"method":${
    JSON.stringify(method)
  }`;
  if (params === undefined) return [head, "}"];
  return [head, ',"params":', ...isRaw ? params.parts : [JSON.stringify(params)], "}"];
}
