import { getLogger } from "@logtape/logtape";
import { abortError } from "../../base/abort.ts";
import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { trimEndOf } from "../../base/text.ts";
import { MIB, SECOND_MS } from "../../base/units.ts";
import { withPartialAnswer } from "../partial_answer.ts";
import type { AnswerReader } from "./answer_reader.ts";
import { readErrorBody } from "./error_body.ts";
import { toProviderError } from "./exchange_errors.ts";
import { type FetchLimits, GuardedFetch } from "./guarded_fetch.ts";
import { leftOutFields, refusedField, withoutRefused } from "./optional_parameters.ts";
import type { ApiProtocol, Exchange, ProviderAddress } from "./protocol.ts";
import { type BreakerOptions, ProviderBreaker } from "./provider_breaker.ts";
import { asApiError, faultKindOf, fromApiError, providerError } from "./provider_errors.ts";
import { type ProviderSite, toBaseUrl, urlSetting, wrongPathAdvice } from "./provider_site.ts";
import { RateLimits } from "./rate_limits.ts";
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
  /** For advice in errors. */
  kind: ProviderSite["kind"];
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
  /** Sent besides the headers of the protocol. */
  traceHeaders?: Readonly<Record<string, string>>;
  /** Called when a slot is acquired and the request is sent; `attempt` starts at 1. */
  onSent?: (attempt: number) => void;
  /** Called for each event of the stream. */
  onDelta?: (answer: AnswerReader) => void;
  /** Called before a wait of `waitMs` milliseconds, after which the request is sent (again). */
  onRetry?: (waitMs: number, reason: ExaiError) => void;
}

/** How long the end of a stream is waited for once the answer is complete. */
const END_WAIT_MS = 5 * SECOND_MS;

/** The same where text came with the reason for the end: some servers give a reason with every part. */
const DOUBTFUL_END_WAIT_MS = 30 * SECOND_MS;

/** A token takes about 200 bytes of a stream. */
const MAX_STREAM_BYTES = 128 * MIB;

/** A list of models is asked for while somebody waits, and is short. */
const LIST_LIMITS: FetchLimits = { silenceMs: 10 * SECOND_MS, maxBytes: 32 * MIB };

/** Sends requests to one provider, with retries, a circuit breaker and rate limits. */
export class ProviderEndpoint {
  readonly name: string;
  readonly breaker: ProviderBreaker;
  readonly #options: EndpointOptions;
  readonly #retry: RetryPolicy;
  readonly #limits: RateLimits;
  /** The fields of a body that each model has refused. */
  readonly #refused = new Map<string, Set<string>>();
  readonly #site: ProviderSite;
  /** Whether the configured URL is that of an endpoint of the API. */
  readonly #isPasted: boolean;

  constructor(options: EndpointOptions) {
    this.name = options.name;
    const baseUrl = toBaseUrl(options.baseUrl);
    this.#options = { ...options, baseUrl };
    this.#isPasted = baseUrl !== trimEndOf(options.baseUrl.trim(), "/");
    this.#retry = { ...DEFAULT_RETRY_POLICY, ...options.retry };
    this.#limits = new RateLimits(options.name, this.#retry.maxDelayMs);
    const { name, kind, apiKey } = options;
    this.#site = { name, kind, baseUrl, hasKey: apiKey !== "" };
    this.breaker = new ProviderBreaker(options.name, options.breaker);
  }

  /**
   * Requests a completion as a stream and returns the whole answer. Failed requests that cannot have been billed are
   * retried; a field that the model refuses and can do without is left out, then and from then on.
   *
   * @throws {ExaiError} a provider error; the abort reason of `options.signal`
   */
  async complete(request: ProtocolRequest, options: CompletionOptions): Promise<AnswerReader> {
    const { model, body } = request;
    const refused = new Set(this.#refused.get(model));
    for (let attempt = 1;; attempt++) {
      const sent = { ...request, body: withoutRefused(body, refused) };
      try {
        await this.#limits.wait(model, options);
        const answer = await this.#attempt(sent, { ...options, attempt });
        // A refusal that stays without the field was not for the field.
        if (refused.size > 0) this.#refused.set(model, refused.union(this.#refused.get(model) ?? new Set()));
        answer.warnings.push(...this.#warningsOf(model, leftOutFields(body, refused)));
        return answer;
      } catch (thrown) {
        if (options.signal.aborted) throw abortError(options.signal);
        const error = ExaiError.from(thrown);
        const field = refusedFieldOf(error, sent);
        if (field !== undefined && !refused.has(field)) {
          refused.add(field);
          // It is no failure that the retries are for.
          attempt--;
          continue;
        }
        this.#limits.remember(model, error);
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
    const errorInfo = { provider: this.name, site: this.#site };
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
      throw toProviderError(thrown, { signal, guard, errorInfo, protocol, hasOutput: false });
    }
  }

  /** Sends a request for a list of models, as {@linkcode request}. */
  list<T>(
    { signal, protocol }: { signal: AbortSignal; protocol?: Pick<ApiProtocol, "headers" | "readError"> },
    send: (exchange: Exchange) => Promise<T>,
  ): Promise<T> {
    return this.request({ signal, protocol, limits: LIST_LIMITS }, send);
  }

  /** The error for a successful response that is no answer of the API: an error in its body, or anything else. */
  notAnApi(body: unknown): ExaiError {
    const errorInfo = { provider: this.name, site: this.#site };
    const { reason } = readErrorBody(body);
    if (reason !== "") {
      return fromApiError({ error: body, message: "" }, errorInfo, { hasOutput: false, isWhole: true });
    }
    const message = `${this.name} sent what is no list of models${wrongPathAdvice(this.#site)}`;
    return providerError("malformed", message, errorInfo);
  }

  async #attempt(
    request: ProtocolRequest,
    options: CompletionOptions & { attempt: number },
  ): Promise<AnswerReader> {
    using _slot = await this.#options.admit?.(this.name, options.signal);
    if (options.signal.aborted) throw abortError(options.signal);
    return await this.breaker.run(request.model, async () => {
      options.onSent?.(options.attempt);
      return await this.#stream(request, options);
    });
  }

  async #stream(
    { protocol, body, model }: ProtocolRequest,
    { signal, traceHeaders, onDelta }: CompletionOptions,
  ): Promise<AnswerReader> {
    const errorInfo = { provider: this.name, model, site: this.#site };
    const { headers, silenceMs } = this.#options;
    using guard = new GuardedFetch({
      silenceMs,
      maxBytes: MAX_STREAM_BYTES,
      errorInfo,
      headers: { ...traceHeaders, ...headers },
      protocolHeaders: protocol.headers,
      expectsEvents: true,
    });
    const answer = protocol.createReader(errorInfo);
    try {
      const events = await protocol.open(body, { address: this.#options, guard, signal });
      answer.isWhole = guard.isWhole;
      for await (const event of events) {
        answer.add(event);
        onDelta?.(answer);
        // Only the usage may follow, and some servers leave the connection open.
        if (answer.isAtEnd) guard.awaitEnd(END_WAIT_MS);
        else if (answer.hasEnded && answer.hasOutput) guard.awaitEnd(DOUBTFUL_END_WAIT_MS);
        else guard.awaitMore();
      }
      if (signal.aborted) throw abortError(signal);
      answer.finish({ hasEnded: guard.hasEnded });
      return answer;
    } catch (thrown) {
      if (answer.hasEnded && !signal.aborted && isOfConnection(thrown)) {
        answer.finish();
        return answer;
      }
      const { hasOutput } = answer;
      const error = toProviderError(thrown, { signal, guard, errorInfo, protocol, hasOutput, answer });
      throw withPartialAnswer(error, answer.text);
    }
  }

  #warningsOf(model: string, leftOut: readonly string[]): string[] {
    const { baseUrl } = this.#options;
    return [
      ...leftOut.map((field) => `${model} does not take ${field}, so it was left out`),
      ...this.#isPasted
        ? [`${urlSetting(this.#site)} is that of an endpoint; the API begins at ${baseUrl}`]
        : [],
    ];
  }
}

/** Whether the connection failed, and not what came over it. */
function isOfConnection(thrown: unknown): boolean {
  return !(thrown instanceof ExaiError) || faultKindOf(thrown) === "timeout";
}

/** The field of a body that a refusal names and that may be left out. */
function refusedFieldOf(error: ExaiError, { body, protocol }: ProtocolRequest): string | undefined {
  const status = error.details?.status;
  const isOfRequest = status === undefined || status === 400 || status === 422;
  if (faultKindOf(error) !== "refused" || !isOfRequest) return undefined;
  const response = error.cause as ReturnType<typeof asApiError>;
  const { requiredFields: required = [] } = protocol;
  const optional = Object.fromEntries(Object.entries(body).filter(([name]) => !required.includes(name)));
  if (response === undefined) return undefined;
  const { reason, parameter } = readErrorBody(response.error);
  // The name of a model may have that of a field in it, as kimi-k2-thinking has.
  const words = reason.split(/\s+/).filter((word) => word.replaceAll(/^\W+|\W+$/g, "") !== body.model);
  return refusedField({ reason: words.join(" "), parameter }, optional);
}
