import { flag, integer, list, seconds, secret, text, url } from "../setting.ts";

const SILENCE_HELP = (provider: string) =>
  `How long ${provider} may send nothing at all before it is given up`;

function silence(provider: string, env: string, fallback: number) {
  return seconds({ env, fallback, help: SILENCE_HELP(provider) }, 1, 3600);
}

function inflight(provider: string, env: string, fallback: number) {
  return integer({ env, fallback, help: `Requests ${provider} is sent at once` }, 1, 10_000);
}

/** Models and their providers. A provider is set up once it has a key, or an address of its own. */
export const MODEL_SETTINGS = {
  modelsFile: text({
    env: "EXAI_MODELS",
    help: "File of custom providers and of what models can do; empty: models.json beside mcp.json",
  }),
  kimiApiKey: secret({ env: "KIMI_API_KEY", help: "Key of Kimi (Moonshot AI)" }),
  moonshotApiKey: secret({ env: "MOONSHOT_API_KEY", help: "The same, where KIMI_API_KEY is empty" }),
  kimiUrl: url({
    env: "KIMI_API_URL",
    fallback: "https://api.moonshot.ai/v1",
    help: "Where Kimi's API begins",
  }),
  kimiMaxInflight: inflight("Kimi", "EXAI_WS_KIMI_MAX_INFLIGHT", 6),
  kimiSilenceMs: silence("Kimi", "KIMI_TIMEOUT", 300),
  glmApiKey: secret({ env: "GLM_API_KEY", help: "Key of GLM (Z.AI)" }),
  zhipuaiApiKey: secret({ env: "ZHIPUAI_API_KEY", help: "The same, where GLM_API_KEY is empty" }),
  glmUrl: url({
    env: "GLM_API_URL",
    fallback: "https://api.z.ai/api/paas/v4",
    help: "Where GLM's API begins",
  }),
  glmMaxInflight: inflight("GLM", "EXAI_WS_GLM_MAX_INFLIGHT", 4),
  glmSilenceMs: silence("GLM", "GLM_TIMEOUT", 300),
  openaiApiKey: secret({ env: "OPENAI_API_KEY", help: "Key of OpenAI" }),
  openaiUrl: url({
    env: "OPENAI_BASE_URL",
    fallback: "https://api.openai.com/v1",
    help: "Where OpenAI's API begins",
  }),
  openaiSilenceMs: silence("OpenAI", "OPENAI_TIMEOUT", 300),
  azureEndpoint: url({
    env: "AZURE_OPENAI_ENDPOINT",
    help: "A resource of Azure OpenAI: https://NAME.openai.azure.com",
  }),
  azureApiKey: secret({ env: "AZURE_OPENAI_API_KEY", help: "Its key; empty: an Entra token is used" }),
  azureTokenCommand: text({
    env: "AZURE_OPENAI_TOKEN_COMMAND",
    help: "Command line that prints an Entra token; empty: az account get-access-token",
  }),
  azureDeployments: list({
    env: "AZURE_OPENAI_DEPLOYMENTS",
    help: "Its deployments, as DEPLOYMENT=MODEL or DEPLOYMENT; empty: those the resource lists",
  }),
  azureApiVersion: text({
    env: "AZURE_OPENAI_API_VERSION",
    help: "Dated version of its API, such as 2025-04-01-preview; empty: the v1 API, which has none",
  }),
  azureSilenceMs: silence("Azure OpenAI", "AZURE_OPENAI_TIMEOUT", 300),
  xaiApiKey: secret({ env: "XAI_API_KEY", help: "Key of xAI (Grok)" }),
  xaiUrl: url({ env: "XAI_API_URL", fallback: "https://api.x.ai/v1", help: "Where xAI's API begins" }),
  xaiSilenceMs: silence("xAI", "XAI_TIMEOUT", 300),
  geminiApiKey: secret({ env: "GEMINI_API_KEY", help: "Key of Gemini (Google)" }),
  googleApiKey: secret({ env: "GOOGLE_API_KEY", help: "The same, where GEMINI_API_KEY is empty" }),
  geminiUrl: url({
    env: "GEMINI_BASE_URL",
    fallback: "https://generativelanguage.googleapis.com/v1beta",
    help: "Where Gemini's API begins",
  }),
  geminiSilenceMs: silence("Gemini", "GEMINI_TIMEOUT", 300),
  anthropicApiKey: secret({ env: "ANTHROPIC_API_KEY", help: "Key of Anthropic (Claude)" }),
  anthropicUrl: url({
    env: "ANTHROPIC_BASE_URL",
    fallback: "https://api.anthropic.com",
    help: "Where Anthropic's API begins",
  }),
  anthropicSilenceMs: silence("Anthropic", "ANTHROPIC_TIMEOUT", 300),
  openrouterApiKey: secret({ env: "OPENROUTER_API_KEY", help: "Key of OpenRouter" }),
  openrouterReferer: text({
    env: "OPENROUTER_REFERER",
    help: "Address OpenRouter shows as where requests come from",
  }),
  openrouterTitle: text({ env: "OPENROUTER_TITLE", help: "Name OpenRouter shows with it" }),
  openrouterSilenceMs: silence("OpenRouter", "OPENROUTER_TIMEOUT", 300),
  customUrl: url({
    env: "CUSTOM_API_URL",
    help:
      "Where the API of a server of your own begins: LM Studio, vLLM, llama.cpp; more of them in EXAI_MODELS",
  }),
  customApiKey: secret({ env: "CUSTOM_API_KEY", help: "Its key, if it wants one" }),
  customModel: text({ env: "CUSTOM_MODEL", help: "Its model, where it lists none" }),
  customSilenceMs: silence("a server of your own", "CUSTOM_TIMEOUT", 600),
  findLocal: flag({ env: "EXAI_FIND_LOCAL", fallback: true, help: "Whether an Ollama that runs is used" }),
  ollamaHost: text({ env: "OLLAMA_HOST", help: "Where Ollama is; empty: 127.0.0.1:11434" }),
} as const;
