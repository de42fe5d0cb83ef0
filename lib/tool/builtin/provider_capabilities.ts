import * as z from "zod";
import { PROVIDER_KINDS } from "../../provider/kinds.ts";
import { describeProvider } from "../providers.ts";
import { defineTool, type ToolContext } from "../tool.ts";
import { READ_ONLY } from "./annotations.ts";

/** What is set up and what each provider can do. */
export const providerCapabilities = defineTool({
  name: "provider_capabilities",
  title: "Provider capabilities",
  description:
    "What is configured, what each provider can do (files, search, thinking, images), and the tools.",
  input: z.object({
    include_tools: z.boolean().default(true),
    show_advanced: z.boolean().default(false).describe("also variables that change a provider"),
    invalidate_cache: z.boolean().default(false).describe("ask the providers anew"),
  }),
  annotations: READ_ONLY,
  async run({ include_tools, show_advanced, invalidate_cache }, { host, tools }) {
    if (invalidate_cache) await host.refreshProviders?.();
    const known = host.providers();
    const providers = PROVIDER_KINDS.map(({ name, options }) => {
      const status = known.find((one) => one.name === name);
      return {
        ...describeProvider(name, status),
        abilities: status && { ...status.abilities },
        options: show_advanced ? [...options] : undefined,
      };
    });
    return {
      content: {
        configured: known.map(({ name }) => name),
        providers,
        tools: include_tools ? listTools(tools) : undefined,
      },
    };
  },
});

function listTools(tools: ToolContext["tools"]) {
  return tools.map(({ name, title }) => ({ name, title }));
}
