import { ExaiError, messageOf } from "../../base/errors.ts";
import { overCapacityFor } from "../../base/exhaustion.ts";
import { beginningOf } from "../../base/http_response.ts";
import { formatBytes, KIB, MIB } from "../../base/units.ts";
import { singleUseClient } from "../single_use_client.ts";
import { providerError, type ProviderErrorInfo } from "./provider_errors.ts";

/** Limits on one request to a provider. */
export interface FetchLimits {
  /** The longest silence before the response and between its chunks, in milliseconds. */
  silenceMs: number;
  /** The size limit of the response body. */
  maxBytes: number;
}

interface GuardedFetchOptions extends FetchLimits {
  errorInfo: ProviderErrorInfo;
  /** Headers to send besides those of the protocol; all others are dropped. */
  headers?: Readonly<Record<string, string>>;
  /** Headers of the protocol besides `accept`, `authorization` and `content-type`. */
  protocolHeaders?: readonly string[];
  /** Whether the response is a stream of events; a JSON response is then converted to one event. */
  expectsEvents: boolean;
}

/** The part of an error response that is read. */
const MAX_ERROR_BODY_BYTES = 64 * KIB;

/** The size limit of one line of a stream. */
const MAX_LINE_BYTES = 16 * MIB;

const COMMON_HEADERS = ["accept", "authorization", "content-type"];

/** Errors of `fetch` before the request was sent. Deno gives them no code, so the wording of the message decides. */
const NEVER_SENT =
  /\(Connect\)|dns error|tcp connect|connection refused|invalid peer certificate|tls handshake/i;

/** A `fetch` with limits for one request to a provider. Disposing it clears its timer. */
export class GuardedFetch implements Disposable {
  readonly #options: GuardedFetchOptions;
  readonly #silence = new AbortController();
  readonly #client = singleUseClient();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: GuardedFetchOptions) {
    this.#options = options;
  }

  /**
   * Like the global `fetch`, but does not follow redirects: prompts go only to the configured URL.
   *
   * @throws {ExaiError} the provider error `outage` when nothing was sent, `timeout`, `refused` for a redirect,
   * otherwise `cut`
   */
  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { errorInfo } = this.#options;
    const caller = init.signal ?? undefined;
    const signals = caller ? [caller, this.#silence.signal] : [this.#silence.signal];
    this.#restartTimer();
    let response: Response;
    try {
      response = await fetch(input, {
        ...init,
        client: this.#client,
        headers: this.#filterHeaders(new Headers(init.headers)),
        redirect: "manual",
        signal: AbortSignal.any(signals),
      });
    } catch (thrown) {
      this.#clearTimer();
      if (caller?.aborted) throw thrown;
      throw this.#toError(thrown);
    }
    this.#restartTimer();
    if (response.status >= 300 && response.status < 400) {
      this.#clearTimer();
      await response.body?.cancel();
      const to = response.headers.get("location") ?? "elsewhere";
      throw providerError(
        "refused",
        `${errorInfo.provider} moved to ${to}; set its URL to where it is now`,
        errorInfo,
      );
    }
    if (!response.ok) return this.#limitBody(beginningOf(response, MAX_ERROR_BODY_BYTES));
    return this.#options.expectsEvents ? await this.#toEvents(response) : this.#limitBody(response);
  };

  [Symbol.dispose](): void {
    this.#clearTimer();
    this.#client.close();
  }

  /** The time-out error if it aborted the body; otherwise `thrown`. */
  causeOfBodyError(thrown: unknown): unknown {
    return this.#silence.signal.aborted ? this.#silence.signal.reason : thrown;
  }

  #toError(thrown: unknown): ExaiError {
    if (this.#silence.signal.aborted) return this.#silence.signal.reason as ExaiError;
    const { errorInfo } = this.#options;
    const message = `${messageOf(thrown)} ${messageOf((thrown as Error).cause ?? "")}`;
    const exhausted = overCapacityFor(`${errorInfo.provider} cannot be asked`, thrown);
    if (exhausted) return exhausted;
    if (NEVER_SENT.test(message)) {
      return providerError("outage", `${errorInfo.provider} cannot be reached: ${messageOf(thrown)}`, {
        ...errorInfo,
        cause: thrown,
      });
    }
    return providerError(
      "cut",
      `the connection to ${errorInfo.provider} broke before it answered. The model may have run, so it was not asked ` +
        "again; repeat the call if that may be billed twice",
      { ...errorInfo, cause: thrown },
    );
  }

  #filterHeaders(headers: Headers): Headers {
    const filtered = new Headers(this.#options.headers);
    for (const name of [...COMMON_HEADERS, ...this.#options.protocolHeaders ?? []]) {
      const value = headers.get(name);
      if (value !== null) filtered.set(name, value);
    }
    return filtered;
  }

  async #toEvents(response: Response): Promise<Response> {
    const type = response.headers.get("content-type") ?? "";
    if (/^text\/html/i.test(type)) {
      await response.body?.cancel();
      this.#clearTimer();
      const { errorInfo } = this.#options;
      throw providerError(
        "malformed",
        `${errorInfo.provider} answered with a web page; check that its URL ends where its API begins, mostly in /v1`,
        errorInfo,
      );
    }
    const limited = this.#limitBody(response);
    if (!/^application\/json/i.test(type)) return limited;
    const text = await limited.text();
    return new Response(`data: ${text.replace(/[\r\n]+/g, " ")}\n\n`, { headers: response.headers });
  }

  #limitBody(response: Response): Response {
    if (response.body === null) {
      this.#clearTimer();
      return response;
    }
    const { maxBytes, errorInfo } = this.#options;
    let bytes = 0;
    let lineBytes = 0;
    const limiter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform: (chunk, controller) => {
        this.#restartTimer();
        bytes += chunk.byteLength;
        const newline = chunk.lastIndexOf(10);
        lineBytes = newline < 0 ? lineBytes + chunk.byteLength : chunk.byteLength - newline;
        if (bytes > maxBytes || lineBytes > MAX_LINE_BYTES) {
          throw providerError("too_large", tooLarge(errorInfo, Math.min(maxBytes, bytes)), errorInfo);
        }
        controller.enqueue(chunk);
      },
      flush: () => this.#clearTimer(),
    });
    return new Response(response.body.pipeThrough(limiter), {
      status: response.status,
      statusText: response.statusText,
      headers: response.headers,
    });
  }

  #restartTimer(): void {
    this.#clearTimer();
    const { silenceMs, errorInfo } = this.#options;
    this.#timer = setTimeout(() => {
      this.#silence.abort(providerError(
        "timeout",
        `${errorInfo.provider} sent nothing for ${
          silenceMs / 1000
        } s and was given up. The model may have run, so it ` +
          "was not asked again; ask for less, or raise its time-out",
        errorInfo,
      ));
    }, silenceMs);
  }

  #clearTimer(): void {
    clearTimeout(this.#timer);
  }
}

function tooLarge(errorInfo: ProviderErrorInfo, bytes: number): string {
  return `the answer of ${errorInfo.provider} grew past ${
    formatBytes(bytes)
  } and was stopped; ask for a shorter one`;
}
