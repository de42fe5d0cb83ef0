import type {
  ChatOptions,
  ChatRequest,
  ChatResult,
  FaultKind,
  FileService,
  ModelClass,
  ModelInfo,
  RawRequest,
  Sample,
  ThinkingMode,
} from "./provider.ts";
import type { ProviderStatus } from "./provider_status.ts";

/** What a call needs of its model beside text. */
export interface ModelNeeds {
  images?: boolean;
  /** Whether it must think, or how hard. */
  thinking?: boolean | ThinkingMode;
  webSearch?: boolean;
  tools?: boolean;
  /** Tokens the question will have at least. */
  inputTokens?: number;
}

/** Which model is wanted, for what. */
export interface RouteQuery {
  /** A name, an alias, `provider/name`, or `auto`; left out: `auto`. */
  requested?: string;
  /** Tool that asks; `auto` goes by it. */
  tool: string;
  /** Takes the place of what `auto` thinks the tool needs. */
  class?: ModelClass;
  /** Only this provider. */
  provider?: string;
  needs?: ModelNeeds;
  /** The attached client's own model, where the client lends it. */
  sample?: Sample;
}

/** Where a question will go. */
export interface ModelRoute {
  /** What was asked for, or `auto`. */
  readonly requested: string;
  /** The model that is asked first: its window is what the question must fit. */
  readonly model: ModelInfo;
  /** Asked in turn when the one before has a rate limit, an outage or an open breaker; empty for a requested model. */
  readonly fallbacks: readonly ModelInfo[];
  /** Why `model`, in a sentence. */
  readonly why: string;
  /** The class of model the question is best served by, whichever was chosen. */
  readonly preferredClass: ModelClass;
  readonly sample?: Sample;
}

/** One model that was asked in vain, or passed over. */
export interface ModelAttempt {
  model: string;
  provider: string;
  /** `unfit`: it was passed over, since it cannot do what is asked. */
  fault: FaultKind | "unfit";
  message: string;
}

/** What was chosen, and why; goes into the metadata of the answer. */
interface Routing {
  requested: string;
  /** `provider/model`. */
  chosen: string;
  why: string;
  tried: readonly ModelAttempt[];
}

export type RoutedResult = ChatResult & { routing: Routing };

/** Chooses models and asks them. */
export interface ModelRouter extends Disposable {
  /**
   * Decides which model a question goes to. A name nobody knows yet is looked up at the providers once.
   *
   * @throws {ExaiError} `INVALID_PARAMS`, with what is available, when the requested model is not there or cannot do
   * what `needs` says, or when there is no model at all
   */
  resolve(query: RouteQuery): Promise<ModelRoute>;
  /**
   * Asks the model of `route`, and for `auto` those after it.
   *
   * @throws {ExaiError} as `Provider.chat`; after more than one model was tried, `details.tried` lists them
   */
  chat(route: ModelRoute, request: ChatRequest, options: ChatOptions): Promise<RoutedResult>;
  /** As {@linkcode chat}, with messages and tools in the provider's own terms. */
  complete(route: ModelRoute, request: RawRequest, options: ChatOptions): Promise<RoutedResult>;
  /**
   * The storage for files of the provider `name`.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when it is not set up or has none
   */
  files(name: string): FileService;
  /** The providers that are set up, as last known. */
  status(): readonly ProviderStatus[];
  /**
   * Waits for lists of what the providers offer that are no older than `maxAgeMs`; a few seconds at most, they may be
   * slow. Never fails: `status` has the reasons.
   */
  ensureFresh(maxAgeMs: number): Promise<void>;
  /** Asks every provider anew what it offers, and forgets open breakers. Never fails: `status` has the reasons. */
  refresh(signal?: AbortSignal): Promise<void>;
}
