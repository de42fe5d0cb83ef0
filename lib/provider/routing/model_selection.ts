import { unmetNeeds } from "../model_fitness.ts";
import type { ModelClass, ModelInfo } from "../provider.ts";
import type { ModelNeeds } from "../model_router.ts";
import { classRank } from "./model_classes.ts";

/** Models asked in one call at most: the first and those it falls back to. */
export const MAX_CHAIN = 4;

/**
 * The models `auto` asks, in turn: the best fit of each provider, since what fails one model of a provider mostly fails
 * the others too. Nearest to the class `wanted` first, then in the order of the providers.
 *
 * @param byProvider the models of each provider, best first, in the order in which providers are preferred
 */
export function chooseAuto(
  byProvider: readonly (readonly ModelInfo[])[],
  { wanted, needs }: { wanted: ModelClass; needs: ModelNeeds },
): ModelInfo[] {
  const best = byProvider.flatMap((models) => {
    const fit = models.filter((model) => model.auto && unmetNeeds(model, needs) === undefined);
    return nearest(fit, wanted).slice(0, 1);
  });
  return nearest(best, wanted);
}

/** `models` by how near they are to the class `wanted`; those as near stay in order. */
function nearest(models: readonly ModelInfo[], wanted: ModelClass): ModelInfo[] {
  return [...models].sort((a, b) => classRank(a.class, wanted) - classRank(b.class, wanted));
}

/** The model that `requested` names: its name or an alias, with or without its provider before it. */
export function findModel(models: readonly ModelInfo[], requested: string): ModelInfo | undefined {
  const wanted = requested.toLowerCase();
  const isNamed = (name: string) => {
    const known = name.toLowerCase();
    // Ollama shows the tag it takes when none is said.
    return known === wanted || known === `${wanted}:latest`;
  };
  const qualified = (model: ModelInfo, name: string) => `${model.provider}/${name}`;
  return models.find((model) => isNamed(qualified(model, model.name))) ??
    models.find((model) => isNamed(model.name)) ??
    models.find((model) => model.aliases.some((alias) => isNamed(alias) || isNamed(qualified(model, alias))));
}

/** `needs` in words, for the sentence that says why; empty when there are none. */
export function describeNeeds({ images, thinking, webSearch, tools }: ModelNeeds): string {
  const words = [
    images && "takes images",
    thinking && "thinks",
    webSearch && "searches the web",
    tools && "calls tools",
  ].filter((word) => typeof word === "string");
  return words.length === 0 ? "" : ` that ${words.join(" and ")}`;
}
