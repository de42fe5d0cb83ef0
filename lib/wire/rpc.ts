import { isObject, type Json, type JsonObject, rawJson } from "../base/json.ts";

/** A JSON-RPC request id: `1` and `"1"` are two different ids. A whole number that a double cannot hold is a bigint. */
export type RequestId = string | number | bigint;

/**
 * The id in `text`, its JSON; undefined if it is none.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { readRequestId } from "./rpc.ts";
 *
 * assertEquals(readRequestId("9007199254740993"), 9007199254740993n);
 * assertEquals(readRequestId("1.0"), 1);
 * assertEquals(readRequestId("1.5"), undefined);
 * ```
 */
export function readRequestId(text: string): RequestId | undefined {
  const id: unknown = JSON.parse(text);
  if (isRequestId(id)) return id;
  return /^-?\d+$/.test(text) && text.length <= MAX_ID_CHARS ? BigInt(text) : undefined;
}

/** `id` as a value that `JSON.stringify` writes with all its digits. */
export function jsonId(id: RequestId): Json {
  return typeof id === "bigint" ? rawJson(String(id)) : id;
}

/** For `JSON.stringify`: a bigint is written with all its digits. */
export function writeInteger(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? jsonId(value) : value;
}

/** `message` as JSON, on one line. */
export function messageText(message: RpcMessage): string {
  const id = "id" in message ? message.id : undefined;
  return JSON.stringify(typeof id === "bigint" ? { ...message, id: jsonId(id) } : message);
}

/** JSON-RPC 2.0 request. */
export interface RpcRequest {
  jsonrpc: "2.0";
  id: RequestId;
  method: string;
  params?: JsonObject;
}

/** JSON-RPC 2.0 notification: a request without a response. */
export interface RpcNotification {
  jsonrpc: "2.0";
  method: string;
  params?: JsonObject;
}

/** The `error` member of a JSON-RPC response. */
export interface RpcError {
  code: number;
  message: string;
  data?: Json;
}

/** The outcome of a request, without its id. */
export type Result = { result: JsonObject; error?: undefined } | { error: RpcError; result?: undefined };

/** JSON-RPC 2.0 response. `id` is null only when the request's id could not be read. */
export type RpcResponse = { jsonrpc: "2.0"; id: RequestId | null } & Result;

export type RpcMessage = RpcRequest | RpcNotification | RpcResponse;

/** A response to `id`; the id comes first so that a reader finds it without parsing. */
export function responseTo(id: RequestId | null, result: Result): RpcResponse {
  return result.error === undefined
    ? { jsonrpc: "2.0", id, result: result.result }
    : { jsonrpc: "2.0", id, error: result.error };
}

/** Whether `message` is a request, which wants a response. */
export function isRequest(message: RpcMessage): message is RpcRequest {
  return "method" in message && "id" in message;
}

/** What kind of JSON-RPC message `message` is. */
export function kindOf(message: RpcMessage): "request" | "notification" | "response" {
  if ("method" in message) return "id" in message ? "request" : "notification";
  return "response";
}

/** Longest id: ids are kept as long as their requests, and longer where answers were not kept. */
export const MAX_ID_CHARS = 1024;

/** Whether `id` is a valid request id. Beyond the safe integers, two numbers that were sent can be parsed as one. */
export function isRequestId(id: unknown): id is RequestId {
  return typeof id === "string"
    ? id.length <= MAX_ID_CHARS
    : typeof id === "bigint" || Number.isSafeInteger(id);
}

/** The id of the error response to an invalid request: its own, unless parsing has changed the number. */
export function errorResponseId(id: unknown): RequestId | null {
  if (isRequestId(id)) return id;
  return typeof id === "number" && Number.isFinite(id) && !Number.isInteger(id) ? id : null;
}

/**
 * Validates the envelope of a parsed JSON-RPC message, not its contents, which are only passed on.
 *
 * @returns the message, or what is wrong with it
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { checkEnvelope } from "./rpc.ts";
 *
 * assertEquals(checkEnvelope({ jsonrpc: "2.0", id: 1 }), "a response needs either a result or an error");
 * ```
 */
export function checkEnvelope(value: JsonObject): RpcMessage | string {
  if (value.jsonrpc !== "2.0") return 'jsonrpc must be "2.0"';
  const { id, method, params } = value;
  if (typeof id === "string" && id.length > MAX_ID_CHARS) {
    return `id may hold ${MAX_ID_CHARS} characters at most`;
  }
  if (id !== undefined && !isRequestId(id)) {
    if (!(id === null && method === undefined && value.error !== undefined)) {
      return "id must be a string or a whole number";
    }
  }
  if (method !== undefined) {
    if (typeof method !== "string") return "method must be a string";
    if (params !== undefined && !isObject(params)) return "params must be an object";
    return value as unknown as RpcMessage;
  }
  if (id === undefined) return "a message needs a method or an id";
  const { result, error } = value;
  if ((result === undefined) === (error === undefined)) return "a response needs either a result or an error";
  if (result !== undefined && !isObject(result)) return "result must be an object";
  if (error !== undefined && !(isObject(error) && typeof error.code === "number")) {
    return "error must be an object with a code and a message";
  }
  return value as unknown as RpcMessage;
}

/**
 * Whether a message is of use only at the moment: it is not kept for a disconnected client, and not counted in
 * receipts.
 */
export function isEphemeral(message: object): boolean {
  return "method" in message && message.method === "notifications/progress";
}

/**
 * The minted id or progress token that a server refers to by `id`. Minted ones are numbers, which some servers send
 * back as strings.
 */
export function mintedId(id: RequestId): RequestId {
  return typeof id === "string" && /^\s*0*\d{1,15}(?:\.0+)?\s*$/.test(id) ? Number(id) : id;
}
