import { ExaiError } from "../../base/errors.ts";
import { didYouMean } from "../../base/suggest.ts";
import { quoteName } from "../../base/text.ts";
import { SHIPPED_MODELS } from "../catalogue/catalogue.ts";
import { unmetNeeds } from "../model_fitness.ts";
import { describeNoModel, setupFault, waysToAModel } from "../no_model.ts";
import type { ModelNeeds } from "../model_router.ts";
import type { ModelInfo } from "../provider.ts";
import type { ProviderStatus } from "../provider_status.ts";
import { findModel } from "./model_selection.ts";
import { describeNoVariant } from "./variants.ts";

/** Names listed in one message; `listmodels` shows all. */
const MAX_NAMES = 30;

/** The error for a model that the user does not allow. */
export function forbiddenModel(
  { model, by }: { model: ModelInfo; by: string },
  available: readonly ModelInfo[],
  { configured }: { configured: readonly ProviderStatus[] },
): ExaiError {
  return new ExaiError(
    "INVALID_PARAMS",
    `the model ${model.name} of ${model.provider} is not among those that ${by} allows. ${
      listing(available, configured)
    }`,
  );
}

/** The error for a name that no provider knows. */
export function unknownModel(
  requested: string,
  available: readonly ModelInfo[],
  { configured }: { configured: readonly ProviderStatus[] },
): ExaiError {
  const elsewhere = SHIPPED_MODELS.find(({ name, aliases = [] }) =>
    name === requested || aliases.includes(requested)
  );
  if (elsewhere !== undefined && !available.some(({ provider }) => provider === elsewhere.provider)) {
    const { name, provider } = elsewhere;
    return new ExaiError(
      "INVALID_PARAMS",
      `the model ${name} is one of ${provider}, which ${setupFault(provider, configured)}. ${
        listing(available, configured)
      }`,
    );
  }
  if (available.length === 0) return new ExaiError("INVALID_PARAMS", describeNoModel(configured));
  const noVariant = describeNoVariant(requested, available);
  if (noVariant !== undefined) {
    return new ExaiError("INVALID_PARAMS", `${noVariant}. ${listing(available, configured)}`);
  }
  const names = available.flatMap(({ name, aliases }) => [name, ...aliases]);
  return new ExaiError(
    "INVALID_PARAMS",
    `there is no model ${quoteName(requested)}${didYouMean(requested, names)}. ${
      listing(available, configured)
    }${silentProviders(configured)}`,
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
export function samplingUnavailable(
  available: readonly ModelInfo[],
  configured: readonly ProviderStatus[],
): ExaiError {
  return new ExaiError(
    "INVALID_PARAMS",
    `this client does not lend its model (it has no MCP sampling); name another. ${
      listing(available, configured)
    }`,
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
  if (available.length === 0 && provider !== undefined) {
    const fault = `${provider} ${setupFault(provider, configured)}`;
    return new ExaiError("INVALID_PARAMS", `there is no model${where} to ask; ${fault}`);
  }
  if (available.length === 0) return new ExaiError("INVALID_PARAMS", describeNoModel(configured));
  const faults = available.filter(({ auto }) => auto).slice(0, 5)
    .map((model) => `${model.name} ${unmetNeeds(model, needs) ?? "can"}`);
  return new ExaiError(
    "INVALID_PARAMS",
    `no model${where} can do this: ${faults.join(" | ") || "none may be chosen by itself; name one"}. ${
      listing(available, configured)
    }`,
  );
}

/** The configured providers that have no models, and why; empty if there are none. */
function silentProviders(configured: readonly ProviderStatus[]): string {
  const silent = configured.filter(({ models }) => models.length === 0);
  return silent.map(({ name }) => `. ${name} ${setupFault(name, configured)}`).join("");
}

function listing(available: readonly ModelInfo[], configured: readonly ProviderStatus[]): string {
  if (available.length > 0) return `Available: ${names(available)}`;
  return configured.length > 0 ? "No model is available" : `There is no other. ${waysToAModel()}`;
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
