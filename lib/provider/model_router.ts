import type { Sample } from "./client_sample.ts";
import type {
  ChatOptions,
  ChatRequest,
  ChatResult,
  FaultKind,
  FileService,
  ModelClass,
  ModelInfo,
  RawCompletionRequest,
  ThinkingMode,
} from "./provider.ts";
import type { ProviderStatus } from "./provider_status.ts";

/** What a call needs of its model besides text. */
export interface ModelNeeds {
  images?: boolean;
  /** Whether it must read PDF documents. */
  documents?: boolean;
  /** Whether it must think, or how hard. */
  thinking?: boolean | ThinkingMode;
  /** `required`: what is asked makes no sense without it. */
  webSearch?: boolean | "required";
  tools?: boolean;
  /** The estimated size of the request, in tokens. */
  inputTokens?: number;
}

/** A request for a model. */
export interface RouteQuery {
  /** A name, an alias, `provider/name`, or `auto`; defaults to the configured default model, then `auto`. */
  requested?: string;
  /** The calling tool; determines the model class for `auto`. */
  tool: string;
  /** Overrides the model class of the tool. */
  class?: ModelClass;
  /** Restricts the choice to this provider. */
  provider?: string;
  needs?: ModelNeeds;
  /** The client's model, if the client supports sampling. */
  sample?: Sample;
}

/** The models a request is sent to, in order. */
export interface ModelRoute {
  /** The requested name, or `auto`. */
  readonly requested: string;
  /** The first model; the request must fit its context window. */
  readonly model: ModelInfo;
  /** Tried in order after a rate limit, an outage or an open circuit breaker; empty for a named model. */
  readonly fallbacks: readonly ModelInfo[];
  /** Why `model` was selected, as a sentence. */
  readonly why: string;
  /** The preferred class of model, regardless of the class of `model`. */
  readonly preferredClass: ModelClass;
  readonly sample?: Sample;
}

/** A failed or skipped model of a route. */
export interface ModelAttempt {
  model: string;
  provider: string;
  /** `unfit`: skipped, because the model lacks an ability. */
  fault: FaultKind | "unfit";
  message: string;
}

/** The routing decision, for the metadata of the result. */
interface Routing {
  requested: string;
  /** `provider/model`. */
  chosen: string;
  why: string;
  tried: readonly ModelAttempt[];
}

export type RoutedResult = ChatResult & { routing: Routing };

/** Selects models and sends requests to them. */
export interface ModelRouter extends Disposable {
  /**
   * Selects the model for a request. An unknown name triggers one refresh of the providers' lists.
   *
   * @throws {ExaiError} `INVALID_PARAMS`, listing the alternatives, when the requested model does not exist or does not
   * meet `needs`, or when there is no model at all
   */
  resolve(query: RouteQuery): Promise<ModelRoute>;
  /**
   * Sends a chat request to the model of `route`, then to its fallbacks.
   *
   * @throws {ExaiError} as `Provider.chat`; `details.tried` lists the models if several were tried
   */
  chat(route: ModelRoute, request: ChatRequest, options: ChatOptions): Promise<RoutedResult>;
  /** Like {@linkcode chat} with a raw request. */
  complete(route: ModelRoute, request: RawCompletionRequest, options: ChatOptions): Promise<RoutedResult>;
  /**
   * Returns the file storage of the provider `name`.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when the provider is not configured or stores no files
   */
  files(name: string): FileService;
  /** The status of the configured providers; does no I/O. */
  status(): readonly ProviderStatus[];
  /**
   * Refreshes the lists of models if they are older than `maxAgeMs`, in milliseconds, and waits at most a few seconds
   * for that. Never rejects: `status` reports failures.
   */
  ensureFresh(maxAgeMs: number): Promise<void>;
  /** Refreshes the lists of all providers and closes their circuit breakers. Never rejects. */
  refresh(signal?: AbortSignal): Promise<void>;
}
