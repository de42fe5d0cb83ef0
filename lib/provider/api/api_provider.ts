import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { type ModelEntry, toModelStatus } from "../catalogue/catalogue.ts";
import { unmetNeeds } from "../model_fitness.ts";
import type { ModelNeeds } from "../model_router.ts";
import type {
  ChatResult,
  ContentPart,
  FileService,
  ModelInfo,
  Provider,
  ProviderRawRequest,
  ProviderRequest,
  Usage,
  WatchedOptions,
} from "../provider.ts";
import type { ProviderName } from "../provider_kinds.ts";
import type { ModelStatus, ProviderStatus } from "../provider_status.ts";
import { estimateTokens } from "../token_estimate.ts";
import type { AnswerReader } from "./answer_reader.ts";
import type { ProviderEndpoint } from "./endpoint.ts";
import type { ModelList } from "./model_list.ts";
import { ProgressReporter } from "./progress_reporter.ts";
import type { ApiProtocol } from "./protocol.ts";
import { ProtocolChoice } from "./protocol_choice.ts";
import type { ProviderApi } from "./provider_api.ts";
import { faultKindOf, isSafeToRetry, providerError } from "./provider_errors.ts";
import { withPartialAnswer } from "../partial_answer.ts";

interface ApiProviderOptions {
  kind: ProviderName;
  endpoint: ProviderEndpoint;
  api: ProviderApi;
  modelList: ModelList;
  /** Lists the models; defaults to the list of the API. */
  list?: (signal: AbortSignal) => Promise<JsonObject[]>;
  files?: FileService;
}

/** A request as its protocol has it. */
interface Question {
  protocol: ApiProtocol;
  body: JsonObject;
  model: ModelInfo;
}

/** Web searches per answer; a model that requests more is looping. */
const MAX_SEARCHES = 10;

/** One line, and not endless. */
const MODEL_NAME = /^\P{C}{1,200}$/u;

/** A provider with an API on the network. */
export class ApiProvider implements Provider {
  readonly name: string;
  readonly kind: ProviderName;
  readonly files?: FileService;
  readonly #options: ApiProviderOptions;
  readonly #protocols: ProtocolChoice;
  /** The error of the last attempt to list the models. */
  #listError: ExaiError | undefined;

  constructor(options: ApiProviderOptions) {
    this.name = options.endpoint.name;
    this.kind = options.kind;
    this.files = options.files;
    this.#options = options;
    this.#protocols = new ProtocolChoice(options.api);
  }

  models(): readonly ModelInfo[] {
    return this.#options.modelList.models;
  }

  /** Replaces the user's overrides of its models. */
  override(overrides: readonly ModelEntry[]): void {
    this.#options.modelList.override(overrides);
  }

  chat(request: ProviderRequest, options: WatchedOptions): Promise<ChatResult> {
    const { model, thinkingMode, webSearch, tools } = request;
    const has = (type: ContentPart["type"]) =>
      request.messages.some(({ content }) =>
        typeof content !== "string" && content.some((part) => part.type === type)
      );
    const [images, documents] = [has("image"), has("document")];
    assertMeets(model, {
      images,
      documents,
      thinking: thinkingMode,
      webSearch,
      tools: (tools?.length ?? 0) > 0,
    });
    return this.#protocols.ask(
      request,
      (protocol) => this.#complete({ protocol, body: protocol.toBody(request), model }, options),
    );
  }

  complete(request: ProviderRawRequest, options: WatchedOptions): Promise<ChatResult> {
    const { model, webSearch, tools } = request;
    assertMeets(model, { webSearch, tools: (tools?.length ?? 0) > 0 });
    for (const protocol of this.#protocols.candidates(model)) {
      const body = protocol.toRawBody?.(request);
      if (body !== undefined) return this.#complete({ protocol, body, model }, options);
    }
    throw new ExaiError("INVALID_PARAMS", `${model.name} takes no raw completions; name another model`);
  }

  status(): ProviderStatus {
    const { open, resting } = this.#options.endpoint.breaker;
    const reason = open === undefined
      ? this.#listError?.message
      : `${open.model ?? "it"} failed several times in a row and is left alone for ${
        Math.ceil(open.openForMs / 1000)
      } s more`;
    const models = this.models().map(toModelStatus);
    const hasAny = (ability: keyof ModelStatus["abilities"]) =>
      models.some(({ abilities }) => abilities[ability]);
    return {
      name: this.name,
      kind: this.kind,
      available: reason === undefined,
      reason,
      ...(resting.length === 0 ? {} : { resting }),
      ...(open === undefined ? {} : { circuitOpenForMs: open.openForMs }),
      abilities: {
        files: this.files !== undefined,
        search: hasAny("search"),
        thinking: hasAny("thinking"),
        images: hasAny("images"),
      },
      models,
      isListed: this.#options.modelList.isListed,
    };
  }

  async refresh(signal: AbortSignal): Promise<void> {
    const { endpoint, modelList, api } = this.#options;
    const { list = (signal) => api.listModels(endpoint, signal) } = this.#options;
    try {
      modelList.setListed(await list(signal));
      endpoint.breaker.reset();
      this.#protocols.forget();
      this.#listError = undefined;
    } catch (thrown) {
      if (signal.aborted) return;
      // Some servers have no list of models and are available nevertheless, if their models are known.
      const fault = faultKindOf(thrown);
      const hasNoList = (fault === "refused" || fault === "malformed") && modelList.models.length > 0;
      this.#listError = hasNoList ? undefined : ExaiError.from(thrown);
    }
  }

  /** Sends requests until the model answers; calls of the provider's built-in tools are answered in between. */
  async #complete(
    { protocol, body: firstBody, model }: Question,
    options: WatchedOptions,
  ): Promise<ChatResult> {
    const { endpoint } = this.#options;
    const progress = new ProgressReporter(model.name, options.onProgress);
    const usages: Usage[] = [];
    const charges: (number | undefined)[] = [];
    const warnings = new Set<string>();
    let body = firstBody;
    let earlier: AnswerReader | undefined;
    for (let round = 0; round <= MAX_SEARCHES; round++) {
      progress.queued();
      const asking = endpoint.complete({ protocol, body, model: model.name }, {
        signal: options.signal,
        deadlineMs: options.deadlineMs,
        traceHeaders: options.traceHeaders,
        onSent: (attempt) => {
          options.onSent?.();
          progress.sent(attempt);
        },
        onDelta: (answer) => progress.received(answer),
        onRetry: (waitMs) => progress.retrying(waitMs),
      });
      const answer = await (earlier === undefined ? asking : asking.catch(afterBilled(earlier.text)));
      if (earlier !== undefined) answer.continueFrom(earlier);
      earlier = answer;
      const usage = await usageOf(answer, () => protocol.questionText(body));
      usages.push(usage);
      charges.push(answer.chargedUsd);
      for (const warning of answer.warnings) warnings.add(warning);
      const next = answer.followUp(body);
      if (next === undefined) {
        const result = this.#result(answer, model, { usages, warnings: [...warnings] });
        return { ...result, chargedUsd: sumCharges(charges) };
      }
      options.onTurn?.(usage);
      progress.searching();
      body = next;
    }
    throw providerError(
      "empty",
      `${model.name} searched the web ${MAX_SEARCHES} times without an answer; put the question more narrowly`,
      { provider: this.name, model: model.name },
    );
  }

  #result(
    answer: AnswerReader,
    model: ModelInfo,
    { usages, warnings }: { usages: readonly Usage[]; warnings: readonly string[] },
  ): ChatResult {
    const { toolCalls, citations, reasoning, itemsToRepeat: items } = answer;
    return {
      text: answer.text,
      // A server may call it anything, and threads name the speaker by it.
      model: MODEL_NAME.test(answer.model ?? "") ? answer.model! : model.name,
      provider: this.name,
      usage: sumUsages(usages),
      finishReason: answer.finishReason ?? "stop",
      toolCalls: toolCalls.length > 0 ? toolCalls : undefined,
      citations: citations.length > 0 ? citations : undefined,
      reasoning: reasoning === "" ? undefined : reasoning,
      providerItems: items && { provider: this.name, model: model.name, items },
      warnings: warnings.length > 0 ? warnings : undefined,
    };
  }
}

/** @throws {ExaiError} `INVALID_PARAMS` naming the model and the needs it does not meet */
function assertMeets(model: ModelInfo, needs: ModelNeeds): void {
  const unmet = unmetNeeds(model, needs);
  if (unmet !== undefined) throw new ExaiError("INVALID_PARAMS", `${model.name} ${unmet}`);
}

/** Rethrows the error of a further request for an answer: the first has been billed, so that no other model is asked. */
function afterBilled(text: string): (thrown: unknown) => never {
  return (thrown) => {
    const error = ExaiError.from(thrown);
    if (!isSafeToRetry(faultKindOf(error))) throw error;
    const { provider, model, status } = error.details as {
      provider: string;
      model?: string;
      status?: number;
    };
    const message =
      `${error.message}. Its web search before that may have been billed, so no other model was asked`;
    const cut = providerError("cut", message, { provider, model, status, cause: error });
    throw withPartialAnswer(cut, text);
  };
}

/** What an answer used. No question is empty: a provider that counts nothing has not counted. */
async function usageOf(answer: AnswerReader, questionText: () => string): Promise<Usage> {
  const { usage } = answer;
  if (usage !== undefined && usage.inputTokens !== 0) return usage;
  return {
    ...usage,
    inputTokens: await estimateTokens(questionText()),
    outputTokens: usage?.outputTokens || await estimateTokens(outputOf(answer)),
    estimated: true,
  };
}

function outputOf({ reasoning, text, toolCalls }: AnswerReader): string {
  return [reasoning, text, ...toolCalls.map((call) => call.name + call.arguments)].join("");
}

/** Undefined if one of them is not known. */
function sumCharges(charges: readonly (number | undefined)[]): number | undefined {
  const known = charges.filter((charge) => charge !== undefined);
  return known.length < charges.length ? undefined : known.reduce((sum, charge) => sum + charge);
}

function sumUsages(usages: readonly Usage[]): Usage {
  const add = (a: number | undefined, b: number | undefined) =>
    a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0);
  return usages.reduce((sum, usage) => ({
    inputTokens: sum.inputTokens + usage.inputTokens,
    outputTokens: sum.outputTokens + usage.outputTokens,
    cachedTokens: add(sum.cachedTokens, usage.cachedTokens),
    reasoningTokens: add(sum.reasoningTokens, usage.reasoningTokens),
    estimated: sum.estimated || usage.estimated,
  }));
}
