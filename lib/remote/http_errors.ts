import { ExaiError } from "../base/errors.ts";
import { retryAfterMs } from "../base/http_response.ts";
import { clipRedacted } from "../base/text.ts";

/** How much of an error body is shown in a message. */
const MAX_SHOWN_CHARS = 300;

/** The server refused a message with an HTTP status. */
export class HttpStatusError extends Error {
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  /** The body, as far as it was read. */
  readonly body: string;
  /** Whether the refusal is known to be about the message alone, while server and session work. */
  isAboutMessage = false;

  constructor({ status, headers }: Pick<Response, "status" | "headers">, body: string) {
    const text = clipRedacted(body.trim(), MAX_SHOWN_CHARS);
    super(`it answered with HTTP status ${status}${text === "" ? "" : `: ${text}`}`);
    this.status = status;
    this.retryAfterMs = status === 429 || status >= 500 ? retryAfterMs(headers) : undefined;
    this.body = body;
  }
}

/** The server no longer knows the session: it refused the message, which therefore did not run. */
export class SessionLostError extends Error {
  constructor(override readonly cause: HttpStatusError) {
    super(`it does not know the session any more (${cause.message})`);
  }
}

/** The server speaks only revisions without `initialize`, and refused it. */
export class ModernOnlyError extends Error {
  readonly status: number;

  constructor(override readonly cause: HttpStatusError) {
    super(
      `it speaks only revisions of MCP without initialize, from 2026-07-28 on, and refused it: ${cause.message}; ` +
        'it is started as such where its configuration does not say "era": "legacy"',
    );
    this.status = cause.status;
  }
}

/** The server speaks neither Streamable HTTP nor the older HTTP with SSE, of which the user meant one. */
export class NoTransportError extends Error {
  readonly status: number;

  constructor(override readonly cause: HttpStatusError, sse: string) {
    super(`${cause.message}; as a server of the older HTTP with SSE: ${sse}`);
    this.status = cause.status;
  }
}

/** An event stream did not begin in time. */
export class StreamTimeoutError extends Error {
  constructor(timeoutMs: number) {
    super(`its event stream did not begin within ${timeoutMs} ms`);
  }
}

/** The connection was cut, or the response ended, before there was an answer: the message may have run. */
export class ResponseCutError extends Error {
  constructor(what: string, cause?: unknown) {
    super(what, { cause });
  }
}

/**
 * Whether the server refused because of the session (MCP basic/transports, session management). The specification asks
 * for 404; other statuses are common, and only their text is specific. A server without session ids that was restarted says
 * that it was not initialized.
 */
export function isAboutSession({ status, body }: HttpStatusError, hasSession: boolean): boolean {
  if (status === 404 && hasSession) return true;
  if (status !== 400 && status !== 401 && status !== 404 && status !== 410) return false;
  return hasSession
    ? /session|initiali[sz]ed/i.test(body)
    : /\bsession\b|not (?:been )?initiali[sz]ed/i.test(body);
}

/**
 * The error for what `fetch` threw, by whether the server can have received the message. Deno gives no code here: that
 * the connection was never made stands in the text alone.
 */
export function fetchError(thrown: unknown): unknown {
  if (!(thrown instanceof TypeError)) return thrown;
  // The cause says what happened; the URL in its text is known, and may hold a key.
  const { message } = thrown.cause instanceof Error ? thrown.cause : thrown;
  const what = message.replace(/^error sending request .*?: client error \(\w+\): /, "");
  if (/client error \(Connect\)/.test(message)) {
    return new Error(`it cannot be reached (${what})`, { cause: thrown });
  }
  return new ResponseCutError(`the connection was cut before it answered (${what})`, thrown);
}

/**
 * The error for what was thrown while a body was read: whether the connection was cut. Deno throws a `TypeError` or an
 * `Http` error for that; streams in between throw plain errors without a code, which only their text distinguishes.
 */
export function bodyError(thrown: unknown, signal: AbortSignal): unknown {
  if (signal.aborted || !(thrown instanceof Error)) return thrown;
  if (thrown instanceof ExaiError || thrown instanceof HttpStatusError) return thrown;
  const isNetwork = thrown instanceof TypeError || thrown.name === "Http" ||
    /connection|body|reset|closed/i.test(thrown.message);
  if (!isNetwork) return thrown;
  return new ResponseCutError(
    `the connection was cut before the answer was whole (${thrown.message})`,
    thrown,
  );
}
