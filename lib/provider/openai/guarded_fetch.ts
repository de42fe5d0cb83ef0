import { beginningOf } from "../../base/http_response.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { overCapacityFor } from "../../base/exhaustion.ts";
import { formatBytes, KIB, MIB } from "../../base/units.ts";
import { type FaultFacts, providerFault } from "./faults.ts";

/** Bounds on one exchange with a provider. */
export interface FetchLimits {
  /** How long nothing may come: before the answer and between its parts. */
  silenceMs: number;
  /** How much one answer may hold in all. */
  maxBytes: number;
}

interface GuardedFetchOptions extends FetchLimits {
  facts: FaultFacts;
  /** Headers that go out beside those of the protocol; no others do. */
  headers?: Readonly<Record<string, string>>;
  /** Whether the answer is to be a stream of events; a whole JSON answer is then handed on as one event. */
  expectsEvents: boolean;
}

/** Of a body that says what went wrong, this much is read. */
const MAX_ERROR_BODY_BYTES = 64 * KIB;

/** One event of a stream is never near this. */
const MAX_LINE_BYTES = 16 * MIB;

const PROTOCOL_HEADERS = ["accept", "authorization", "content-type"];

/** Faults of `fetch` that arise before anything was sent, by their words in Deno's messages. */
const NEVER_SENT =
  /\(Connect\)|dns error|tcp connect|connection refused|invalid peer certificate|tls handshake/i;

/** A `fetch` for one exchange with a provider that keeps to the limits. Disposing it ends its timer. */
export class GuardedFetch implements Disposable {
  readonly #options: GuardedFetchOptions;
  readonly #silence = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: GuardedFetchOptions) {
    this.#options = options;
  }

  /**
   * As the global `fetch`, except that redirects are not followed: what a user asks goes where the settings say.
   *
   * @throws {ExaiError} a fault: `outage` when nothing was sent, `timeout`, otherwise `cut`
   */
  readonly fetch = async (input: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const { facts } = this.#options;
    const caller = init.signal ?? undefined;
    const signals = caller ? [caller, this.#silence.signal] : [this.#silence.signal];
    this.#touch();
    let response: Response;
    try {
      response = await fetch(input, {
        ...init,
        headers: this.#only(new Headers(init.headers)),
        redirect: "manual",
        signal: AbortSignal.any(signals),
      });
    } catch (thrown) {
      this.#stop();
      if (caller?.aborted) throw thrown;
      throw this.#explain(thrown);
    }
    this.#touch();
    if (response.status >= 300 && response.status < 400) {
      this.#stop();
      await response.body?.cancel();
      const to = response.headers.get("location") ?? "elsewhere";
      throw providerFault(
        "refused",
        `${facts.provider} moved to ${to}; set its URL to where it is now`,
        facts,
      );
    }
    if (!response.ok) return this.#bounded(beginningOf(response, MAX_ERROR_BODY_BYTES));
    return this.#options.expectsEvents ? await this.#asEvents(response) : this.#bounded(response);
  };

  [Symbol.dispose](): void {
    this.#stop();
  }

  /** What broke a body off, when that was us; otherwise `thrown`. */
  explainBody(thrown: unknown): unknown {
    return this.#silence.signal.aborted ? this.#silence.signal.reason : thrown;
  }

  #explain(thrown: unknown): ExaiError {
    if (this.#silence.signal.aborted) return this.#silence.signal.reason as ExaiError;
    const { facts } = this.#options;
    const message = `${messageOf(thrown)} ${messageOf((thrown as Error).cause ?? "")}`;
    const want = overCapacityFor(`${facts.provider} cannot be asked`, thrown);
    if (want) return want;
    if (NEVER_SENT.test(message)) {
      return providerFault("outage", `${facts.provider} cannot be reached: ${messageOf(thrown)}`, {
        ...facts,
        cause: thrown,
      });
    }
    return providerFault(
      "cut",
      `the connection to ${facts.provider} broke before it answered. The model may have run, so it was not asked ` +
        "again; repeat the call if that may be billed twice",
      { ...facts, cause: thrown },
    );
  }

  #only(headers: Headers): Headers {
    const kept = new Headers(this.#options.headers);
    for (const name of PROTOCOL_HEADERS) {
      const value = headers.get(name);
      if (value !== null) kept.set(name, value);
    }
    return kept;
  }

  async #asEvents(response: Response): Promise<Response> {
    const type = response.headers.get("content-type") ?? "";
    if (/^text\/html/i.test(type)) {
      await response.body?.cancel();
      this.#stop();
      const { facts } = this.#options;
      throw providerFault(
        "malformed",
        `${facts.provider} answered with a web page; check that its URL ends where its API begins, mostly in /v1`,
        facts,
      );
    }
    const bounded = this.#bounded(response);
    if (!/^application\/json/i.test(type)) return bounded;
    const text = await bounded.text();
    return new Response(`data: ${text.replace(/[\r\n]+/g, " ")}\n\n`, { headers: response.headers });
  }

  #bounded(response: Response): Response {
    if (response.body === null) {
      this.#stop();
      return response;
    }
    const { maxBytes, facts } = this.#options;
    let bytes = 0;
    let lineBytes = 0;
    const bounds = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform: (chunk, controller) => {
        this.#touch();
        bytes += chunk.byteLength;
        const newline = chunk.lastIndexOf(10);
        lineBytes = newline < 0 ? lineBytes + chunk.byteLength : chunk.byteLength - newline;
        if (bytes > maxBytes || lineBytes > MAX_LINE_BYTES) {
          throw providerFault("too_large", tooLarge(facts, Math.min(maxBytes, bytes)), facts);
        }
        controller.enqueue(chunk);
      },
      flush: () => this.#stop(),
    });
    return new Response(response.body.pipeThrough(bounds), {
      status: response.status,
      statusText: response.statusText,
      headers: response.headers,
    });
  }

  #touch(): void {
    this.#stop();
    const { silenceMs, facts } = this.#options;
    this.#timer = setTimeout(() => {
      this.#silence.abort(providerFault(
        "timeout",
        `${facts.provider} sent nothing for ${
          silenceMs / 1000
        } s and was given up. The model may have run, so it ` +
          "was not asked again; ask for less, or raise its time-out",
        facts,
      ));
    }, silenceMs);
  }

  #stop(): void {
    clearTimeout(this.#timer);
  }
}

function tooLarge(facts: FaultFacts, bytes: number): string {
  return `the answer of ${facts.provider} grew past ${
    formatBytes(bytes)
  } and was stopped; ask for a shorter one`;
}
