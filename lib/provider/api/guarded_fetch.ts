import { ExaiError, messageOf } from "../../base/errors.ts";
import { overCapacityFor } from "../../base/exhaustion.ts";
import { beginningOf } from "../../base/http_response.ts";
import { parseJson } from "../../base/json.ts";
import { formatBytes, KIB, MIB } from "../../base/units.ts";
import { singleUseClient } from "../single_use_client.ts";
import { EventBody } from "./event_body.ts";
import { providerError, type ProviderErrorInfo } from "./provider_errors.ts";
import { toBaseUrl, unreachableAdvice, urlSetting, wrongPathAdvice } from "./provider_site.ts";
import { titleOfPage } from "./web_page.ts";

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
  /\(Connect\)|dns error|tcp connect|connection refused|invalid peer certificate|tls handshake|are blocked|invalid header/i;

/** The body of an error response. */
interface RefusedResponse {
  status: number;
  headers: Headers;
  /** JSON if it is, otherwise its text. */
  body: unknown;
}

/** A `fetch` with limits for one request to a provider. Disposing it clears its timer. */
export class GuardedFetch implements Disposable {
  readonly #options: GuardedFetchOptions;
  readonly #silence = new AbortController();
  readonly #client = singleUseClient();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #refused: RefusedResponse | undefined;
  #events: EventBody | undefined;
  #isSent = false;

  #endWaitMs = Infinity;

  constructor(options: GuardedFetchOptions) {
    this.#options = options;
  }

  /** Gives the server `waitMs` from now on to end, whatever it sends meanwhile: some keep the connection open. */
  awaitEnd(waitMs: number): void {
    if (this.#endWaitMs <= waitMs) return;
    this.#endWaitMs = waitMs;
    this.#startTimer(Math.min(waitMs, this.#options.silenceMs));
  }

  /** Takes back {@linkcode awaitEnd}, since the answer went on. */
  awaitMore(): void {
    if (this.#endWaitMs === Infinity) return;
    this.#endWaitMs = Infinity;
    this.#restartTimer();
  }

  /** The last error response, whole: the packages keep a part of it only. */
  get refused(): RefusedResponse | undefined {
    return this.#refused;
  }

  /** Whether a request was sent, or at least tried: a URL or a key may be such that none can be made of it. */
  get isSent(): boolean {
    return this.#isSent;
  }

  /** Whether the server marked the end of the events, or sent one whole document in place of them. */
  get hasEnded(): boolean {
    return this.#events?.hasEnded ?? false;
  }

  /** Whether the server sent one whole document in place of events. */
  get isWhole(): boolean {
    return this.#events?.isWhole ?? false;
  }

  /**
   * Like the global `fetch`, but does not follow redirects: prompts go only to the configured URL.
   *
   * @throws {ExaiError} the provider error `outage` when nothing was sent, `timeout`, `refused` for a redirect,
   * otherwise `cut`
   */
  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const caller = init.signal ?? undefined;
    const signals = caller ? [caller, this.#silence.signal] : [this.#silence.signal];
    this.#restartTimer();
    this.#isSent = true;
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
      throw this.#redirected(response.headers.get("location"));
    }
    if (!response.ok) return await this.#keepRefusal(beginningOf(response, MAX_ERROR_BODY_BYTES));
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
      const reason = reasonOf(thrown);
      const advice = unreachableAdvice(errorInfo.site, reason);
      return providerError("outage", `${errorInfo.provider} cannot be reached: ${reason}${advice}`, {
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

  #redirected(location: string | null): ExaiError {
    const { errorInfo } = this.#options;
    const { provider, site } = errorInfo;
    const to = URL.parse(location ?? "", site?.baseUrl);
    if (to === null) {
      return providerError(
        "refused",
        `${provider} moved elsewhere; set its URL to where it is now`,
        errorInfo,
      );
    }
    const setting = site === undefined ? "its URL" : urlSetting(site);
    // A query may hold what belongs in no error.
    const message = `${provider} moved to ${to.origin}${to.pathname}; set ${setting} to where it is now: ${
      toBaseUrl(to.href)
    }`;
    return providerError("refused", message, errorInfo);
  }

  async #keepRefusal(response: Response): Promise<Response> {
    const { status, statusText, headers } = response;
    const text = await this.#limitBody(response).text();
    this.#refused = { status, headers, body: parsed(text) };
    return new Response(text, { status, statusText, headers });
  }

  async #toEvents(response: Response): Promise<Response> {
    const events = this.#events = await EventBody.read(this.#limitBody(response));
    if (events.page === undefined) return events.response;
    this.#clearTimer();
    const { errorInfo } = this.#options;
    const title = titleOfPage(events.page);
    throw providerError(
      "malformed",
      `${errorInfo.provider} answered with a page in place of an answer${title === "" ? "" : ` (${title})`}${
        wrongPathAdvice(errorInfo.site)
      }`,
      errorInfo,
    );
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
    if (this.#endWaitMs === Infinity) this.#startTimer(this.#options.silenceMs);
  }

  #startTimer(silenceMs: number): void {
    this.#clearTimer();
    const { errorInfo } = this.#options;
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

/** What `fetch` says of a failed request: the part behind the URL, which the message of the cause repeats. */
function reasonOf(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
  const message = messageOf(cause);
  return message.slice(message.indexOf("(Connect): ") < 0 ? 0 : message.indexOf("(Connect): ") + 11);
}

function parsed(text: string): unknown {
  const value = parseJson(text);
  return value === undefined ? text : value;
}
