import * as z from "zod";
import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { counted, filterWords } from "../../base/text.ts";
import { MINUTE_MS } from "../../base/units.ts";
import type { ModelStatus } from "../../provider/provider_status.ts";
import { describeNoModel, WAYS_TO_A_MODEL } from "../../provider/no_model.ts";
import { READ_ONLY } from "../annotations.ts";
import { defineTool } from "../tool.ts";
import { listProviders, type ProviderEntry } from "./provider_list.ts";

/** Older lists of models are fetched again. */
const MAX_AGE_MS = MINUTE_MS;

/** Models described in full: beyond that an answer costs more of the caller's context than it is worth. */
const MAX_DESCRIBED = 40;

/** Characters of the names of further models. */
const MAX_NAMES_CHARS = 8000;

/** Lists the models of each provider, or how to get one. */
export const listmodels = defineTool({
  name: "listmodels",
  title: "List models",
  description: "Models by provider: aliases, context window, abilities, price; without any, how to get one.",
  input: z.object({ provider: z.string().optional(), filter: z.string().optional() }),
  ignores: ["model"],
  annotations: READ_ONLY,
  async run({ provider, filter = "" }, context) {
    await context.host.ensureProvidersFresh?.(MAX_AGE_MS);
    const entries = select(listProviders(context), provider);
    const list = new ModelsShown(entries, filter);
    const providers = entries.map((entry) => ({ ...entry.facts, ...list.modelsOf(entry) }));
    return {
      content: {
        summary: list.summarize(provider),
        ...(list.count === 0 && filter === "" ? { ways_to_a_model: [...WAYS_TO_A_MODEL] } : {}),
        providers,
      },
    };
  },
});

/** The entries of the provider or kind `wanted`. */
function select(entries: ProviderEntry[], wanted: string | undefined): ProviderEntry[] {
  if (wanted === undefined) return entries;
  const fits = (name: string | undefined) => name?.toLowerCase() === wanted.trim().toLowerCase();
  const found = entries.filter(({ kind, status }) => fits(kind) || fits(status?.name));
  if (found.length > 0) return found;
  const names = [...new Set(entries.flatMap(({ kind, status }) => [kind, status?.name ?? kind]))];
  throw new ExaiError("INVALID_PARAMS", `provider must be one of ${names.join(", ")}`);
}

/** The models of an answer: some in full, the names of others, and the count of the rest. */
class ModelsShown {
  readonly count: number;
  readonly #entries: readonly ProviderEntry[];
  readonly #words: readonly string[];
  readonly #perProvider: number;
  #charsLeft = MAX_NAMES_CHARS;

  constructor(entries: readonly ProviderEntry[], filter: string) {
    this.#entries = entries;
    this.#words = filterWords(filter);
    const counts = entries.map((entry) => this.#matching(entry).length).filter((count) => count > 0);
    this.count = counts.reduce((sum, count) => sum + count, 0);
    this.#perProvider = fairShare(counts, MAX_DESCRIBED);
  }

  modelsOf(entry: ProviderEntry): JsonObject {
    const models = this.#matching(entry);
    const rest = models.slice(this.#perProvider);
    return {
      models: models.slice(0, this.#perProvider).map(describeModel),
      ...(rest.length === 0 ? {} : { more: this.#name(rest) }),
    };
  }

  summarize(kind = "provider"): string {
    const setUp = this.#entries.flatMap(({ status }) => status ?? []);
    if (setUp.length === 0) {
      return `No ${kind} is set up, so there is no model to ask; ways_to_a_model says how to get one.`;
    }
    if (this.count === 0 && this.#words.length > 0) {
      return `No model of ${counted(setUp.length, "provider")} fits this filter.`;
    }
    if (this.count === 0) return `${describeNoModel(setUp)}.`;
    const isPart = this.count > MAX_DESCRIBED;
    return `${counted(this.count, "model")} of ${counted(setUp.length, "provider")}.${
      isPart ? ' Those under more are named only: {"filter": "part of a name"} shows them in full.' : ""
    }`;
  }

  #matching({ status }: ProviderEntry): readonly ModelStatus[] {
    return (status?.models ?? []).filter(({ name, aliases }) => {
      const text = [name, ...aliases].join(" ").toLowerCase();
      return this.#words.every((word) => text.includes(word));
    });
  }

  #name(models: readonly ModelStatus[]): JsonObject {
    const names: string[] = [];
    for (const { name } of models) {
      this.#charsLeft -= name.length + 2;
      if (this.#charsLeft < 0) break;
      names.push(name);
    }
    const unnamed = models.length - names.length;
    return { names: names.join(", "), ...(unnamed > 0 ? { not_named: unnamed } : {}) };
  }
}

/** How many each of `counts` may take, so that together they take at most `most`. */
function fairShare(counts: readonly number[], most: number): number {
  let share = most;
  const taken = () => counts.reduce((sum, count) => sum + Math.min(count, share), 0);
  while (share > 1 && taken() > most) share--;
  return share;
}

function describeModel({ name, aliases, contextTokens, abilities, price }: ModelStatus): JsonObject {
  return {
    name,
    aliases: [...aliases],
    context_tokens: contextTokens,
    abilities: { ...abilities },
    ...(price === undefined ? {} : { usd_per_million: { input: price.input, output: price.output } }),
  };
}
