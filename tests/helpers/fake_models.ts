import { ExaiError } from "../../lib/base/errors.ts";
import { applyDefaults } from "../../lib/provider/model_fitness.ts";
import type {
  ChatMessage,
  ChatOptions,
  ChatRequest,
  ChatResult,
  FileService,
  ModelInfo,
  RawCompletionRequest,
} from "../../lib/provider/provider.ts";
import type { ModelRoute, ModelRouter, RoutedResult, RouteQuery } from "../../lib/provider/model_router.ts";
import type { ProviderStatus } from "../../lib/provider/provider_status.ts";

/** One question as a model got it. */
export interface Asked {
  model: string;
  query: RouteQuery;
  request: ChatRequest;
  options: ChatOptions;
}

type Answer = string | Partial<ChatResult>;
type Script = (asked: Asked) => Answer | Promise<Answer>;

/** A model of the fake. */
export function fakeModel(name: string, more: Partial<ModelInfo> = {}): ModelInfo {
  const abilities = {
    files: false,
    search: true,
    thinking: true,
    images: true,
    tools: true,
    jsonSchema: false,
  };
  return {
    name,
    provider: "fake",
    aliases: [`${name}-alias`],
    class: "balanced",
    contextTokens: 100_000,
    maxOutputTokens: 8000,
    abilities,
    thinking: "switch",
    takesTemperature: true,
    auto: true,
    ...more,
  };
}

/** Models that answer as a test says, and a list of what they were asked. */
export class FakeModels implements ModelRouter {
  readonly asked: Asked[] = [];
  readonly raw: RawCompletionRequest[] = [];
  models: ModelInfo[] = [fakeModel("one"), fakeModel("two"), fakeModel("three")];
  fileService: FileService | undefined;
  readonly #script: Script;

  constructor(script: Script = () => "an answer") {
    this.#script = script;
  }

  resolve(query: RouteQuery): Promise<ModelRoute> {
    return new Promise((resolve) => {
      const { requested = "auto", sample, provider } = query;
      const offered = this.models.filter((model) => provider === undefined || model.provider === provider);
      const model = requested === "auto"
        ? offered[0]
        : offered.find(({ name, aliases }) => name === requested || aliases.includes(requested));
      if (!model) {
        const names = offered.map(({ name }) => name).join(", ") || "none";
        throw new ExaiError("INVALID_PARAMS", `there is no model ${requested}; available: ${names}`);
      }
      resolve({
        requested,
        model,
        fallbacks: [],
        why: "the test says so",
        preferredClass: "balanced",
        sample,
      });
      this.#queries.set(model.name, query);
    });
  }

  async chat(route: ModelRoute, request: ChatRequest, options: ChatOptions): Promise<RoutedResult> {
    const { model } = route;
    const settled = applyDefaults(request, model);
    const asked = {
      model: model.name,
      query: this.#queries.get(model.name)!,
      request: settled.request,
      options,
    };
    this.asked.push(asked);
    options.onProgress?.({ phase: "answering", chars: 1, message: `${model.name} is answering` });
    const answer = await this.#script(asked);
    return { ...toResult(answer, route), leftOut: settled.leftOut };
  }

  async complete(
    route: ModelRoute,
    request: RawCompletionRequest,
    options: ChatOptions,
  ): Promise<RoutedResult> {
    this.raw.push(request);
    const asked = { model: route.model.name, query: { tool: "" }, request: { messages: [] }, options };
    return toResult(await this.#script(asked), route);
  }

  files(name: string): FileService {
    if (this.fileService) return this.fileService;
    throw new ExaiError("INVALID_PARAMS", `${name} is not set up`);
  }

  status(): ProviderStatus[] {
    return [];
  }

  ensureFresh(): Promise<void> {
    return Promise.resolve();
  }

  refresh(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.dispose](): void {}

  readonly #queries = new Map<string, RouteQuery>();
}

function toResult(answer: Answer, { model, requested, why }: ModelRoute): RoutedResult {
  const parts = typeof answer === "string" ? { text: answer } : answer;
  return {
    text: "",
    model: model.name,
    provider: model.provider,
    usage: { inputTokens: 10, outputTokens: 5 },
    finishReason: "stop",
    ...parts,
    routing: { requested, chosen: `${model.provider}/${model.name}`, why, tried: [] },
  };
}

/** Everything a message says, as one text. */
export function textOf({ content }: ChatMessage): string {
  if (typeof content === "string") return content;
  return content.map((part) => part.type === "text" ? part.text : `[image ${part.url.slice(0, 30)}]`).join(
    "\n",
  );
}

/** Everything a request says, as one text. */
export function promptOf({ request }: Asked): string {
  return request.messages.map((message) => `${message.role}: ${textOf(message)}`).join("\n");
}
