import { getLogger } from "@logtape/logtape";
import { abortError } from "../../base/abort.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { MIB, SECOND_MS } from "../../base/units.ts";
import type { AnswerReader } from "./answer_reader.ts";
import { type FetchLimits, GuardedFetch } from "./guarded_fetch.ts";
import type { ApiProtocol, Exchange, ProviderAddress } from "./protocol.ts";
import { type BreakerOptions, ProviderBreaker } from "./provider_breaker.ts";
import { asApiError, fromApiError, providerError, type ProviderErrorInfo } from "./provider_errors.ts";
import {
  DEFAULT_RETRY_POLICY,
  fitsDeadline,
  retryDelay,
  type RetryPolicy,
  sleep,
  type WaitOptions,
} from "./retry.ts";

const log = getLogger(["exai", "provider"]);

/** Acquires a slot of the provider; disposing it releases the slot. */
export type Admit = (provider: string, signal: AbortSignal) => Promise<Disposable> | Disposable;

interface EndpointOptions extends ProviderAddress {
  /** The name of the provider. */
  name: string;
  headers?: Readonly<Record<string, string>>;
  /** How long the provider may send nothing before the request times out. */
  silenceMs: number;
  admit?: Admit;
  retry?: Partial<RetryPolicy>;
  breaker?: Partial<BreakerOptions>;
}

/** A body, and the protocol it is sent by. */
interface ProtocolRequest {
  protocol: ApiProtocol;
  body: JsonObject;
  /** The name of the model. */
  model: string;
}

/** Bounds and progress callbacks of one completion. */
interface CompletionOptions extends WaitOptions {
  /** Called when a slot is acquired and the request is sent; `attempt` starts at 1. */
  onSent?: (attempt: number) => void;
  /** Called for each event of the stream. */
  onDelta?: (answer: AnswerReader) => void;
  /** Called before a wait of `waitMs` milliseconds, after which the request is sent (again). */
  onRetry?: (waitMs: number, reason: ExaiError) => void;
}

const BREAKER: BreakerOptions = { failures: 5, openMs: 30 * SECOND_MS };

/** A token takes about 200 bytes of a stream. */
const MAX_STREAM_BYTES = 128 * MIB;

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
  async complete(request: ProtocolRequest, options: CompletionOptions): Promise<AnswerReader> {
    const { model } = request;
    for (let attempt = 1;; attempt++) {
      try {
        await this.#waitForLimit(model, options);
        return await this.#attempt(request, { ...options, attempt });
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
   * Sends a request other than a completion.
   *
   * @throws {ExaiError} a provider error; the abort reason of `signal`
   */
  async request<T>(
    { signal, limits, protocol }: {
      signal: AbortSignal;
      limits: FetchLimits;
      protocol?: Pick<ApiProtocol, "headers" | "readError">;
    },
    send: (exchange: Exchange) => Promise<T>,
  ): Promise<T> {
    const errorInfo = { provider: this.name };
    const { headers } = this.#options;
    using guard = new GuardedFetch({
      ...limits,
      errorInfo,
      headers,
      protocolHeaders: protocol?.headers,
      expectsEvents: false,
    });
    try {
      return await send({ address: this.#options, guard, signal });
    } catch (thrown) {
      throw this.#toError(thrown, { signal, guard, errorInfo, protocol, hasOutput: false });
    }
  }

  async #attempt(
    request: ProtocolRequest,
    options: CompletionOptions & { attempt: number },
  ): Promise<AnswerReader> {
    using _slot = await this.#options.admit?.(this.name, options.signal);
    if (options.signal.aborted) throw abortError(options.signal);
    return await this.breaker.run(async () => {
      options.onSent?.(options.attempt);
      return await this.#stream(request, options);
    });
  }

  async #stream(
    { protocol, body, model }: ProtocolRequest,
    { signal, onDelta }: CompletionOptions,
  ): Promise<AnswerReader> {
    const errorInfo = { provider: this.name, model };
    const { headers, silenceMs } = this.#options;
    using guard = new GuardedFetch({
      silenceMs,
      maxBytes: MAX_STREAM_BYTES,
      errorInfo,
      headers,
      protocolHeaders: protocol.headers,
      expectsEvents: true,
    });
    const answer = protocol.createReader(errorInfo);
    try {
      for await (const event of await protocol.open(body, { address: this.#options, guard, signal })) {
        answer.add(event);
        onDelta?.(answer);
      }
      if (signal.aborted) throw abortError(signal);
      answer.finish();
      return answer;
    } catch (thrown) {
      const { hasOutput } = answer;
      throw this.#toError(thrown, { signal, guard, errorInfo, protocol, hasOutput, answer });
    }
  }

  #toError(thrown: unknown, context: FailureContext): ExaiError {
    const { signal, guard, errorInfo, protocol, hasOutput, answer } = context;
    if (signal.aborted) return abortError(signal);
    const cause = unwrap(guard.causeOfBodyError(thrown));
    if (cause instanceof ExaiError) return cause;
    const response = protocol?.readError?.(thrown) ?? asApiError(thrown);
    if (response !== undefined) return fromApiError(response, { ...errorInfo, cause: thrown }, hasOutput);
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
  protocol?: Pick<ApiProtocol, "readError">;
  hasOutput: boolean;
  answer?: AnswerReader;
}

/** The packages wrap every error of their `fetch`. */
function unwrap(thrown: unknown): unknown {
  return thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause : thrown;
}
