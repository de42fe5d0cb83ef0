import { getLogger } from "@logtape/logtape";
import type OpenAI from "openai";
import { abortError } from "../../base/abort.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import { MIB, SECOND_MS } from "../../base/units.ts";
import { CompletionReader } from "./completion_reader.ts";
import { type FetchLimits, GuardedFetch } from "./guarded_fetch.ts";
import { type BreakerOptions, ProviderBreaker } from "./provider_breaker.ts";
import { fromApiError, isApiError, providerError, type ProviderErrorInfo } from "./provider_errors.ts";
import {
  DEFAULT_RETRY_POLICY,
  fitsDeadline,
  retryDelay,
  type RetryPolicy,
  sleep,
  type WaitOptions,
} from "./retry.ts";
import { type ClientAddress, createClient } from "./sdk_client.ts";

const log = getLogger(["exai", "provider"]);

/** Acquires a slot of the provider; disposing it releases the slot. */
export type Admit = (provider: string, signal: AbortSignal) => Promise<Disposable> | Disposable;

interface EndpointOptions extends ClientAddress {
  /** The name of the provider. */
  name: string;
  headers?: Readonly<Record<string, string>>;
  /** How long the provider may send nothing before the request times out. */
  silenceMs: number;
  admit?: Admit;
  retry?: Partial<RetryPolicy>;
  breaker?: Partial<BreakerOptions>;
}

/** Bounds and progress callbacks of one completion. */
interface CompletionOptions extends WaitOptions {
  /** Called when a slot is acquired and the request is sent; `attempt` starts at 1. */
  onSent?: (attempt: number) => void;
  /** Called for each event of the stream. */
  onDelta?: (answer: CompletionReader) => void;
  /** Called before a wait of `waitMs` milliseconds, after which the request is sent (again). */
  onRetry?: (waitMs: number, reason: ExaiError) => void;
}

const BREAKER: BreakerOptions = { failures: 5, openMs: 30 * SECOND_MS };
const LIST_SILENCE_MS = 10 * SECOND_MS;

/** A token takes about 200 bytes of a stream. */
const MAX_STREAM_BYTES = 128 * MIB;
const MAX_LIST_BYTES = 32 * MIB;

/** Sends requests to one provider, with retries, a circuit breaker and rate limits. */
export class ProviderEndpoint {
  readonly name: string;
  readonly breaker: ProviderBreaker;
  readonly #options: EndpointOptions;
  readonly #retry: RetryPolicy;
  /** The end of the rate limit of each model, as a `performance.now()` time. */
  readonly #limitedUntilMs = new Map<string, number>();

  constructor(options: EndpointOptions) {
    this.name = options.name;
    this.#options = options;
    this.#retry = { ...DEFAULT_RETRY_POLICY, ...options.retry };
    this.breaker = new ProviderBreaker(options.name, { ...BREAKER, ...options.breaker });
  }

  /**
   * Requests a completion as a stream and returns the whole answer. Failed requests that cannot have been billed are
   * retried.
   *
   * @throws {ExaiError} a provider error; the abort reason of `options.signal`
   */
  async complete(body: JsonObject, options: CompletionOptions): Promise<CompletionReader> {
    const model = String(body.model);
    for (let attempt = 1;; attempt++) {
      try {
        await this.#waitForLimit(model, options);
        return await this.#attempt(body, { ...options, attempt });
      } catch (thrown) {
        if (options.signal.aborted) throw abortError(options.signal);
        const error = ExaiError.from(thrown);
        this.#rememberLimit(model, error);
        const waitMs = retryDelay(attempt, error, this.#retry);
        if (waitMs === undefined || !fitsDeadline(waitMs, options)) throw error;
        log.info("asking {provider} again in {waitMs} ms: {reason}", {
          provider: this.name,
          waitMs: Math.round(waitMs),
          reason: error.message,
        });
        options.onRetry?.(waitMs, error);
        await sleep(waitMs, options);
      }
    }
  }

  /**
   * Returns the entries of `/models`.
   *
   * @throws {ExaiError} a provider error
   */
  listModels(signal: AbortSignal): Promise<JsonObject[]> {
    const limits = { silenceMs: LIST_SILENCE_MS, maxBytes: MAX_LIST_BYTES };
    return this.request({ signal, limits }, async (client) => {
      const page = await client.models.list({ signal });
      // A server may answer with anything, whatever the type says.
      const listed: unknown = page.data;
      return Array.isArray(listed) ? listed.filter(isObject) : [];
    });
  }

  /**
   * Sends a request other than a completion through the `openai` package.
   *
   * @throws {ExaiError} a provider error; the abort reason of `signal`
   */
  async request<T>(
    { signal, limits }: { signal: AbortSignal; limits: FetchLimits },
    send: (client: OpenAI) => Promise<T>,
  ): Promise<T> {
    const errorInfo = { provider: this.name };
    const { headers } = this.#options;
    using guard = new GuardedFetch({ ...limits, errorInfo, headers, expectsEvents: false });
    try {
      return await send(await createClient(this.#options, guard));
    } catch (thrown) {
      throw this.#toError(thrown, { signal, guard, errorInfo, hasOutput: false });
    }
  }

  async #attempt(
    body: JsonObject,
    options: CompletionOptions & { attempt: number },
  ): Promise<CompletionReader> {
    using _slot = await this.#options.admit?.(this.name, options.signal);
    if (options.signal.aborted) throw abortError(options.signal);
    return await this.breaker.run(async () => {
      options.onSent?.(options.attempt);
      return await this.#stream(body, options);
    });
  }

  async #stream(body: JsonObject, { signal, onDelta }: CompletionOptions): Promise<CompletionReader> {
    const errorInfo = { provider: this.name, model: String(body.model) };
    const { headers, silenceMs } = this.#options;
    using guard = new GuardedFetch({
      silenceMs,
      maxBytes: MAX_STREAM_BYTES,
      errorInfo,
      headers,
      expectsEvents: true,
    });
    const answer = new CompletionReader(errorInfo);
    try {
      const client = await createClient(this.#options, guard);
      // The body has fields of the dialect that the type does not know.
      const params = body as unknown as OpenAI.ChatCompletionCreateParamsStreaming;
      for await (const event of await client.chat.completions.create(params, { signal })) {
        answer.add(event);
        onDelta?.(answer);
      }
      if (signal.aborted) throw abortError(signal);
      answer.finish();
      return answer;
    } catch (thrown) {
      throw this.#toError(thrown, { signal, guard, errorInfo, hasOutput: answer.hasOutput, answer });
    }
  }

  #toError(thrown: unknown, context: FailureContext): ExaiError {
    const { signal, guard, errorInfo, hasOutput, answer } = context;
    if (signal.aborted) return abortError(signal);
    const cause = unwrap(guard.causeOfBodyError(thrown));
    if (cause instanceof ExaiError) return cause;
    if (isApiError(thrown)) return fromApiError(thrown, { ...errorInfo, cause: thrown }, hasOutput);
    if (cause instanceof SyntaxError) {
      return providerError(
        "malformed",
        `${this.name} sent what is no JSON; check that its URL is that of an OpenAI API`,
        { ...errorInfo, cause },
      );
    }
    const reason = messageOf(cause);
    if (answer) return answer.truncated(reason);
    return providerError("outage", `${this.name}: ${reason}`, { ...errorInfo, cause });
  }

  /** Stores the end of a rate limit, so that other calls wait for it too. */
  #rememberLimit(model: string, { retryAfterMs, details }: ExaiError): void {
    if (details?.fault !== "rate_limit" || retryAfterMs === undefined) return;
    this.#limitedUntilMs.set(model, performance.now() + retryAfterMs);
  }

  /** Waits for the end of a rate limit reported to an earlier call. */
  async #waitForLimit(model: string, options: CompletionOptions): Promise<void> {
    const waitMs = (this.#limitedUntilMs.get(model) ?? 0) - performance.now();
    if (waitMs <= 0) {
      this.#limitedUntilMs.delete(model);
      return;
    }
    const isTooLong = waitMs > this.#retry.maxDelayMs || !fitsDeadline(waitMs, options);
    const error = providerError(
      "rate_limit",
      `${this.name} wants no question to ${model} for ${
        Math.ceil(waitMs / 1000)
      } s; wait, or name another model`,
      { provider: this.name, model, retryAfterMs: Math.ceil(waitMs) },
    );
    if (isTooLong) throw error;
    options.onRetry?.(waitMs, error);
    await sleep(waitMs, options);
  }
}

interface FailureContext {
  signal: AbortSignal;
  guard: GuardedFetch;
  errorInfo: ProviderErrorInfo;
  hasOutput: boolean;
  answer?: CompletionReader;
}

/** The `openai` package wraps every error of its `fetch`. */
function unwrap(thrown: unknown): unknown {
  return thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
}
