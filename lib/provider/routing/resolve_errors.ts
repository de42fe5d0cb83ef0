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
import { describeNoModel, waysToAModel } from "../no_model.ts";
import { describeNoVariant } from "./variants.ts";

/** Names listed in one message; `listmodels` shows all. */
const MAX_NAMES = 30;

/** The error for a model that the user does not allow. */
export function forbiddenModel(
  { model, by }: { model: ModelInfo; by: string },
  available: readonly ModelInfo[],
): ExaiError {
  return new ExaiError(
    "INVALID_PARAMS",
    `the model ${model.name} of ${model.provider} is not among those that ${by} allows. ${
      listing(available)
    }`,
  );
}

/** The error for a name that no provider knows. */
export function unknownModel(
  requested: string,
  available: readonly ModelInfo[],
  statuses: readonly ProviderStatus[],
): ExaiError {
  const elsewhere = SHIPPED_MODELS.find(({ name, aliases = [] }) =>
    name === requested || aliases.includes(requested)
  );
  if (elsewhere !== undefined && !available.some(({ provider }) => provider === elsewhere.provider)) {
    const { name, provider } = elsewhere;
    return new ExaiError(
      "INVALID_PARAMS",
      `the model ${name} is one of ${provider}, which ${setupFault(provider, statuses)}. ${
        listing(available)
      }`,
    );
  }
  if (available.length === 0) return new ExaiError("INVALID_PARAMS", describeNoModel(statuses));
  const noVariant = describeNoVariant(requested, available);
  if (noVariant !== undefined) return new ExaiError("INVALID_PARAMS", `${noVariant}. ${listing(available)}`);
  const names = available.flatMap(({ name, aliases }) => [name, ...aliases]);
  return new ExaiError(
    "INVALID_PARAMS",
    `there is no model ${quoteName(requested)}${didYouMean(requested, names)}. ${listing(available)}${
      silentProviders(statuses)
    }`,
  );
}

/** `error` about a model that no call has named: it says which setting did. */
export function withSetting(error: ExaiError, model: string, variable: string): ExaiError {
  if (model.toLowerCase() === "auto") return error;
  const message = `${error.message} (the call named no model, and ${variable} says ${quoteName(model)})`;
  const { cause, retryAfterMs, details } = error;
  return new ExaiError(error.code, message, { cause, retryAfterMs, details });
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
  { provider, statuses }: { provider?: string; statuses: readonly ProviderStatus[] },
): ExaiError {
  const where = provider === undefined ? "" : ` of ${provider}`;
  if (available.length === 0 && provider !== undefined && statuses.length === 0) {
    return new ExaiError(
      "INVALID_PARAMS",
      `there is no model${where} to ask; ${provider} is not set up: ${setupAdvice(provider)}`,
    );
  }
  if (available.length === 0) return new ExaiError("INVALID_PARAMS", describeNoModel(statuses));
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
function setupFault(provider: string, statuses: readonly ProviderStatus[]): string {
  const status = statuses.find(({ name }) => name === provider);
  if (status === undefined) return `is not set up: ${setupAdvice(provider)}`;
  return status.reason === undefined
    ? "is set up and lists no models: load one there, or name it in its models in models.json"
    : `is set up and cannot be used: ${status.reason}`;
}

/** The configured providers that have no models, and why; empty if there are none. */
function silentProviders(statuses: readonly ProviderStatus[]): string {
  const silent = statuses.filter(({ models }) => models.length === 0);
  return silent.map(({ name }) => `. ${name} ${setupFault(name, statuses)}`).join("");
}

function listing(available: readonly ModelInfo[]): string {
  return available.length === 0 ? `There is no other. ${waysToAModel()}` : `Available: ${names(available)}`;
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
