import { getLogger } from "@logtape/logtape";
import { ExaiError } from "../../base/errors.ts";
import { unmetNeeds } from "../model_fitness.ts";
import type { ModelAttempt, ModelNeeds, ModelRoute, RoutedResult } from "../model_router.ts";
import { faultKindOf, isSafeToRetry } from "../api/provider_errors.ts";
import type { ChatOptions, ChatResult, ModelInfo } from "../provider.ts";

const log = getLogger(["exai", "provider"]);

interface FallbackOptions extends ChatOptions {
  /** Computes the needs of the request; called only when a fallback is considered. */
  needs: () => Promise<ModelNeeds>;
  send: (model: ModelInfo, options: ChatOptions) => Promise<ChatResult>;
}

/**
 * Sends a request to the models of `route` in order. The next model is tried only after an error before any output: a
 * rate limit, an outage or an open circuit breaker.
 *
 * @throws {ExaiError} the last error, with `details.tried` if several models were tried
 */
export async function askWithFallback(
  route: ModelRoute,
  { needs, send, ...options }: FallbackOptions,
): Promise<RoutedResult> {
  const tried: ModelAttempt[] = [];
  const { requested } = route;
  let failure: ExaiError | undefined;
  for (const model of [route.model, ...route.fallbacks]) {
    if (failure !== undefined) {
      const unmet = unmetNeeds(model, await needs());
      if (unmet !== undefined) {
        tried.push({ ...nameOf(model), fault: "unfit", message: unmet });
        continue;
      }
      reportFallback(model, failure, options);
    }
    try {
      const result = await send(model, options);
      const chosen = `${model.provider}/${model.name}`;
      return { ...result, routing: { requested, chosen, why: explainRoute(route, tried, chosen), tried } };
    } catch (thrown) {
      failure = ExaiError.from(thrown);
      const fault = faultKindOf(failure);
      if (options.signal.aborted || fault === undefined || !isSafeToRetry(fault)) {
        throw withTried(failure, tried);
      }
      tried.push({ ...nameOf(model), fault, message: failure.message });
    }
  }
  throw withTried(failure!, tried.slice(0, -1), tried);
}

function nameOf({ name, provider }: ModelInfo) {
  return { model: name, provider };
}

function reportFallback(model: ModelInfo, failure: ExaiError, { onProgress }: ChatOptions): void {
  const { name, provider } = model;
  log.warning("{reason}; falling back to {provider}/{name}", { reason: failure.message, provider, name });
  onProgress?.({
    phase: "falling_back",
    chars: 0,
    message: `${failure.message}; asking ${provider}/${name} instead`,
  });
}

function explainRoute({ why }: ModelRoute, tried: readonly ModelAttempt[], chosen: string): string {
  if (tried.length === 0) return why;
  const reasons = tried.map(({ provider, model, fault }) =>
    `${provider}/${model} (${fault.replaceAll("_", " ")})`
  );
  return `${why}; it fell back to ${chosen}, since it had no answer from ${reasons.join(", ")}`;
}

function withTried(
  error: ExaiError,
  before: readonly ModelAttempt[],
  all: readonly ModelAttempt[] = before,
): ExaiError {
  if (before.length === 0) return error;
  const names = before.map(({ provider, model, fault }) =>
    `${provider}/${model}: ${fault.replaceAll("_", " ")}`
  );
  return new ExaiError(error.code, `${error.message} (before it: ${names.join("; ")})`, {
    cause: error,
    retryAfterMs: error.retryAfterMs,
    details: { ...error.details, tried: all },
  });
}
