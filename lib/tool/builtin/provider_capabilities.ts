import * as z from "zod";
import { PROVIDER_KINDS, type ProviderName } from "../../provider/provider_kinds.ts";
import { WAYS_TO_A_MODEL } from "../../provider/no_model.ts";
import { READ_ONLY } from "../annotations.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import { listProviders } from "./provider_list.ts";

/** Lists the configured providers and their abilities. */
export const providerCapabilities = defineTool({
  name: "provider_capabilities",
  title: "Provider capabilities",
  description:
    "What each provider can do (files, search, thinking, images) and has cost today, and the tools.",
  input: z.object({
    include_tools: z.boolean().default(true),
    show_advanced: z.boolean().default(false).describe("also variables that change a provider"),
    invalidate_cache: z.boolean().default(false).describe("ask the providers anew"),
  }),
  annotations: READ_ONLY,
  async run({ include_tools, show_advanced, invalidate_cache }, context) {
    const { host, tools } = context;
    await (invalidate_cache ? host.refreshProviders?.() : host.ensureProvidersFresh?.(Infinity));
    const entries = listProviders(context);
    const providers = entries.map(({ kind, status, facts }) => ({
      ...facts,
      abilities: status && { ...status.abilities },
      options: show_advanced ? [...optionsOf(kind)] : undefined,
    }));
    return {
      content: {
        configured: entries.flatMap(({ status }) => status === undefined ? [] : [status.name]),
        ...(entries.some(({ status }) => (status?.models.length ?? 0) > 0)
          ? {}
          : { ways_to_a_model: [...WAYS_TO_A_MODEL] }),
        providers,
        tools: include_tools ? listTools(tools) : undefined,
      },
    };
  },
});

function optionsOf(kind: ProviderName): readonly string[] {
  return PROVIDER_KINDS.find(({ name }) => name === kind)?.options ?? [];
}

function listTools(tools: ToolContext["tools"]) {
  return tools.map(({ name, title }) => ({ name, title }));
}
