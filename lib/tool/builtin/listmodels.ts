import * as z from "zod";
import type { JsonObject } from "../../base/json.ts";
import { counted } from "../../base/text.ts";
import { MINUTE_MS } from "../../base/units.ts";
import { PROVIDER_NAMES } from "../../provider/provider_kinds.ts";
import type { ModelStatus } from "../../provider/provider_status.ts";
import { READ_ONLY } from "../annotations.ts";
import { defineTool } from "../tool.ts";
import { listProviders } from "./provider_list.ts";

/** Older lists of models are fetched again. */
const MAX_AGE_MS = MINUTE_MS;

/** Lists the models of each provider, or how to configure it. */
export const listmodels = defineTool({
  name: "listmodels",
  title: "List models",
  description: "Models by provider: aliases, context window, abilities; for a provider without any, why.",
  input: z.object({ provider: z.enum(PROVIDER_NAMES).optional() }),
  ignores: ["model"],
  annotations: READ_ONLY,
  async run({ provider }, context) {
    await context.host.ensureProvidersFresh?.(MAX_AGE_MS);
    const shown = listProviders(context).filter(({ kind }) => provider === undefined || kind === provider);
    const providers = shown.map(({ facts, status }) => ({
      ...facts,
      models: (status?.models ?? []).map(describeModel),
    }));
    const count = providers.reduce((sum, { models }) => sum + models.length, 0);
    const isSetUp = shown.filter(({ status }) => status !== undefined);
    return { content: { summary: summarize(count, isSetUp.length, provider), providers } };
  },
});

function describeModel({ name, aliases, contextTokens, abilities }: ModelStatus): JsonObject {
  return { name, aliases: [...aliases], context_tokens: contextTokens, abilities: { ...abilities } };
}

function summarize(models: number, providers: number, kind = "provider"): string {
  if (providers > 0) return `${counted(models, "model")} of ${counted(providers, "provider")}.`;
  return `No ${kind} is set up, so there is no model to ask; reason says what sets one up.`;
}
