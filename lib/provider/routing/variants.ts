import type { ModelInfo } from "../provider.ts";

/**
 * The suffixes that OpenRouter takes with any model and does not list: they change how a request is routed, and `online`
 * adds web search (https://openrouter.ai/docs/guides/routing/model-variants/overview). Others (`free`, `extended`,
 * `thinking`) are models of their own, and listed.
 */
const ROUTING_VARIANTS: readonly string[] = ["nitro", "floor", "exacto", "online"];

/** The suffix of a variant that searches the web for every request. */
const ONLINE = ":online";

/**
 * Returns the variant of one of `models` that `requested` names, such as `x-ai/grok-4.7:nitro`; undefined if there is
 * none.
 *
 * @param find finds a model by its name
 */
export function findVariant(
  requested: string,
  find: (name: string) => ModelInfo | undefined,
): ModelInfo | undefined {
  const at = requested.lastIndexOf(":");
  const variant = requested.slice(at + 1).toLowerCase();
  if (at === -1 || !ROUTING_VARIANTS.includes(variant)) return undefined;
  const name = requested.slice(0, at);
  const base = find(name) ?? findVariant(name, find);
  if (base === undefined || !hasVariants(base)) return undefined;
  const search = base.abilities.search || variant === "online";
  return { ...base, name: `${base.name}:${variant}`, abilities: { ...base.abilities, search }, auto: false };
}

/** The names under which `model` may be allowed: a variant also under that of its model. */
export function namesWithBase(name: string): string[] {
  const at = name.lastIndexOf(":");
  if (at === -1 || !ROUTING_VARIANTS.includes(name.slice(at + 1).toLowerCase())) return [name];
  return [name, ...namesWithBase(name.slice(0, at))];
}

/** Whether every request to the model searches the web, so that it need not be asked to. */
export function alwaysSearches(name: string): boolean {
  return name.includes(ONLINE);
}

/** Explains that `requested` is no variant of a known model; undefined if it is not written like one. */
export function describeNoVariant(requested: string, models: readonly ModelInfo[]): string | undefined {
  const at = requested.lastIndexOf(":");
  const base = requested.slice(0, at).toLowerCase();
  const known = models.find((model) => hasVariants(model) && model.name.toLowerCase() === base);
  if (at === -1 || known === undefined) return undefined;
  const listed = models.filter(({ name }) => name.startsWith(`${known.name}:`)).map(({ name }) =>
    name.slice(known.name.length + 1)
  );
  return `${known.name} has no variant ${requested.slice(at + 1)}; it has ${
    [...listed, ...ROUTING_VARIANTS].join(", ")
  }`;
}

function hasVariants({ provider }: ModelInfo): boolean {
  return provider === "openrouter";
}
