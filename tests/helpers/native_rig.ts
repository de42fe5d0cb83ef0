import { createModelRouter, type ProviderSetup } from "../../lib/provider/configured_router.ts";
import type { ModelRouter } from "../../lib/provider/model_router.ts";
import { sayClaude } from "../fixtures/anthropic_events.ts";
import { sayGemini } from "../fixtures/gemini_events.ts";
import { type NativeKind, NativeServer } from "../fixtures/native_server.ts";
import type { Script } from "../fixtures/openai_server.ts";
import { assertNativeBody } from "./native_bodies.ts";
import { type Ask, askThrough, TEST_KEY } from "./provider_rig.ts";

/** A native provider at a server of the test's own. */
export interface NativeRig extends AsyncDisposable {
  server: NativeServer;
  models: ModelRouter;
  /** Asks one question, and checks that the provider documents what it got. */
  ask: Ask;
}

interface NativeRigOptions {
  scripts?: Script[];
  setup?: Partial<ProviderSetup>;
  /** Where the API begins, made of where the server is. */
  address?: (url: string) => string;
}

/** Sets up a provider of `kind` at a server that does as `scripts` say. No retry waits. */
export function nativeRig(
  kind: NativeKind,
  { scripts = [], setup, address = (url) => url }: NativeRigOptions = {},
): NativeRig {
  const hello = kind === "gemini" ? sayGemini("Hello.") : sayClaude("Hello.");
  const server = new NativeServer(kind, ...scripts.length > 0 ? scripts : [hello]);
  const models = createModelRouter({
    retry: { initialDelayMs: 0 },
    setups: [{ kind, apiKey: TEST_KEY, baseUrl: address(server.url), ...setup }],
  });
  const ask = askThrough(models);
  return {
    server,
    models,
    ask: (...question) =>
      ask(...question).finally(() => {
        for (const { body } of server.asked) assertNativeBody(kind, body);
      }),
    async [Symbol.asyncDispose]() {
      models[Symbol.dispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
