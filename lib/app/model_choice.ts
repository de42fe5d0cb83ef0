import type { Settings } from "../config/settings.ts";
import { PROVIDER_NAMES } from "../provider/provider_kinds.ts";
import type { ProviderStatus } from "../provider/provider_status.ts";
import type { ModelRouter } from "../provider/model_router.ts";
import { ALL_PROVIDERS, type ModelChoice } from "../provider/model_choice.ts";
import type { ModelDefaults } from "../tool/model_defaults.ts";

/** Which models are asked, by the settings. */
export function modelChoiceOf(settings: Settings): ModelChoice {
  const { defaultModel, toolModels, dailyBudget: dailyBudgets } = settings;
  return {
    defaultModel,
    toolModels,
    dailyBudgets,
    allowedModels: {
      kimi: settings.kimiAllowedModels,
      glm: settings.glmAllowedModels,
      openai: settings.openaiAllowedModels,
      openrouter: settings.openrouterAllowedModels,
      gemini: settings.geminiAllowedModels.length > 0
        ? settings.geminiAllowedModels
        : settings.googleAllowedModels,
      anthropic: settings.anthropicAllowedModels,
      azure: settings.azureAllowedModels,
      xai: settings.xaiAllowedModels,
      custom: settings.customAllowedModels,
    },
  };
}

/** How models are asked where a call does not say, by the settings. */
export function modelDefaultsOf({ locale, ...settings }: Settings): ModelDefaults {
  const { defaultThinkingMode: thinkingMode, thinkdeepThinkingMode: thinkdeep } = settings;
  return {
    ...(locale === "" ? {} : { locale }),
    ...(thinkingMode === "auto" ? {} : { thinkingMode }),
    ...(thinkdeep === "auto" ? {} : { thinkingModeByTool: { thinkdeep } }),
  };
}

/** What is worth knowing of the budgets, and names in the settings that mean nothing. Each in a sentence. */
export function choiceNotes(
  { dailyBudget, toolModels }: Settings,
  { models, toolNames }: { models: Pick<ModelRouter, "status">; toolNames: readonly string[] },
): string[] {
  const statuses = models.status();
  const providers = [ALL_PROVIDERS, ...PROVIDER_NAMES, ...statuses.map(({ name }) => name)];
  const without = (names: Readonly<Record<string, unknown>>, known: readonly string[]) =>
    Object.keys(names).filter((name) => !known.some((one) => one.toLowerCase() === name.toLowerCase()));
  return [
    ...new Set(statuses.flatMap(({ budgetWarning }) => budgetWarning ?? [])),
    ...statuses.flatMap(unknownModels),
    ...without(dailyBudget, providers).map((name) =>
      `EXAI_DAILY_BUDGET (dailyBudget) names ${name}, which is no provider; there are ${
        [...new Set(providers)].join(", ")
      }`
    ),
    ...without(toolModels, toolNames).map((name) =>
      `EXAI_TOOL_MODELS (toolModels) names ${name}, which is no tool that is offered`
    ),
  ];
}

/** Models that may be asked by the settings and that their provider does not list. */
function unknownModels({ name, restricted }: ProviderStatus): string[] {
  if (restricted === undefined || restricted.unknown.length === 0) return [];
  return [`${restricted.by} names what ${name} does not list: ${restricted.unknown.join(", ")}`];
}
