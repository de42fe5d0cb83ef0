import type { JsonObject } from "../base/json.ts";
import type { ChatContent } from "./chat_content.ts";
import type { ModelPrice } from "./catalogue/prices.ts";
import type { FileService } from "./file_service.ts";
import type { ProviderName } from "./provider_kinds.ts";
import type { Abilities, Cost, ProviderStatus, Spending } from "./provider_status.ts";

export type { FileService, FileUpload, TextCache, UploadedFile } from "./file_service.ts";

/** Requested thinking effort, lowest first. Only models with the ability `thinking` take it. */
export const THINKING_MODES = ["minimal", "low", "medium", "high", "max"] as const;

export type ThinkingMode = (typeof THINKING_MODES)[number];

/** The trade-off between speed and capability a model makes. */
export type ModelClass = "fast" | "balanced" | "deep";

/** Abilities of a model besides text chat. */
export interface ModelAbilities extends Abilities {
  /** Calls functions it is offered. */
  tools: boolean;
  /** Keeps to a JSON schema it is given. */
  jsonSchema: boolean;
  /** Reads PDF documents. */
  documents?: boolean;
}

/** The effort levels of the providers' APIs, lowest first. */
export const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;

export type Effort = (typeof EFFORTS)[number];

/** How thinking is controlled: not at all, on or off, never off, or by one of the listed effort levels. */
export type ThinkingControl = "none" | "switch" | "always" | readonly Effort[];

/** A model in the catalogue. */
export interface ModelInfo {
  /** The name in the provider's API. */
  name: string;
  /** Name of the provider that serves it. */
  provider: string;
  aliases: readonly string[];
  class: ModelClass;
  /** Tokens of question and answer together. */
  contextTokens: number;
  /** Tokens of the answer alone. */
  maxOutputTokens: number;
  abilities: ModelAbilities;
  thinking: ThinkingControl;
  /** The API it is asked through. Default: chat. */
  api?: "chat" | "responses";
  /** Whether its provider works on the answer without a connection, and keeps it meanwhile. */
  inBackground?: boolean;
  /** The most tokens it may think, for a model whose thinking is set in tokens. */
  thinkingBudget?: number;
  /** Whether it takes a temperature; many thinking models do not. */
  takesTemperature: boolean;
  /** Whether web search requires thinking to be off. */
  searchStopsThinking?: boolean;
  /** Whether `auto` may select it. */
  auto: boolean;
  /** Undefined if it is not known. */
  price?: ModelPrice;
}

export type { ChatContent, ContentPart, DocumentPart, ImagePart, TextPart } from "./chat_content.ts";

/** A function call requested by a model. */
export interface ToolCall {
  id: string;
  name: string;
  /** JSON as the model wrote it; possibly invalid. */
  arguments: string;
}

/** One message of a conversation. */
export type ChatMessage =
  | { role: "system" | "user"; content: ChatContent }
  | {
    role: "assistant";
    content: string;
    /** The model that said it, as `provider/model`; undefined: the model that is asked. */
    speaker?: string;
    toolCalls?: readonly ToolCall[];
    reasoning?: string;
    providerItems?: ChatResult["providerItems"];
  }
  | { role: "tool"; toolCallId: string; content: string };

/** A function offered to a model. */
interface ChatTool {
  name: string;
  description?: string;
  /** JSON Schema of its arguments. */
  parameters?: JsonObject;
}

/** Whether the model must call a tool, and which. */
export type ModelToolChoice = "auto" | "none" | "required" | { name: string };

/** A chat request, independent of the model and provider. */
export interface ChatRequest {
  messages: readonly ChatMessage[];
  /** From 0 to 1; not sent to models that take no temperature. */
  temperature?: number;
  thinkingMode?: ThinkingMode;
  /** Used if `thinkingMode` is omitted and the model supports it along with the rest of the request. */
  defaultThinkingMode?: ThinkingMode;
  /** Whether the model may search the web. */
  webSearch?: boolean;
  tools?: readonly ChatTool[];
  toolChoice?: ModelToolChoice;
  maxOutputTokens?: number;
  /** Requests JSON that matches `schema`; without native support the schema becomes part of the prompt. */
  jsonSchema?: { name: string; schema: JsonObject };
}

/** A completion request in the format of the OpenAI chat completions API, passed through to the provider. */
export interface RawCompletionRequest {
  messages: readonly JsonObject[];
  tools?: readonly JsonObject[];
  tool_choice?: string | JsonObject;
  temperature?: number;
  /** Adds the provider's web search to `tools` and answers its calls. */
  webSearch?: boolean;
}

/** The token usage of a completion. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  /** Input tokens served from the provider's cache. */
  cachedTokens?: number;
  /** Output tokens spent on reasoning. */
  reasoningTokens?: number;
  /** Whether the counts are estimates because the provider reported none. */
  estimated?: boolean;
}

/** A web source of an answer. */
export interface Citation {
  url: string;
  title?: string;
}

/** Why the model stopped generating. */
export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter";

/** The completed answer of a model. */
export interface ChatResult {
  /** Empty only if there are `toolCalls`. */
  text: string;
  /** The model as named in the provider's response. */
  model: string;
  provider: string;
  usage: Usage;
  finishReason: FinishReason;
  toolCalls?: readonly ToolCall[];
  citations?: readonly Citation[];
  /** What the model needs unchanged when it goes on after `toolCalls`: encrypted reasoning, signatures. */
  providerItems?: { provider: string; model: string; items: readonly JsonObject[] };
  /** The reasoning, if the provider returns it. */
  reasoning?: string;
  /** What the provider says it charged, in US dollars. */
  chargedUsd?: number;
  /** Set by the router, if the price is known. */
  cost?: Cost;
  /** Set by the router once most of a daily budget is used. */
  budgetWarning?: string;
  /** What is unusual about the answer, each in a sentence without a full stop. */
  warnings?: readonly string[];
  /** A sentence on a default of the request that was omitted because the model does not support it. */
  leftOut?: string;
}

/** The progress of a chat request. */
export interface ChatProgress {
  phase: "queued" | "sent" | "thinking" | "searching" | "answering" | "retrying" | "falling_back";
  /** Characters of reasoning and answer so far. */
  chars: number;
  /** For display: "kimi-k2.5 is answering (1,204 characters)". */
  message: string;
}

export interface ChatOptions {
  /** Aborting it closes the connection, which stops generation and billing. */
  signal: AbortSignal;
  /** Called at most a few times a second. */
  onProgress?: (progress: ChatProgress) => void;
  /** Called with what each request used, also for one that failed after the model may have run. */
  onSpent?: (spent: Spending) => void;
  /** When the caller times out, in milliseconds since 1970. No wait is started that would outlast it. */
  deadlineMs?: number;
  /** Headers that say which trace the request belongs to. */
  traceHeaders?: Readonly<Record<string, string>>;
}

/** Tells of a request while a provider works on it, so that what may be billed is known when it fails. */
export interface RequestWatch {
  /** Called when the request leaves, and not while it waits for its turn. */
  onSent(): void;
  /** Called with the usage of each turn that is complete and takes another one, such as a web search. */
  onTurn(usage: Usage): void;
}

export type WatchedOptions = ChatOptions & Partial<RequestWatch>;

/** A chat request to one model, with defaults applied. */
export type ProviderRequest = Omit<ChatRequest, "defaultThinkingMode"> & { model: ModelInfo };

/** A raw request to one model. */
export type ProviderRawRequest = RawCompletionRequest & { model: ModelInfo };

/** A source of models. */
export interface Provider {
  /** `kimi`, `openai`, or the name of a custom entry. */
  readonly name: string;
  readonly kind: ProviderName;
  /** The models as last listed. */
  models(): readonly ModelInfo[];
  /**
   * Sends one request to `request.model`.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when the model lacks an ability or the provider rejects the request;
   * `UPSTREAM_UNAVAILABLE`, `CONFIG`, `OUTCOME_UNKNOWN`, `TOO_LARGE`, `TIMEOUT` with `details.provider` and
   * `details.fault` (a {@linkcode FaultKind}); the abort reason of `options.signal`
   */
  chat(request: ProviderRequest, options: WatchedOptions): Promise<ChatResult>;
  /** Like {@linkcode chat} with a raw request. Absent if the provider does not support it. */
  complete?(request: ProviderRawRequest, options: WatchedOptions): Promise<ChatResult>;
  /** Absent if the provider stores no files. */
  readonly files?: FileService;
  /** The current status; does no I/O. */
  status(): ProviderStatus;
  /** Fetches the list of models and closes the circuit breaker. Never rejects: `status` reports a failure. */
  refresh(signal: AbortSignal): Promise<void>;
}

/** The kind of a provider error, as `details.fault`. */
export type FaultKind =
  /** HTTP 429; `retryAfterMs` says when to retry. */
  | "rate_limit"
  /** Unreachable, or failed before processing the request (5xx, connection refused). */
  | "outage"
  /** Not sent: the circuit breaker is open. */
  | "breaker_open"
  /** Not sent: a daily budget is used up, or the price of the model is not known. */
  | "budget"
  /** The key was rejected, or the account has no credit. */
  | "auth"
  /** The request was rejected (400, 404, 413, 422). */
  | "refused"
  /** The response was lost or truncated after the model may have run, so it may have been billed. */
  | "cut"
  /** The response violates the protocol. */
  | "malformed"
  /** The model ran and returned no text. */
  | "empty"
  /** The response exceeded a size limit. */
  | "too_large"
  /** The provider sent nothing for too long. */
  | "timeout";
