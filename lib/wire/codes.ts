import { type ErrorCode, ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { quoteName } from "../base/text.ts";
import type { RequestId, RpcError } from "./rpc.ts";

/** WebSocket close codes of the EXAI protocol (docs/protocol.md). */
export const CLOSE = {
  goingAway: 1001,
  frameTooLarge: 1009,
  internal: 1011,
  invalidHello: 4000,
  helloExpected: 4001,
  helloTimedOut: 4002,
  unauthorized: 4003,
  sessionReplaced: 4008,
  tooSlowReader: 4009,
  overCapacity: 4029,
} as const;

export type CloseCode = (typeof CLOSE)[keyof typeof CLOSE];

interface Codes {
  /**
   * JSON-RPC error code. Those that neither JSON-RPC nor MCP defines lie outside of what JSON-RPC reserves, -32768 to
   * -32000 (MCP 2026-07-28 basic, error codes): each is the one before it plus a thousand.
   */
  rpc: number;
  http: number;
  /** What `rpc` was until EXAI spoke MCP 2026-07-28; still understood. */
  formerly?: number;
}

/** The one mapping between error codes, JSON-RPC codes and HTTP statuses. */
export const CODES: Readonly<Record<ErrorCode, Codes>> = {
  PARSE_ERROR: { rpc: -32700, http: 400 },
  INVALID_REQUEST: { rpc: -32600, http: 400 },
  METHOD_NOT_FOUND: { rpc: -32601, http: 404 },
  UNKNOWN_OP: { rpc: -32601, http: 404 },
  INVALID_PARAMS: { rpc: -32602, http: 400 },
  TOOL_NOT_FOUND: { rpc: -32602, http: 404 },
  RESOURCE_NOT_FOUND: { rpc: -32002, http: 404 },
  HEADER_MISMATCH: { rpc: -32020, http: 400 },
  MISSING_CAPABILITY: { rpc: -32021, http: 400 },
  UNSUPPORTED_REVISION: { rpc: -32022, http: 400 },
  INTERNAL: { rpc: -32603, http: 500 },
  CONFIG: { rpc: -32603, http: 500 },
  TIMEOUT: { rpc: -31001, http: 504, formerly: -32001 },
  CANCELLED: { rpc: -31004, http: 499, formerly: -32004 },
  OVER_CAPACITY: { rpc: -31010, http: 429, formerly: -32010 },
  SHUTTING_DOWN: { rpc: -31011, http: 503, formerly: -32011 },
  UPSTREAM_UNAVAILABLE: { rpc: -31012, http: 502, formerly: -32012 },
  OUTCOME_UNKNOWN: { rpc: -31013, http: 502, formerly: -32013 },
  DAEMON_UNAVAILABLE: { rpc: -31014, http: 503, formerly: -32014 },
  UNAUTHORIZED: { rpc: -31015, http: 401, formerly: -32015 },
  FORBIDDEN: { rpc: -31016, http: 403, formerly: -32016 },
  TOO_LARGE: { rpc: -31017, http: 413, formerly: -32017 },
  LOGIN_REQUIRED: { rpc: -31018, http: 424 },
};

/** The errors about a request itself, in the modern era (MCP basic/transports/streamable-http). */
const ABOUT_REQUESTS: readonly ErrorCode[] = [
  "PARSE_ERROR",
  "INVALID_REQUEST",
  "INVALID_PARAMS",
  "HEADER_MISMATCH",
  "MISSING_CAPABILITY",
  "UNSUPPORTED_REVISION",
  "METHOD_NOT_FOUND",
];

/**
 * The HTTP status of the response to a request of the modern era whose error has the JSON-RPC code `code`. Errors that
 * are not about the request itself are answers like any other, 200: under another status clients show the body as text.
 */
export function httpStatusOfRpc(code: number): number {
  const isIt = ([name, { rpc }]: [string, Codes]) =>
    rpc === code && ABOUT_REQUESTS.includes(name as ErrorCode);
  return Object.entries(CODES).find(isIt)?.[1].http ?? 200;
}

/** Any thrown value as a JSON-RPC error, with the stable code in `data.code`. */
export function toRpcError(thrown: unknown): RpcError {
  const error = ExaiError.from(thrown);
  const data: JsonObject = { ...(error.details as JsonObject | undefined), code: error.code };
  if (error.retryAfterMs !== undefined) data.retry_after_ms = error.retryAfterMs;
  return { code: CODES[error.code].rpc, message: error.message, data };
}

/** The error of a reply to an EXAI op. */
export interface OpError {
  code: string;
  message: string;
  retry_after_ms?: number;
}

/**
 * A JSON-RPC error as an op error. Its code is `data.code` if there is one, otherwise a code with the same number.
 */
export function toOpError(error: RpcError): OpError {
  const data = error.data as JsonObject | undefined;
  const named = typeof data?.code === "string" ? data.code : undefined;
  const retryAfterMs = data?.retry_after_ms;
  return {
    code: named ?? nameOf(error.code),
    message: error.message,
    ...(typeof retryAfterMs === "number" ? { retry_after_ms: retryAfterMs } : {}),
  };
}

function nameOf(rpcCode: number): ErrorCode {
  for (const [name, codes] of Object.entries(CODES)) {
    if (codes.rpc === rpcCode || codes.formerly === rpcCode) return name as ErrorCode;
  }
  return "INTERNAL";
}

/** The error for a request whose id a running call has. */
export function idInUse(id: RequestId): ExaiError {
  return new ExaiError(
    "INVALID_REQUEST",
    `request id ${
      typeof id === "string" ? quoteName(id) : id
    } is already in use by a call that is still running; ` +
      "give each request an id of its own",
  );
}
