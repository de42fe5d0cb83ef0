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
  /** JSON-RPC error code. The specification reserves -32000 to -32019 for implementations. */
  rpc: number;
  http: number;
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
  TIMEOUT: { rpc: -32001, http: 504 },
  CANCELLED: { rpc: -32004, http: 499 },
  OVER_CAPACITY: { rpc: -32010, http: 429 },
  SHUTTING_DOWN: { rpc: -32011, http: 503 },
  UPSTREAM_UNAVAILABLE: { rpc: -32012, http: 502 },
  OUTCOME_UNKNOWN: { rpc: -32013, http: 502 },
  DAEMON_UNAVAILABLE: { rpc: -32014, http: 503 },
  UNAUTHORIZED: { rpc: -32015, http: 401 },
  FORBIDDEN: { rpc: -32016, http: 403 },
  TOO_LARGE: { rpc: -32017, http: 413 },
};

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
    if (codes.rpc === rpcCode) return name as ErrorCode;
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
