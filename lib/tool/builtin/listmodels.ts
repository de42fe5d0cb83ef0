import * as z from "zod";
import type { JsonObject } from "../../base/json.ts";
import { PROVIDER_NAMES } from "../../provider/kinds.ts";
import type { ModelStatus } from "../../provider/status.ts";
import { describeProvider } from "../providers.ts";
import { defineTool } from "../tool.ts";
import { READ_ONLY } from "./annotations.ts";

/** The models of each provider, or how to get at them. */
export const listmodels = defineTool({
  name: "listmodels",
  title: "List models",
  description: "Models by provider: aliases, context window, abilities; for a provider without any, why.",
  input: z.object({ provider: z.enum(PROVIDER_NAMES).optional() }),
  ignores: ["model"],
  annotations: READ_ONLY,
  run({ provider }, { host }) {
    const known = host.providers();
    const names = provider === undefined ? PROVIDER_NAMES : [provider];
    const providers = names.map((name) => {
      const status = known.find((one) => one.name === name);
      return { ...describeProvider(name, status), models: (status?.models ?? []).map(describeModel) };
    });
    const count = providers.reduce((sum, { models }) => sum + models.length, 0);
    return { content: { summary: summarize(count, known.length), providers } };
  },
});

function describeModel({ name, aliases, contextTokens, abilities }: ModelStatus): JsonObject {
  return { name, aliases: [...aliases], context_tokens: contextTokens, abilities: { ...abilities } };
}

function summarize(models: number, providers: number): string {
  if (providers === 0) {
    return "No provider is set up, so there is no model to ask; the tools offered now need none.";
  }
  return `${models} models of ${providers} providers that are set up.`;
}
