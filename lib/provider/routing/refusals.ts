import { ExaiError } from "../../base/errors.ts";
import { didYouMean } from "../../base/suggest.ts";
import { quoteName } from "../../base/text.ts";
import { SHIPPED_MODELS } from "../catalogue/catalogue.ts";
import { unfitness } from "../fitness.ts";
import { PROVIDER_KINDS } from "../kinds.ts";
import type { ModelInfo } from "../provider.ts";
import type { ModelNeeds } from "../routing.ts";
import { findModel } from "./choose.ts";

/** Names shown in one message; the rest is told by listmodels. */
const MAX_NAMES = 30;

/** Nobody has a model of that name. */
export function unknownModel(requested: string, available: readonly ModelInfo[]): ExaiError {
  const elsewhere = SHIPPED_MODELS.find(({ name, aliases = [] }) =>
    name === requested || aliases.includes(requested)
  );
  if (elsewhere !== undefined && !available.some(({ provider }) => provider === elsewhere.provider)) {
    return new ExaiError(
      "INVALID_PARAMS",
      `the model ${elsewhere.name} is one of ${elsewhere.provider}, which is not set up: ${
        howToSetUp(elsewhere.provider)
      }. ` +
        listing(available),
    );
  }
  const names = available.flatMap(({ name, aliases }) => [name, ...aliases]);
  return new ExaiError(
    "INVALID_PARAMS",
    `there is no model ${quoteName(requested)}${didYouMean(requested, names)}. ${listing(available)}`,
  );
}

/** The client's own model was asked for, and the client lends none. */
export function clientLendsNothing(available: readonly ModelInfo[]): ExaiError {
  return new ExaiError(
    "INVALID_PARAMS",
    `this client does not lend its model (it has no MCP sampling); name another. ${listing(available)}`,
  );
}

/** The model is there but cannot do what is asked. */
export function unfitModel(
  model: ModelInfo,
  needs: ModelNeeds,
  available: readonly ModelInfo[],
): ExaiError | undefined {
  const fault = unfitness(model, needs);
  if (fault === undefined) return undefined;
  const others = available.filter((one) => unfitness(one, needs) === undefined);
  const instead = others.length === 0 ? "" : `. These can: ${names(others)}`;
  return new ExaiError("INVALID_PARAMS", `${model.name} ${fault}${instead}`);
}

/** `auto` found nothing. */
export function nothingFits(
  needs: ModelNeeds,
  available: readonly ModelInfo[],
  provider?: string,
): ExaiError {
  const where = provider === undefined ? "" : ` of ${provider}`;
  if (available.length === 0) {
    const advice = provider === undefined
      ? "set one of KIMI_API_KEY, GLM_API_KEY, OPENAI_API_KEY, OPENROUTER_API_KEY or CUSTOM_API_URL where the daemon " +
        "starts, run Ollama on this machine, or use a client that lends its model (MCP sampling)"
      : `${provider} is not set up: ${howToSetUp(provider)}`;
    return new ExaiError("INVALID_PARAMS", `there is no model${where} to ask; ${advice}`);
  }
  const faults = available.filter(({ auto }) => auto).slice(0, 5)
    .map((model) => `${model.name} ${unfitness(model, needs) ?? "can"}`);
  return new ExaiError(
    "INVALID_PARAMS",
    `no model${where} can do this: ${faults.join(" | ") || "none may be chosen by itself; name one"}. ${
      listing(available)
    }`,
  );
}

/** The variables that set up `provider`. */
export function howToSetUp(provider: string): string {
  const variables = PROVIDER_KINDS.find(({ name }) => name === provider)?.setUpBy ?? [];
  return variables.length === 0 ? "it takes a client that lends its model" : `set ${variables.join(" or ")}`;
}

function listing(available: readonly ModelInfo[]): string {
  return available.length === 0 ? "No model is available" : `Available: ${names(available)}`;
}

function names(models: readonly ModelInfo[]): string {
  const shown = models.slice(0, MAX_NAMES).map((model) =>
    // Only what another provider has too needs its provider before it.
    findModel(models, model.name) === model ? model.name : `${model.provider}/${model.name}`
  );
  const more = models.length > MAX_NAMES
    ? ` and ${models.length - MAX_NAMES} more (listmodels shows all)`
    : "";
  return `${shown.join(", ")}${more}; or auto`;
}
