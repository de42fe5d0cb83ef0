import { ExaiError } from "../../base/errors.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import type { ModelEntry } from "../catalogue/catalogue.ts";
import { unmetNeeds } from "../model_fitness.ts";
import type { Dialect } from "../dialect/dialect.ts";
import type { ProviderName } from "../provider_kinds.ts";
import type {
  ChatOptions,
  ChatResult,
  FileService,
  ModelInfo,
  Provider,
  ProviderRawRequest,
  ProviderRequest,
  ToolCall,
  Usage,
} from "../provider.ts";
import type { ModelNeeds } from "../model_router.ts";
import type { ModelStatus, ProviderStatus } from "../provider_status.ts";
import { estimateTokens } from "../token_estimate.ts";
import type { CompletionReader } from "./completion_reader.ts";
import { toBody, toRawBody } from "./request_body.ts";
import type { ProviderEndpoint } from "./endpoint.ts";
import { faultKindOf, providerError } from "./provider_errors.ts";
import { ProgressReporter } from "./progress_reporter.ts";
import type { ModelList } from "./model_list.ts";

interface ApiProviderOptions {
  kind: ProviderName;
  endpoint: ProviderEndpoint;
  dialect: Dialect;
  modelList: ModelList;
  /** What it lists; left out: its `/models`. */
  list?: (signal: AbortSignal) => Promise<JsonObject[]>;
  files?: FileService;
}

/** Searches one answer may take; a model that wants more goes in circles. */
const MAX_SEARCHES = 10;

/** A provider that speaks the API of OpenAI. */
export class ApiProvider implements Provider {
  readonly name: string;
  readonly kind: ProviderName;
  readonly files?: FileService;
  readonly #options: ApiProviderOptions;
  /** Why its list could not be had, when it was last asked for. */
  #listFault: ExaiError | undefined;

  constructor(options: ApiProviderOptions) {
    this.name = options.endpoint.name;
    this.kind = options.kind;
    this.files = options.files;
    this.#options = options;
  }

  models(): readonly ModelInfo[] {
    return this.#options.modelList.models;
  }

  /** Takes another word of the user's on its models in place of the one before. */
  override(overrides: readonly ModelEntry[]): void {
    this.#options.modelList.override(overrides);
  }

  chat(request: ProviderRequest, options: ChatOptions): Promise<ChatResult> {
    const { model, thinkingMode, webSearch, tools } = request;
    const images = request.messages.some(({ content }) =>
      typeof content !== "string" && content.some((part) => part.type === "image")
    );
    refuse(model, { images, thinking: thinkingMode, webSearch, tools: (tools?.length ?? 0) > 0 });
    return this.#ask(toBody(request, this.#options.dialect), model, options);
  }

  complete(request: ProviderRawRequest, options: ChatOptions): Promise<ChatResult> {
    const { model, webSearch, tools } = request;
    refuse(model, { webSearch, tools: (tools?.length ?? 0) > 0 });
    return this.#ask(toRawBody(request, this.#options.dialect), model, options);
  }

  status(): ProviderStatus {
    const { endpoint } = this.#options;
    const models = this.models();
    const openForMs = endpoint.breaker.openForMs;
    const reason = openForMs === undefined
      ? this.#listFault?.message
      : `it failed several times in a row and is left alone for ${Math.ceil(openForMs / 1000)} s more`;
    const some = (ability: keyof ModelStatus["abilities"]) =>
      models.some(({ abilities }) => abilities[ability]);
    return {
      name: this.name,
      kind: this.kind,
      available: reason === undefined,
      reason,
      ...(openForMs === undefined ? {} : { circuitOpenForMs: openForMs }),
      abilities: {
        files: this.files !== undefined,
        search: some("search"),
        thinking: some("thinking"),
        images: some("images"),
      },
      models: models.map((
        { name, aliases, contextTokens, abilities: { files, search, thinking, images } },
      ) => ({
        name,
        aliases,
        contextTokens,
        abilities: { files, search, thinking, images },
      })),
    };
  }

  async refresh(signal: AbortSignal): Promise<void> {
    const { endpoint, modelList: roster, list = (signal) => endpoint.listModels(signal) } = this.#options;
    try {
      roster.list(await list(signal));
      endpoint.breaker.reset();
      this.#listFault = undefined;
    } catch (thrown) {
      if (signal.aborted) return;
      // Some serve no list: that says nothing about their models.
      const serves = faultKindOf(thrown) === "refused" || faultKindOf(thrown) === "malformed";
      this.#listFault = serves ? undefined : ExaiError.from(thrown);
    }
  }

  /** Asks until the model has said its answer: the provider's own tools are served on the way. */
  async #ask(body: JsonObject, model: ModelInfo, options: ChatOptions): Promise<ChatResult> {
    const { endpoint } = this.#options;
    const progress = new ProgressReporter(model.name, options.onProgress);
    const messages = [...body.messages as JsonObject[]];
    const usages: Usage[] = [];
    for (let round = 0; round <= MAX_SEARCHES; round++) {
      progress.queued();
      const answer = await endpoint.complete({ ...body, messages }, {
        signal: options.signal,
        deadlineMs: options.deadlineMs,
        onSent: (attempt) => progress.sent(attempt),
        onPart: (answer) => progress.received(answer),
        onRetry: (waitMs) => progress.retrying(waitMs),
      });
      usages.push(answer.usage ?? await estimateUsage(messages, answer));
      const served = this.#serve(answer.toolCalls);
      if (served === undefined) return this.#result(answer, model, usages);
      progress.searching();
      messages.push(answer.toMessage(), ...served);
    }
    throw providerError(
      "malformed",
      `${model.name} searched the web ${MAX_SEARCHES} times without an answer; put the question more narrowly`,
      { provider: this.name, model: model.name },
    );
  }

  /** The answers to `calls` when the provider's own tools are all that was called. */
  #serve(calls: readonly ToolCall[]): JsonObject[] | undefined {
    const { answerBuiltin } = this.#options.dialect;
    if (calls.length === 0 || answerBuiltin === undefined) return undefined;
    const served = calls.map((call) => ({ call, content: answerBuiltin(call) }));
    if (served.some(({ content }) => content === undefined)) return undefined;
    return served.map(({ call, content }) => ({
      role: "tool",
      tool_call_id: call.id,
      name: call.name,
      content,
    }));
  }

  #result(answer: CompletionReader, model: ModelInfo, usages: readonly Usage[]): ChatResult {
    const { toolCalls, citations, reasoning } = answer;
    return {
      text: answer.text,
      model: answer.model ?? model.name,
      provider: this.name,
      usage: sum(usages),
      finishReason: answer.finishReason ?? "stop",
      toolCalls: toolCalls.length > 0 ? toolCalls : undefined,
      citations: citations.length > 0 ? citations : undefined,
      reasoning: reasoning === "" ? undefined : reasoning,
    };
  }
}

/** @throws {ExaiError} `INVALID_PARAMS` naming the model and what it cannot do */
function refuse(model: ModelInfo, needs: ModelNeeds): void {
  const fault = unmetNeeds(model, needs);
  if (fault !== undefined) throw new ExaiError("INVALID_PARAMS", `${model.name} ${fault}`);
}

async function estimateUsage(messages: readonly JsonObject[], answer: CompletionReader): Promise<Usage> {
  const asked = messages.map(({ content }) => textOf(content)).join("\n");
  return {
    inputTokens: await estimateTokens(asked),
    outputTokens: await estimateTokens(answer.reasoning + answer.text),
    estimated: true,
  };
}

function textOf(content: unknown): string {
  if (typeof content === "string") return content;
  const parts = Array.isArray(content) ? content : [];
  return parts.map((part) => isObject(part) && typeof part.text === "string" ? part.text : "").join("\n");
}

function sum(usages: readonly Usage[]): Usage {
  const add = (a: number | undefined, b: number | undefined) =>
    a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0);
  return usages.reduce((all, one) => ({
    inputTokens: all.inputTokens + one.inputTokens,
    outputTokens: all.outputTokens + one.outputTokens,
    cachedTokens: add(all.cachedTokens, one.cachedTokens),
    reasoningTokens: add(all.reasoningTokens, one.reasoningTokens),
    estimated: all.estimated || one.estimated,
  }));
}
