import { ExaiError } from "../../base/errors.ts";
import { didYouMean } from "../../base/suggest.ts";
import { quoteName } from "../../base/text.ts";
import { SHIPPED_MODELS } from "../catalogue/catalogue.ts";
import { settingKey } from "../api/provider_site.ts";
import { unmetNeeds } from "../model_fitness.ts";
import type { ModelNeeds } from "../model_router.ts";
import type { ModelInfo } from "../provider.ts";
import { PROVIDER_KINDS } from "../provider_kinds.ts";
import type { ProviderStatus } from "../provider_status.ts";
import { findModel } from "./model_selection.ts";

/** Names listed in one message; `listmodels` shows all. */
const MAX_NAMES = 30;

/** The error for a name that no provider knows. */
export function unknownModel(
  requested: string,
  available: readonly ModelInfo[],
  configured: readonly ProviderStatus[],
): ExaiError {
  const elsewhere = SHIPPED_MODELS.find(({ name, aliases = [] }) =>
    name === requested || aliases.includes(requested)
  );
  if (elsewhere !== undefined && !available.some(({ provider }) => provider === elsewhere.provider)) {
    const { name, provider } = elsewhere;
    return new ExaiError(
      "INVALID_PARAMS",
      `the model ${name} is one of ${provider}, which ${setupFault(provider, configured)}. ${
        listing(available)
      }`,
    );
  }
  const names = available.flatMap(({ name, aliases }) => [name, ...aliases]);
  return new ExaiError(
    "INVALID_PARAMS",
    `there is no model ${quoteName(requested)}${didYouMean(requested, names)}. ${listing(available)}${
      silentProviders(configured)
    }`,
  );
}

/** The error for a request for the client's model from a client without sampling. */
export function samplingUnavailable(available: readonly ModelInfo[]): ExaiError {
  return new ExaiError(
    "INVALID_PARAMS",
    `this client does not lend its model (it has no MCP sampling); name another. ${listing(available)}`,
  );
}

/** The error for a named model that does not meet `needs`; undefined if it does. */
export function unsuitableModel(
  model: ModelInfo,
  needs: ModelNeeds,
  available: readonly ModelInfo[],
): ExaiError | undefined {
  const unmet = unmetNeeds(model, needs);
  if (unmet === undefined) return undefined;
  const others = available.filter((one) => unmetNeeds(one, needs) === undefined);
  const instead = others.length === 0 ? "" : `. These can: ${names(others)}`;
  return new ExaiError("INVALID_PARAMS", `${model.name} ${unmet}${instead}`);
}

/** The error when `auto` finds no model. */
export function noSuitableModel(
  needs: ModelNeeds,
  available: readonly ModelInfo[],
  { provider, configured }: { provider?: string; configured: readonly ProviderStatus[] },
): ExaiError {
  const where = provider === undefined ? "" : ` of ${provider}`;
  if (available.length === 0 && provider === undefined && configured.length > 0) {
    const faults = configured.map(({ name }) => `${name} ${setupFault(name, configured)}`);
    return new ExaiError("INVALID_PARAMS", `there is no model to ask: ${faults.join("; ")}`);
  }
  if (available.length === 0) {
    const advice = provider === undefined
      ? "write the key of a provider into exai.json (kimiApiKey, glmApiKey, openaiApiKey, openrouterApiKey or " +
        "customApiUrl; as variables KIMI_API_KEY and so on, where the daemon is started by hand), run Ollama on this " +
        "machine, or use a client that lends its model (MCP sampling)"
      : `${provider} ${setupFault(provider, configured)}`;
    return new ExaiError("INVALID_PARAMS", `there is no model${where} to ask; ${advice}`);
  }
  const faults = available.filter(({ auto }) => auto).slice(0, 5)
    .map((model) => `${model.name} ${unmetNeeds(model, needs) ?? "can"}`);
  return new ExaiError(
    "INVALID_PARAMS",
    `no model${where} can do this: ${faults.join(" | ") || "none may be chosen by itself; name one"}. ${
      listing(available)
    }`,
  );
}

/** Advice on how to configure `provider`. */
export function setupAdvice(provider: string): string {
  const variables = PROVIDER_KINDS.find(({ name }) => name === provider)?.setUpBy ?? [];
  if (variables.length === 0) return "it takes a client that lends its model";
  return `set ${variables.join(" or ")} (${variables.map(settingKey).join(" or ")} in exai.json)`;
}

/** Why `provider` has no models, as the predicate of a sentence that starts with its name. */
function setupFault(provider: string, configured: readonly ProviderStatus[]): string {
  const status = configured.find(({ name }) => name === provider);
  if (status === undefined) return `is not set up: ${setupAdvice(provider)}`;
  return status.reason === undefined
    ? "is set up and lists no models: load one there, or name it in its models in models.json"
    : `is set up and cannot be used: ${status.reason}`;
}

/** The configured providers that have no models, and why; empty if there are none. */
function silentProviders(configured: readonly ProviderStatus[]): string {
  const silent = configured.filter(({ models }) => models.length === 0);
  return silent.map(({ name }) => `. ${name} ${setupFault(name, configured)}`).join("");
}

function listing(available: readonly ModelInfo[]): string {
  return available.length === 0 ? "No model is available" : `Available: ${names(available)}`;
}

function names(models: readonly ModelInfo[]): string {
  const shown = models.slice(0, MAX_NAMES).map((model) =>
    // A name that several providers have is qualified.
    findModel(models, model.name) === model ? model.name : `${model.provider}/${model.name}`
  );
  const more = models.length > MAX_NAMES
    ? ` and ${models.length - MAX_NAMES} more (listmodels shows all)`
    : "";
  return `${shown.join(", ")}${more}; or auto`;
}
