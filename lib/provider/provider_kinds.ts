/** A kind of provider and how to configure it. */
interface ProviderKind {
  name: ProviderName;
  /** Environment variables that configure it; one is enough. Empty: it needs a client that supports sampling. */
  setUpBy: readonly string[];
  /** Optional variables, with their defaults. */
  options: readonly string[];
  /** Features besides chat, for people. */
  notes: string;
}

export const PROVIDER_NAMES = [
  "kimi",
  "glm",
  "openrouter",
  "openai",
  "azure",
  "xai",
  "gemini",
  "anthropic",
  "custom",
  "client",
] as const;

export type ProviderName = (typeof PROVIDER_NAMES)[number];

/** Every kind of provider. */
export const PROVIDER_KINDS: readonly ProviderKind[] = [
  {
    name: "kimi",
    setUpBy: ["KIMI_API_KEY", "MOONSHOT_API_KEY"],
    options: ["KIMI_API_URL (https://api.moonshot.ai/v1)"],
    notes: "files, web search, context cache",
  },
  {
    name: "glm",
    setUpBy: ["GLM_API_KEY", "ZHIPUAI_API_KEY"],
    options: ["GLM_API_URL (https://api.z.ai/api/paas/v4)"],
    notes: "web search, thinking",
  },
  {
    name: "openrouter",
    setUpBy: ["OPENROUTER_API_KEY"],
    options: ["OPENROUTER_REFERER", "OPENROUTER_TITLE"],
    notes: "many vendors' models",
  },
  { name: "openai", setUpBy: ["OPENAI_API_KEY"], options: ["OPENAI_BASE_URL"], notes: "OpenAI's models" },
  {
    name: "azure",
    setUpBy: ["AZURE_OPENAI_ENDPOINT"],
    options: [
      "AZURE_OPENAI_API_KEY (else an Entra token)",
      "AZURE_OPENAI_DEPLOYMENTS",
      "AZURE_OPENAI_API_VERSION",
      "AZURE_OPENAI_TOKEN_COMMAND (az account get-access-token)",
    ],
    notes: "OpenAI's models as deployments of a resource of Azure",
  },
  {
    name: "xai",
    setUpBy: ["XAI_API_KEY"],
    options: ["XAI_API_URL (https://api.x.ai/v1)"],
    notes: "Grok; web search, thinking",
  },
  {
    name: "gemini",
    setUpBy: ["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    options: ["GEMINI_BASE_URL (https://generativelanguage.googleapis.com/v1beta)"],
    notes: "web search, thinking, long context",
  },
  {
    name: "anthropic",
    setUpBy: ["ANTHROPIC_API_KEY"],
    options: ["ANTHROPIC_BASE_URL (https://api.anthropic.com)"],
    notes: "web search, thinking, context cache",
  },
  {
    name: "custom",
    setUpBy: ["CUSTOM_API_URL"],
    options: ["CUSTOM_API_KEY"],
    notes: "any OpenAI-compatible server: Ollama, LM Studio, vLLM, llama.cpp",
  },
  {
    name: "client",
    setUpBy: [],
    options: [],
    notes: "the attached client's own model, through MCP sampling",
  },
];
