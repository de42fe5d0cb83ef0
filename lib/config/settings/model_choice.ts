import { isObject, ownEntry, parseJson } from "../../base/json.ts";
import { list, oneOf, setting, text } from "../setting.ts";

function allowed(provider: string, env: string) {
  return list({
    env,
    help: `Models of ${provider} that may be asked, by name or alias, * for any characters; empty: all`,
  });
}

const THINKING_MODES = ["auto", "minimal", "low", "medium", "high", "max"] as const;

/** A daily budget as it is written: `5 USD`, `$5`, `2000000 tokens`, `2M tokens`. */
interface BudgetSetting {
  unit: "usd" | "tokens";
  amount: number;
}

/** The models that are asked, how they answer, and what that may cost. */
export const MODEL_CHOICE_SETTINGS = {
  defaultModel: text({
    env: "DEFAULT_MODEL",
    fallback: "auto",
    help: "Model that is asked when a call names none; auto: chosen by the tool",
  }),
  toolModels: table(
    { env: "EXAI_TOOL_MODELS", help: "The same for single tools, before DEFAULT_MODEL" },
    "TOOL=MODEL separated by commas",
    (value) => value === "" ? undefined : value,
  ),
  kimiAllowedModels: allowed("Kimi", "KIMI_ALLOWED_MODELS"),
  glmAllowedModels: allowed("GLM", "GLM_ALLOWED_MODELS"),
  openaiAllowedModels: allowed("OpenAI", "OPENAI_ALLOWED_MODELS"),
  openrouterAllowedModels: allowed("OpenRouter", "OPENROUTER_ALLOWED_MODELS"),
  geminiAllowedModels: allowed("Gemini", "GEMINI_ALLOWED_MODELS"),
  googleAllowedModels: list({
    env: "GOOGLE_ALLOWED_MODELS",
    help: "The same, where GEMINI_ALLOWED_MODELS is empty",
  }),
  anthropicAllowedModels: allowed("Anthropic", "ANTHROPIC_ALLOWED_MODELS"),
  azureAllowedModels: allowed("Azure OpenAI", "AZURE_OPENAI_ALLOWED_MODELS"),
  xaiAllowedModels: allowed("xAI", "XAI_ALLOWED_MODELS"),
  customAllowedModels: allowed("servers of your own, Ollama included,", "CUSTOM_ALLOWED_MODELS"),
  dailyBudget: table(
    {
      env: "EXAI_DAILY_BUDGET",
      help:
        "What requests of a day may use, by provider, all for all together; from 80 % on answers carry a warning, at the whole no more are sent until midnight",
    },
    "PROVIDER=AMOUNT separated by commas, an amount as 5 USD or 2M tokens",
    parseBudget,
  ),
  defaultThinkingMode: oneOf(
    {
      env: "DEFAULT_THINKING_MODE",
      fallback: "auto",
      help: "How hard models think where a call does not say; auto: as the tool has it",
    },
    THINKING_MODES,
  ),
  thinkdeepThinkingMode: oneOf(
    { env: "DEFAULT_THINKING_MODE_THINKDEEP", fallback: "auto", help: "The same for thinkdeep" },
    THINKING_MODES,
  ),
  locale: setting<string>(
    { env: "LOCALE", help: "Language models answer in, as fr-FR or ja; empty: that of the question" },
    {
      allowed: "empty, or a language tag, as fr-FR",
      read: (text) => NO_LOCALE.test(text) ? "" : canonicalTag(text),
    },
  ),
} as const;

/** Nothing, or the locale of no language. */
const NO_LOCALE = /^\s*(?:(?:C|POSIX)(?:\.|$)|$)/;

/** `fr_FR.UTF-8`, as the environment of a shell has it, is taken for `fr-FR`. */
function canonicalTag(value: string): string | undefined {
  const [tag = ""] = value.trim().replaceAll("_", "-").split(/[.@]/);
  try {
    return Intl.getCanonicalLocales(tag)[0];
  } catch {
    return undefined;
  }
}

/** A setting of names with values: as text `NAME=VALUE, …`, or as a JSON object. */
function table<T>(
  spec: { env: string; help: string },
  allowedText: string,
  parse: (value: string) => T | undefined,
) {
  return setting<Readonly<Record<string, T>>>(spec, {
    allowed: allowedText,
    types: ["string", "object"],
    read: (whole) => parseTable(whole, parse),
  });
}

function parseTable<T>(
  whole: string,
  parse: (value: string) => T | undefined,
): Record<string, T> | undefined {
  const pairs = whole.trim().startsWith("{") ? pairsOfJson(whole) : pairsOfText(whole);
  const entries = pairs?.map(([name, value]) => [name.trim(), parse(value.trim())] as const);
  if (entries === undefined || entries.some(([name, value]) => name === "" || value === undefined)) {
    return undefined;
  }
  return Object.fromEntries(entries) as Record<string, T>;
}

function pairsOfJson(whole: string): [string, string][] | undefined {
  const value = parseJson(whole);
  return isObject(value) ? Object.entries(value).map(([name, one]) => [name, String(one)]) : undefined;
}

function pairsOfText(whole: string): [string, string][] {
  return whole.split(",").filter((part) => part.trim() !== "").map((part) => {
    const [name = "", ...value] = part.split("=");
    return [name, value.join("=")];
  });
}

const MULTIPLES: Readonly<Record<string, number>> = { "": 1, k: 1000, m: 1_000_000 };

/** Undefined for an amount without a unit: it could be either. */
function parseBudget(value: string): BudgetSetting | undefined {
  const money = /^(?:\$\s*(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:USD|\$))$/i.exec(value);
  if (money) return { unit: "usd", amount: Number(money[1] ?? money[2]) };
  const tokens = /^(\d+(?:[_.]\d+)*)\s*([km]?)\s*tokens?$/i.exec(value);
  if (!tokens) return undefined;
  const amount = Number(tokens[1]!.replaceAll("_", "")) * ownEntry(MULTIPLES, tokens[2]!.toLowerCase())!;
  return { unit: "tokens", amount };
}
