import { clip } from "../base/text.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { toRpcError } from "./codes.ts";
import { isRequestId, jsonId, type RequestId, responseTo, type RpcResponse } from "./rpc.ts";
import { isAnswer, malformedAnswer } from "./server_message.ts";
import { isTooDeep, MAX_SERVER_DEPTH, withoutNested } from "./shape.ts";

/** The reason given to the peer. */
export const TOO_DEEP = `it is nested deeper than ${MAX_SERVER_DEPTH} levels`;
const MAX_NAMES_CHARS = 200;

/** The messages in a text that is nested too deeply to be parsed, as far as their outermost members tell. */
export interface TooDeep {
  /** Error responses for the requests that the text answers. */
  answers: RpcResponse[];
  /** Error responses to the server's requests in it. */
  refusals: RpcResponse[];
  /** Whether it contains a request or a notification. */
  asks: boolean;
  /** For the server's log; undefined when it contains no message. */
  error: ExaiError | undefined;
}

/**
 * Examines a text of a server before it is parsed: to parse and serialize millions of levels blocks everything else
 * for many seconds, and the client's parser may support far fewer.
 *
 * @returns undefined for a text that may be parsed
 */
export function readTooDeep(text: string, server: string): TooDeep | undefined {
  if (!isTooDeep(text)) return undefined;
  const found: TooDeep = { answers: [], refusals: [], asks: false, error: undefined };
  const names = outermostMessages(text).map((item) => classify(item, { server, found }));
  const shown = clip(names.filter((name) => name !== undefined).join(", "), MAX_NAMES_CHARS);
  if (shown !== "") {
    found.error = malformed(`server "${server}" sent a message that is none: ${TOO_DEEP} (${shown})`);
  }
  return found;
}

/** The error response to `id`, whose answer is nested too deeply to be read. */
export function tooDeepAnswer(id: RequestId | null, server: string): RpcResponse {
  return responseTo(id, { error: malformedAnswer(TOO_DEEP, server) });
}

/** Adds what one message needs to `found`; returns its name, or undefined when it is not a message. */
function classify(
  item: JsonObject,
  { server, found }: { server: string; found: TooDeep },
): string | undefined {
  const { id, method } = item;
  if (item.jsonrpc === undefined && !isAnswer(item)) return undefined;
  if (typeof method === "string" && !isAnswer(item)) {
    found.asks = true;
    const error = toRpcError(malformed(`the request cannot be read: ${TOO_DEEP}`));
    if (isRequestId(id)) found.refusals.push(responseTo(id, { error }));
    return method;
  }
  if (isRequestId(id)) found.answers.push(tooDeepAnswer(id, server));
  else if (id === null && item.error !== undefined) found.answers.push(tooDeepAnswer(null, server));
  return `the answer to ${isRequestId(id) ? JSON.stringify(jsonId(id)) : "a request it does not name"}`;
}

/** The messages in `text` without nested values; none if they cannot be determined. */
function outermostMessages(text: string): JsonObject[] {
  const isBatch = /^\s*\[/.test(text);
  const outline = withoutNested(text, isBatch ? 2 : 1);
  try {
    const value: unknown = outline === undefined ? undefined : JSON.parse(outline);
    return (Array.isArray(value) ? value : [value]).filter(isObject);
  } catch {
    return [];
  }
}

function malformed(message: string): ExaiError {
  return new ExaiError("INVALID_REQUEST", message);
}
