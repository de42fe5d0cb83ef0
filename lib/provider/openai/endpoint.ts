import { getLogger } from "@logtape/logtape";
import { abortError } from "../../base/abort.ts";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import { MIB, SECOND_MS } from "../../base/units.ts";
import { CompletionReader } from "./completion_reader.ts";
import { type BreakerOptions, ProviderBreaker } from "./provider_breaker.ts";
import { fromApiError, isApiError, providerError } from "./provider_errors.ts";
import { type FetchLimits, GuardedFetch } from "./guarded_fetch.ts";
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

/** Takes a slot of the provider's; given back by disposing it. */
export type Admit = (provider: string, signal: AbortSignal) => Promise<Disposable> | Disposable;

interface EndpointOptions extends ClientAddress {
  /** Name of the provider. */
  name: string;
  headers?: Readonly<Record<string, string>>;
  /** How long the provider may send nothing at all. */
  silenceMs: number;
  admit?: Admit;
  retry?: Partial<RetryPolicy>;
  breaker?: Partial<BreakerOptions>;
}

/** What is told while one question is asked. */
interface CompletionOptions extends WaitOptions {
  /** The slot is there and the question goes out, for the `attempt`th time. */
  onSent?: (attempt: number) => void;
  /** More of the answer has come. */
  onPart?: (answer: CompletionReader) => void;
  /** The provider would not; it is asked again after `waitMs`. */
  onRetry?: (waitMs: number, reason: ExaiError) => void;
}

const BREAKER: BreakerOptions = { failures: 5, openMs: 30 * SECOND_MS };
const LIST_SILENCE_MS = 10 * SECOND_MS;

/** One token of a long answer takes some 200 bytes of its stream. */
const MAX_STREAM_BYTES = 128 * MIB;
const MAX_LIST_BYTES = 32 * MIB;

/** The address of one provider, and the manners with which it is asked. */
export class ProviderEndpoint {
  readonly name: string;
  readonly breaker: ProviderBreaker;
  readonly #options: EndpointOptions;
  readonly #retry: RetryPolicy;
  /** Until when the provider wants no question to a model, by model, as `performance.now()` has it. */
  readonly #notBeforeMs = new Map<string, number>();

  constructor(options: EndpointOptions) {
    this.name = options.name;
    this.#options = options;
    this.#retry = { ...DEFAULT_RETRY_POLICY, ...options.retry };
    this.breaker = new ProviderBreaker(options.name, { ...BREAKER, ...options.breaker });
  }

  /**
   * Asks for a completion, as a stream, and gives back the whole answer. What cannot have been billed is asked again.
   *
   * @throws {ExaiError} a fault of the provider; the reason `signal` was aborted with
   */
  async complete(body: JsonObject, options: CompletionOptions): Promise<CompletionReader> {
    const model = String(body.model);
    for (let attempt = 1;; attempt++) {
      try {
        await this.#waitForLimit(model, options);
        return await this.#askOnce(body, { ...options, attempt });
      } catch (thrown) {
        if (options.signal.aborted) throw abortError(options.signal);
        const fault = ExaiError.from(thrown);
        this.#heed(model, fault);
        const waitMs = retryDelay(attempt, fault, this.#retry);
        if (waitMs === undefined || !fitsDeadline(waitMs, options)) throw fault;
        log.info("asking {provider} again in {waitMs} ms: {reason}", {
          provider: this.name,
          waitMs: Math.round(waitMs),
          reason: fault.message,
        });
        options.onRetry?.(waitMs, fault);
        await sleep(waitMs, options);
      }
    }
  }

  /**
   * What `/models` lists.
   *
   * @throws {ExaiError} a fault of the provider
   */
  listModels(signal: AbortSignal): Promise<JsonObject[]> {
    const limits = { silenceMs: LIST_SILENCE_MS, maxBytes: MAX_LIST_BYTES };
    return this.request({ signal, limits }, async (client) => {
      const page = await client.models.list({ signal });
      const listed = (page as unknown as { data?: unknown }).data;
      return Array.isArray(listed) ? listed.filter(isObject) : [];
    });
  }

  /**
   * One exchange through the `openai` package that is no completion.
   *
   * @throws {ExaiError} a fault of the provider; the reason `signal` was aborted with
   */
  async request<T>(
    { signal, limits }: { signal: AbortSignal; limits: FetchLimits },
    work: (client: Awaited<ReturnType<typeof createClient>>) => Promise<T>,
  ): Promise<T> {
    const facts = { provider: this.name };
    const { headers } = this.#options;
    using guard = new GuardedFetch({ ...limits, facts, headers, expectsEvents: false });
    try {
      return await work(await createClient(this.#options, guard));
    } catch (thrown) {
      throw this.#explain(thrown, { signal, guard, facts, hasOutput: false });
    }
  }

  async #askOnce(
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

  async #stream(body: JsonObject, { signal, onPart }: CompletionOptions): Promise<CompletionReader> {
    const facts = { provider: this.name, model: String(body.model) };
    const { headers, silenceMs } = this.#options;
    using guard = new GuardedFetch({
      silenceMs,
      maxBytes: MAX_STREAM_BYTES,
      facts,
      headers,
      expectsEvents: true,
    });
    const answer = new CompletionReader(facts);
    try {
      const client = await createClient(this.#options, guard);
      const events = await client.chat.completions.create(body as never, { signal });
      for await (const event of events as unknown as AsyncIterable<unknown>) {
        answer.add(event);
        onPart?.(answer);
      }
      if (signal.aborted) throw abortError(signal);
      answer.finish();
      return answer;
    } catch (thrown) {
      throw this.#explain(thrown, { signal, guard, facts, hasOutput: answer.hasOutput, answer });
    }
  }

  #explain(thrown: unknown, context: ExchangeContext): ExaiError {
    const { signal, guard, facts, hasOutput, answer } = context;
    if (signal.aborted) return abortError(signal);
    const cause = causeOf(guard.causeOfBodyError(thrown));
    if (cause instanceof ExaiError) return cause;
    if (isApiError(thrown)) return fromApiError(thrown, { ...facts, cause: thrown }, hasOutput);
    if (cause instanceof SyntaxError) {
      return providerError(
        "malformed",
        `${this.name} sent what is no JSON; check that its URL is that of an OpenAI API`,
        {
          ...facts,
          cause,
        },
      );
    }
    const why = messageOf(cause);
    return answer ? ExaiError.from(answer.truncated(why)) : providerError("outage", `${this.name}: ${why}`, {
      ...facts,
      cause,
    });
  }

  /** Remembers how long the provider wants to be left alone. */
  #heed(model: string, { retryAfterMs, details }: ExaiError): void {
    if (details?.fault !== "rate_limit" || retryAfterMs === undefined) return;
    this.#notBeforeMs.set(model, performance.now() + retryAfterMs);
  }

  /** Other calls heed the wait that one call was told. */
  async #waitForLimit(model: string, options: CompletionOptions): Promise<void> {
    const waitMs = (this.#notBeforeMs.get(model) ?? 0) - performance.now();
    if (waitMs <= 0) {
      this.#notBeforeMs.delete(model);
      return;
    }
    const isTooLong = waitMs > this.#retry.maxDelayMs || !fitsDeadline(waitMs, options);
    const reason = providerError(
      "rate_limit",
      `${this.name} wants no question to ${model} for ${
        Math.ceil(waitMs / 1000)
      } s; wait, or name another model`,
      { provider: this.name, model, retryAfterMs: Math.ceil(waitMs) },
    );
    if (isTooLong) throw reason;
    options.onRetry?.(waitMs, reason);
    await sleep(waitMs, options);
  }
}

interface ExchangeContext {
  signal: AbortSignal;
  guard: GuardedFetch;
  facts: { provider: string; model?: string };
  hasOutput: boolean;
  answer?: CompletionReader;
}

/** What the `openai` package wrapped: it turns each failure of its `fetch` into one of its own. */
function causeOf(thrown: unknown): unknown {
  const { cause } = (thrown ?? {}) as { cause?: unknown };
  return cause instanceof Error ? cause : thrown;
}
