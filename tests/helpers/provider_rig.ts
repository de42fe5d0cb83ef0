import type { ChatOptions, ChatRequest } from "../../lib/provider/provider.ts";
import {
  type ConfigurableRouterOptions,
  createModelRouter,
  type ProviderSetup,
} from "../../lib/provider/configured_router.ts";
import type { ModelRouter, RoutedResult, RouteQuery } from "../../lib/provider/model_router.ts";
import { OpenAiServer, type Script } from "../fixtures/openai_server.ts";

/** A provider of one kind at a server of the test's own. */
export interface Rig extends AsyncDisposable {
  server: OpenAiServer;
  models: ModelRouter;
  ask: Ask;
}

/** Asks `query` (a model's name, or more) one question. */
export type Ask = (
  query: string | Partial<RouteQuery>,
  request?: Partial<ChatRequest>,
  options?: Partial<ChatOptions>,
) => Promise<RoutedResult>;

export interface RigOptions extends Partial<Omit<ConfigurableRouterOptions, "setups">> {
  kind?: ProviderSetup["kind"];
  scripts?: Script[];
  /** What its Responses API does; omitted: it has none. */
  responses?: Script[];
  setup?: Partial<ProviderSetup>;
}

/** The key every provider of a rig has; it must be seen nowhere but in the requests. */
export const TEST_KEY = "sk-test-9f8e7d6c5b4a";

export const QUESTION: ChatRequest = { messages: [{ role: "user", content: "Hello?" }] };

/** Sets up a provider of `options.kind` at a server that does as `options.scripts` say. No retry waits. */
export function rig({ kind = "openai", scripts = [], responses = [], setup, ...rest }: RigOptions = {}): Rig {
  const server = new OpenAiServer(...scripts);
  server.scriptResponses(...responses);
  const models = createModelRouter({
    retry: { initialDelayMs: 0 },
    ...rest,
    setups: [{ kind, apiKey: TEST_KEY, baseUrl: kind === "azure" ? server.origin : server.url, ...setup }],
  });
  return {
    server,
    models,
    ask: askThrough(models),
    async [Symbol.asyncDispose]() {
      models[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Asks {@linkcode QUESTION}, or what a call says, through `models`. */
export function askThrough(models: ModelRouter): Ask {
  return async (query, request = {}, options = {}) => {
    const named = typeof query === "string" ? { requested: query } : query;
    const route = await models.resolve({ tool: "chat", ...named });
    const signal = options.signal ?? new AbortController().signal;
    return await models.chat(route, { ...QUESTION, ...request }, { ...options, signal });
  };
}
