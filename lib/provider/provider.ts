import type { JsonObject } from "../base/json.ts";
import type { ProviderName } from "./provider_kinds.ts";
import type { Abilities, ProviderStatus } from "./provider_status.ts";

/** How hard a model should think before it answers, least first. Only a model with the ability `thinking` takes it. */
export const THINKING_MODES = ["minimal", "low", "medium", "high", "max"] as const;

export type ThinkingMode = (typeof THINKING_MODES)[number];

/** How quick and how able a model is among those of its time. */
export type ModelClass = "fast" | "balanced" | "deep";

/** What a model can do beside answering text with text. */
export interface ModelAbilities extends Abilities {
  /** Calls functions it is offered. */
  tools: boolean;
  /** Keeps to a JSON schema it is given. */
  jsonSchema: boolean;
}

/** How hard a provider's own dial makes a model think, least first. */
export const EFFORTS = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;

export type Effort = (typeof EFFORTS)[number];

/**
 * How the thinking of a model is steered: not at all, on or off, never off, or by the efforts it knows, least first.
 */
export type ThinkingControl = "none" | "switch" | "always" | readonly Effort[];

/** A model as the catalogue has it. */
export interface ModelInfo {
  /** Name the provider knows it by. */
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
  /** Whether it takes a temperature; many that think do not. */
  takesTemperature: boolean;
  /** Whether it searches the web only while it does not think. */
  searchStopsThinking?: boolean;
  /** Whether `auto` may choose it. */
  auto: boolean;
}

export interface TextPart {
  type: "text";
  text: string;
}

export interface ImagePart {
  type: "image";
  /** A `data:` URL with base64 content, or an `https:` URL where the provider fetches those. */
  url: string;
}

export type ChatContent = string | readonly (TextPart | ImagePart)[];

/** One function call a model asks for. */
export interface ToolCall {
  id: string;
  name: string;
  /** JSON text, as the model wrote it: it may be faulty. */
  arguments: string;
}

/** One message of a conversation. */
export type ChatMessage =
  | { role: "system" | "user"; content: ChatContent }
  | { role: "assistant"; content: string; toolCalls?: readonly ToolCall[]; reasoning?: string }
  | { role: "tool"; toolCallId: string; content: string };

/** A function a model may call. */
interface ChatTool {
  name: string;
  description?: string;
  /** JSON Schema of its arguments. */
  parameters?: JsonObject;
}

/** Whether and which of the tools the model calls. */
export type ModelToolChoice = "auto" | "none" | "required" | { name: string };

/** A question to a model, whichever it is. */
export interface ChatRequest {
  messages: readonly ChatMessage[];
  /** 0 to 1; not sent to models that take none. */
  temperature?: number;
  thinkingMode?: ThinkingMode;
  /** Stands for `thinkingMode` where that is left out, with a model that can do it beside the rest of the request. */
  defaultThinkingMode?: ThinkingMode;
  /** Whether the model may search the web. */
  webSearch?: boolean;
  tools?: readonly ChatTool[];
  toolChoice?: ModelToolChoice;
  maxOutputTokens?: number;
  /** The answer is to be JSON that fits `schema`; a model that cannot be held to one is told so in words. */
  jsonSchema?: { name: string; schema: JsonObject };
}

/** A completion request written by the caller in the provider's own terms (OpenAI chat completions). */
export interface RawRequest {
  messages: readonly JsonObject[];
  tools?: readonly JsonObject[];
  tool_choice?: string | JsonObject;
  temperature?: number;
  /** Adds the provider's own web search to `tools`, and answers its calls. */
  webSearch?: boolean;
}

/** What an answer cost, in tokens. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  /** Of the input, what the provider had in its cache. */
  cachedTokens?: number;
  /** Of the output, what was thought and not said. */
  reasoningTokens?: number;
  /** The provider told nothing: these are estimates of our own. */
  estimated?: boolean;
}

/** A source the model names for what it found on the web. */
export interface Citation {
  url: string;
  title?: string;
}

/** Why a model stopped. */
export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter";

/** A model's answer. */
export interface ChatResult {
  /** Never empty, unless there are `toolCalls`. */
  text: string;
  /** The model that answered, as the provider names it. */
  model: string;
  provider: string;
  usage: Usage;
  finishReason: FinishReason;
  toolCalls?: readonly ToolCall[];
  citations?: readonly Citation[];
  /** What the model thought, where the provider shows it. */
  reasoning?: string;
  /** What of the request was a mere default and more than the model can do, and why, in a sentence. */
  leftOut?: string;
}

/** How far an answer has come. */
export interface ChatProgress {
  phase: "queued" | "sent" | "thinking" | "searching" | "answering" | "retrying" | "falling_back";
  /** Characters of thought and answer so far. */
  chars: number;
  /** For a person: "kimi-k2.5 is answering (1,204 characters)". */
  message: string;
}

export interface ChatOptions {
  /** Aborting it closes the connection at once, so that nothing more is generated or billed. */
  signal: AbortSignal;
  /** Called at most a few times a second. */
  onProgress?: (progress: ChatProgress) => void;
  /** When the caller gives up, in milliseconds since 1970: no wait is begun that would outlast it. */
  deadlineMs?: number;
}

/** A question to one model of one provider, its defaults settled. */
export type ProviderRequest = Omit<ChatRequest, "defaultThinkingMode"> & { model: ModelInfo };

/** A question in the provider's own terms to one of its models. */
export type ProviderRawRequest = RawRequest & { model: ModelInfo };

/** A source of models. */
export interface Provider {
  /** `kimi`, `openai`, or the name of a custom entry. */
  readonly name: string;
  readonly kind: ProviderName;
  /** What it offers, as last known. */
  models(): readonly ModelInfo[];
  /**
   * Asks `request.model` once. Nothing is asked for that the model has not: it is refused by name.
   *
   * @throws {ExaiError} `INVALID_PARAMS` what the model cannot do or the provider would not take; `UPSTREAM_UNAVAILABLE`,
   * `OUTCOME_UNKNOWN`, `TOO_LARGE`, `TIMEOUT` with `details.provider` and `details.fault` (a {@linkcode FaultKind});
   * the reason `options.signal` was aborted with
   */
  chat(request: ProviderRequest, options: ChatOptions): Promise<ChatResult>;
  /** As {@linkcode chat}, with messages and tools passed on as they are. Absent where there is no such thing. */
  complete?(request: ProviderRawRequest, options: ChatOptions): Promise<ChatResult>;
  /** Absent where the provider takes no files. */
  readonly files?: FileService;
  /** What it has to say of itself. */
  status(): ProviderStatus;
  /** Asks the provider what it offers, and forgets an open breaker. Never fails: `status` has the reason. */
  refresh(signal: AbortSignal): Promise<void>;
}

/** What went wrong at a provider; `details.fault` of its errors. */
export type FaultKind =
  /** Asked too often or too much (429); `retryAfterMs` says when to come back. */
  | "rate_limit"
  /** Could not be reached or failed before it took the request on (5xx, connection refused). */
  | "outage"
  /** Failed so often of late that it is left alone for a while. */
  | "breaker_open"
  /** The key was refused, or the account has nothing left. */
  | "auth"
  /** The request itself was refused (400, 404, 413, 422). */
  | "refused"
  /** The answer broke off, or came to nothing after the model may have run: it may have been billed. */
  | "cut"
  /** The answer was no such thing as the protocol has. */
  | "malformed"
  /** The model ran and said nothing. */
  | "empty"
  /** The answer grew past what is taken. */
  | "too_large"
  /** Took longer than the provider may take. */
  | "timeout";

/** Why a file is handed over: `file-extract` for its text, `assistants` to keep it under an id. */
type FilePurpose = "file-extract" | "assistants";

export interface FileUpload {
  /** Name with its extension: the provider goes by it. */
  name: string;
  bytes: Uint8Array;
  purpose: FilePurpose;
}

export interface UploadedFile {
  /** The provider's id of a file that it keeps; absent where it was deleted after its text was taken. */
  id?: string;
  name: string;
  sizeBytes: number;
  /** What the provider read in it; for `file-extract` only. */
  text?: string;
  /** Whether the text was known from an earlier upload of the same content. */
  cached: boolean;
}

/** A provider's own storage for files. */
export interface FileService {
  /**
   * Uploads `file`; for `file-extract` fetches its text and deletes it there again.
   *
   * @throws {ExaiError} as {@linkcode Provider.chat}
   */
  upload(file: FileUpload, options: Pick<ChatOptions, "signal">): Promise<UploadedFile>;
}

/** Texts of files, by the hash of what was uploaded. */
export interface TextCache {
  get(key: string): Promise<string | undefined> | string | undefined;
  set(key: string, text: string): Promise<void> | void;
}

/**
 * Asks the attached client for a completion of its own model (MCP client/sampling). Made for each call by whoever
 * speaks MCP; rejects with an `ExaiError` when the client refuses.
 */
export type Sample = (request: SampleRequest, options: ChatOptions) => Promise<ChatResult>;

/** What MCP sampling can say of a question. */
export interface SampleRequest {
  systemPrompt?: string;
  messages: readonly SampleMessage[];
  temperature?: number;
  maxOutputTokens: number;
  /** The class of model that would suit; the client decides. */
  modelClass: ModelClass;
  /** Part of the name of a model that would suit; the client decides. */
  modelHint?: string;
}

export interface SampleMessage {
  role: "user" | "assistant";
  /** One block each, as revisions before 2025-11-25 have it; images as base64 with their MIME type. */
  content: { type: "text"; text: string } | { type: "image"; data: string; mimeType: string };
}
