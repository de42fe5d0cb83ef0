import { type Json, type JsonObject, rawJson } from "../base/json.ts";
import { UNLIMITED } from "./json_scan.ts";
import { refOf } from "./message_text.ts";
import { rawMessage, rawResult, readRawMessage } from "./raw_message.ts";
import type { Params, RawObject } from "./raw_object.ts";
import { responseTo, type Result, type RpcMessage, type RpcRequest } from "./rpc.ts";
import { TextMessage } from "./text_request.ts";

/**
 * `object` with another value at `path`, spliced into its text; `object` itself where there is nothing at `path`, or
 * `replace` has nothing in its place.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { replacedAt } from "./raw_edits.ts";
 * import { readRawMessage } from "./raw_message.ts";
 *
 * const text = '{"jsonrpc":"2.0","id":1,"result":{"task":{"taskId":"1","ttl":1e3}}}';
 * const body = readRawMessage(text, { depth: 512, members: 1000 })!.body!;
 * const renamed = replacedAt(body, ["task", "taskId"], (id) => `${id}-b`);
 * assertEquals(renamed.text, '{"task":{"taskId":"1-b","ttl":1e3}}');
 * ```
 */
export function replacedAt(
  object: RawObject,
  path: readonly string[],
  replace: (value: Json) => Json | undefined,
): RawObject {
  const [name = "", ...rest] = path;
  if (rest.length === 0) {
    const value = object.get(name);
    const next = value === undefined ? undefined : replace(value);
    return next === undefined ? object : object.with(name, next);
  }
  const inner = object.objectAt(name);
  const next = inner && replacedAt(inner, rest, replace);
  return next === inner ? object : object.withText(name, next!.text);
}

/** The params of `message`: as their text where it came as one, or is sent as one. */
export function paramsOf(message: { params?: JsonObject }): Params | undefined {
  const raw = message instanceof TextMessage ? message : rawMessage(message);
  return raw ? raw.body : message.params;
}

/** `answer` with `change` applied to its result; an error as it is. */
export function changedResult(answer: Result, change: <P extends Params>(result: P) => P): Result {
  if (answer.error) return answer;
  const raw = rawResult(answer);
  return raw && !raw.error ? raw.withResult(change(raw.body!)) : { result: change(answer.result) };
}

/** The response to `request` with its id as it came, and `result` as its text where it came as one. */
export function answerTo(request: RpcRequest, result: Result): RpcMessage {
  const idText = rawMessage(request)?.idText;
  const raw = rawResult(result);
  if (idText === undefined && raw === undefined) return responseTo(request.id, result);
  const text = raw
    ? raw.toText({ idText: idText ?? refOf(request.id).idText })
    : JSON.stringify({ ...responseTo(request.id, result), id: rawJson(idText!) });
  return readRawMessage(text, UNLIMITED) ?? responseTo(request.id, result);
}
