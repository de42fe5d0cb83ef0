import { jsonId, type RequestId } from "../wire/rpc.ts";
import { ExaiError } from "../base/errors.ts";
import { formatBytes, SECOND_MS } from "../base/units.ts";
import type { LinkFault } from "../client/link_target.ts";

// Errors the user reads: what went wrong, what happened to the request, what to do. Import as a namespace.

/** No daemon was there for `waitedMs`; the request has not run, or may run again. */
export function daemonUnavailable(
  waitedMs: number,
  { why, advice }: { why: string; advice: string },
): ExaiError {
  return new ExaiError(
    "DAEMON_UNAVAILABLE",
    `the EXAI daemon could not be reached for ${waitedMs / SECOND_MS} s: ${why}. ` +
      `The shim keeps trying. ${advice}`,
    { retryAfterMs: SECOND_MS },
  );
}

/** The client closed stdin before the shim reached a daemon. */
export function daemonNeverReached(why: string): ExaiError {
  return new ExaiError("DAEMON_UNAVAILABLE", `stdin was closed before the EXAI daemon was reached: ${why}`);
}

/** The client closed stdin while the daemon ran the request. */
export function stdinClosed(method: string): ExaiError {
  return new ExaiError(
    "CANCELLED",
    `stdin was closed before the answer to ${method}, which is cancelled with it${mayGoOn(method)}`,
  );
}

/** The daemon does not accept the connection. */
export function rejectedByDaemon(fault: LinkFault, why: string): ExaiError {
  if (fault !== "unauthorized") return new ExaiError("DAEMON_UNAVAILABLE", `${why}. The shim keeps trying`);
  return new ExaiError(
    "UNAUTHORIZED",
    `${why}. Give this window the daemon's EXAI_WS_TOKEN, or write "token": "auto" into exai.json, which both read; ` +
      "the shim keeps trying",
  );
}

/** Whether a failed response says that its daemon stops, and takes no more requests. */
export function isShuttingDown(response: string): boolean {
  return JSON.parse(response).error?.data?.code === "SHUTTING_DOWN";
}

/** The daemon ended while it had the request. */
export function outcomeUnknown(method: string): ExaiError {
  return new ExaiError(
    "OUTCOME_UNKNOWN",
    `the daemon went away while it had this ${method}, so it may or may not have run; ` +
      "check what it was to do before asking again",
    { details: { outcome: "unknown" } },
  );
}

/** Each daemon that was sent the request has ended, although it may be repeated. */
export function repeatedInVain(method: string, sends: number): ExaiError {
  return new ExaiError(
    "OUTCOME_UNKNOWN",
    `each of the ${sends} daemons that had this ${method} went away before it answered; it does no harm to ask again, ` +
      "unless it is what ends them",
    { details: { outcome: "unknown" } },
  );
}

/** The connection was cut each time the request was sent, before it arrived. */
export function undelivered(method: string, sends: number): ExaiError {
  return new ExaiError(
    "DAEMON_UNAVAILABLE",
    `the connection was cut each of the ${sends} times this ${method} was sent, and the daemon never had it; ` +
      "ask again, or for less at once",
  );
}

export function timedOut(method: string, timeoutMs: number): ExaiError {
  return new ExaiError(
    "TIMEOUT",
    `${method} was not answered within ${timeoutMs / SECOND_MS} s (EXAI_SHIM_RPC_TIMEOUT) and was cancelled` +
      mayGoOn(method),
  );
}

/** What is to be said of the one method by which models are asked: such a call is finished without its client. */
function mayGoOn(method: string): string {
  return method === "tools/call"
    ? "; if it asks a model, it may go on: the same call made again gets its answer"
    : "";
}

export function tooLarge(bytes: number, maxBytes: number): ExaiError {
  return new ExaiError(
    "TOO_LARGE",
    `the message holds ${formatBytes(bytes)} and the daemon takes ${formatBytes(maxBytes)} at most; ` +
      "send less at once, or raise EXAI_WS_MAX_BYTES for the daemon",
  );
}

export function tooManyPending(count: number, bytes: number): ExaiError {
  return new ExaiError(
    "OVER_CAPACITY",
    `${count} requests with ${
      formatBytes(bytes)
    } are waiting for the daemon; ask again when some are answered`,
    { retryAfterMs: SECOND_MS },
  );
}

/** Sent to the daemon in place of a response there was no room for. */
export function responseNotBuffered(bytes: number): ExaiError {
  return new ExaiError(
    "OVER_CAPACITY",
    `the client's answer of ${formatBytes(bytes)} could not be kept while the daemon was away; ask again`,
  );
}

/** Sent to the daemon in place of a malformed response. */
export function malformedResponse(why: string): ExaiError {
  return new ExaiError("INVALID_REQUEST", `the client's answer is malformed: ${why}`);
}

export function idInUse(id: RequestId): ExaiError {
  return new ExaiError(
    "INVALID_REQUEST",
    `request id ${JSON.stringify(jsonId(id))} is in use by a request that is not answered yet`,
  );
}
