import type { CallTrace } from "../call/trace.ts";
import { addSpending, NOTHING_SPENT } from "../provider/spending.ts";
import type { ModelRoute, ModelRouter, RoutedResult, RouteQuery } from "../provider/model_router.ts";
import type { ChatOptions, ChatRequest, FileService, RawCompletionRequest } from "../provider/provider.ts";
import type { ProviderStatus } from "../provider/provider_status.ts";
import { tracedChat } from "./traced_parts.ts";

/** The models for one call, which notes what it uses of them on its trace, for its record. */
export class MeteredModels implements ModelRouter {
  readonly #models: ModelRouter;
  readonly #trace: CallTrace | undefined;

  constructor(models: ModelRouter, trace: CallTrace | undefined) {
    this.#models = models;
    this.#trace = trace;
  }

  resolve(query: RouteQuery): Promise<ModelRoute> {
    return this.#models.resolve(query);
  }

  chat(route: ModelRoute, request: ChatRequest, options: ChatOptions): Promise<RoutedResult> {
    return this.#asked(route, options, (options) => this.#models.chat(route, request, options));
  }

  complete(route: ModelRoute, request: RawCompletionRequest, options: ChatOptions): Promise<RoutedResult> {
    return this.#asked(route, options, (options) => this.#models.complete(route, request, options));
  }

  files(name: string): FileService {
    return this.#models.files(name);
  }

  status(): readonly ProviderStatus[] {
    return this.#models.status();
  }

  ensureFresh(maxAgeMs: number): Promise<void> {
    return this.#models.ensureFresh(maxAgeMs);
  }

  refresh(signal?: AbortSignal): Promise<void> {
    return this.#models.refresh(signal);
  }

  /** Does nothing: the models are those of all calls. */
  [Symbol.dispose](): void {}

  #asked(
    route: ModelRoute,
    options: ChatOptions,
    ask: (options: ChatOptions) => Promise<RoutedResult>,
  ): Promise<RoutedResult> {
    const trace = this.#trace;
    if (trace === undefined) return ask(options);
    const noting: ChatOptions = {
      ...options,
      onSpent(spent) {
        trace.spent = addSpending(trace.spent ?? NOTHING_SPENT, spent);
        options.onSpent?.(spent);
      },
    };
    return trace.span ? tracedChat(trace.span, route, noting, ask) : ask(noting);
  }
}
