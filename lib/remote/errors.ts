import { clip } from "../base/text.ts";
import { retryAfterMs } from "../base/http_response.ts";

/** Of what a server says when it refuses, this much is shown. */
const MAX_SHOWN_CHARS = 300;

/** The server refused a message, and says so with an HTTP status. */
export class HttpStatusError extends Error {
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  /** What the server said, as far as it is read. */
  readonly body: string;
  /** Whether it is known to be about the message alone: the server and the session are well. */
  isAboutMessage = false;

  constructor({ status, headers }: Pick<Response, "status" | "headers">, body: string) {
    const text = clip(body.trim(), MAX_SHOWN_CHARS);
    super(`it answered with HTTP status ${status}${text === "" ? "" : `: ${text}`}`);
    this.status = status;
    this.retryAfterMs = status === 429 || status >= 500 ? retryAfterMs(headers) : undefined;
    this.body = body;
  }
}

/** The server does not know our session any more: it refused the message, which so did not run. */
export class SessionLostError extends Error {
  constructor(override readonly cause: HttpStatusError) {
    super(`it does not know the session any more (${cause.message})`);
  }
}

/** A stream of events did not begin in time. */
export class StreamTimeoutError extends Error {
  constructor(timeoutMs: number) {
    super(`its event stream did not begin within ${timeoutMs} ms`);
  }
}

/** The connection was cut, or the answer ended, before there was an answer: the message may have run. */
export class ResponseCutError extends Error {
  constructor(what: string, cause?: unknown) {
    super(what, { cause });
  }
}

/**
 * Whether the server refused because of the session (MCP basic/transports, session management). 404 is what the
 * specification wants for it; others are common, and then only the text tells. A server without session ids that was
 * restarted says that it was not initialized.
 */
export function isAboutSession({ status, body }: HttpStatusError, hasSession: boolean): boolean {
  if (status === 404 && hasSession) return true;
  if (status !== 400 && status !== 401 && status !== 404 && status !== 410) return false;
  return hasSession
    ? /session|initiali[sz]ed/i.test(body)
    : /\bsession\b|not (?:been )?initiali[sz]ed/i.test(body);
}

/** `thrown` by `fetch`, told apart: whether the server can have got the message. */
export function fetchFailure(thrown: unknown): unknown {
  if (!(thrown instanceof TypeError)) return thrown;
  // What happened stands in the cause; the URL in it says nothing new, and may hold a key.
  const { message } = thrown.cause instanceof Error ? thrown.cause : thrown;
  const what = message.replace(/^error sending request .*?: client error \(\w+\): /, "");
  if (/client error \(Connect\)/.test(message)) {
    return new Error(`it cannot be reached (${what})`, { cause: thrown });
  }
  return new ResponseCutError(`the connection was cut before it answered (${what})`, thrown);
}

/** What the end of a body before its end means. */
export function cut(thrown: unknown, signal: AbortSignal): unknown {
  const isNetwork = thrown instanceof TypeError || (thrown as Error)?.name === "Http" ||
    /connection|body|reset|closed/i.test(String((thrown as Error)?.message));
  if (signal.aborted || (thrown as { code?: unknown })?.code === "TOO_LARGE" || !isNetwork) return thrown;
  return new ResponseCutError(
    `the connection was cut before the answer was whole (${(thrown as Error).message})`,
    thrown,
  );
}
