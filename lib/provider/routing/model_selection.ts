import { unmetNeeds } from "../model_fitness.ts";
import type { ModelNeeds, RouteQuery } from "../model_router.ts";
import type { ModelClass, ModelInfo } from "../provider.ts";
import type { ProviderStatus } from "../provider_status.ts";
import { classRank } from "./model_classes.ts";
import { findVariant } from "./variants.ts";

/** Models tried per call at most, fallbacks included. */
export const MAX_CHAIN = 4;

/**
 * Selects the models for `auto`, in the order to try them: one per provider, because a failure of one model mostly
 * affects the whole provider. Sorted by distance from `preferredClass`, then by the order of the providers.
 *
 * @param byProvider the models of each provider, best first, in order of preference
 */
export function chooseAuto(
  byProvider: readonly (readonly ModelInfo[])[],
  { preferredClass, needs }: { preferredClass: ModelClass; needs: ModelNeeds },
): ModelInfo[] {
  const best = byProvider.flatMap((models) => {
    const suitable = models.filter((model) => model.auto && unmetNeeds(model, needs) === undefined);
    return sortByClass(suitable, preferredClass).slice(0, 1);
  });
  return sortByClass(best, preferredClass);
}

/** Those of `models` that are not left alone after failures; all if none is left. */
export function withoutResting(
  models: readonly ModelInfo[],
  statuses: readonly ProviderStatus[],
): readonly ModelInfo[] {
  const isResting = ({ name, provider }: ModelInfo) =>
    statuses.some((status) => status.name === provider && status.resting?.includes(name));
  const awake = models.filter((model) => !isResting(model));
  return awake.length > 0 ? awake : models;
}

/** Sorts by distance from the class `preferred`; the sort is stable. */
function sortByClass(models: readonly ModelInfo[], preferred: ModelClass): ModelInfo[] {
  return models.toSorted((a, b) => classRank(a.class, preferred) - classRank(b.class, preferred));
}

/**
 * Finds a model by its name or an alias, optionally prefixed with its provider (`provider/name`); else the only one whose
 * name ends with `/requested`, as names of OpenRouter do after the vendor; else a variant of one. Ignores case.
 */
export function findModel(models: readonly ModelInfo[], requested: string): ModelInfo | undefined {
  return findListed(models, requested) ?? findVariant(requested, (name) => findListed(models, name));
}

function findListed(models: readonly ModelInfo[], requested: string): ModelInfo | undefined {
  const wanted = requested.toLowerCase();
  const isNamed = (name: string) => {
    const known = name.toLowerCase();
    // Ollama lists the default tag explicitly.
    return known === wanted || known === `${wanted}:latest`;
  };
  const qualified = (model: ModelInfo, name: string) => `${model.provider}/${name}`;
  return models.find((model) => isNamed(qualified(model, model.name))) ??
    models.find((model) => isNamed(model.name)) ??
    models.find((model) =>
      model.aliases.some((alias) => isNamed(alias) || isNamed(qualified(model, alias)))
    ) ??
    findWithoutVendor(models, wanted);
}

function findWithoutVendor(models: readonly ModelInfo[], wanted: string): ModelInfo | undefined {
  const [found, ...others] = models.filter(({ name }) => name.toLowerCase().endsWith(`/${wanted}`));
  return others.length === 0 ? found : undefined;
}

/** Describes `needs` as a relative clause, such as " that takes images and thinks"; empty if there are none. */
function describeNeeds({ images, documents, thinking, webSearch, tools }: ModelNeeds): string {
  const words = [
    images && "takes images",
    documents && "reads PDFs",
    thinking && "thinks",
    webSearch && "searches the web",
    tools && "calls tools",
  ].filter((word) => typeof word === "string");
  return words.length === 0 ? "" : ` that ${words.join(" and ")}`;
}

/** Explains in a sentence why `auto` selected `model`. */
export function explainChoice(
  model: ModelInfo,
  { query, preferredClass, unavailable }: {
    query: RouteQuery;
    preferredClass: ModelClass;
    unavailable: readonly ProviderStatus[];
  },
): string {
  const { tool, needs = {}, provider } = query;
  const which = provider === undefined ? "" : ` of ${provider}`;
  const best = `${tool} wants a ${preferredClass} model${
    describeNeeds(needs)
  }, and ${model.provider}/${model.name}`;
  const found = model.class === preferredClass
    ? "is the first such"
    : `(${model.class}) is the nearest there is`;
  const others = unavailable.filter(({ name }) => name !== model.provider).map(({ name, reason }) =>
    `${name} (${reason})`
  );
  return `${best} ${found}${which}${others.length === 0 ? "" : `; passed over: ${others.join(", ")}`}`;
}
