import { unmetNeeds } from "../model_fitness.ts";
import type { ModelClass, ModelInfo } from "../provider.ts";
import type { ModelNeeds } from "../model_router.ts";
import { classRank } from "./model_classes.ts";

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

/** Sorts by distance from the class `preferred`; the sort is stable. */
function sortByClass(models: readonly ModelInfo[], preferred: ModelClass): ModelInfo[] {
  return models.toSorted((a, b) => classRank(a.class, preferred) - classRank(b.class, preferred));
}

/** Finds a model by its name or an alias, optionally prefixed with its provider (`provider/name`). Ignores case. */
export function findModel(models: readonly ModelInfo[], requested: string): ModelInfo | undefined {
  const wanted = requested.toLowerCase();
  const isNamed = (name: string) => {
    const known = name.toLowerCase();
    // Ollama lists the default tag explicitly.
    return known === wanted || known === `${wanted}:latest`;
  };
  const qualified = (model: ModelInfo, name: string) => `${model.provider}/${name}`;
  return models.find((model) => isNamed(qualified(model, model.name))) ??
    models.find((model) => isNamed(model.name)) ??
    models.find((model) => model.aliases.some((alias) => isNamed(alias) || isNamed(qualified(model, alias))));
}

/** Describes `needs` as a relative clause, such as " that takes images and thinks"; empty if there are none. */
export function describeNeeds({ images, thinking, webSearch, tools }: ModelNeeds): string {
  const words = [
    images && "takes images",
    thinking && "thinks",
    webSearch && "searches the web",
    tools && "calls tools",
  ].filter((word) => typeof word === "string");
  return words.length === 0 ? "" : ` that ${words.join(" and ")}`;
}
