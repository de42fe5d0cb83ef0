import { anyOf, type Matcher } from "../../base/patterns.ts";
import type { ModelInfo, Provider } from "../provider.ts";
import { PROVIDER_KINDS, type ProviderName } from "../provider_kinds.ts";
import { entryFor, type ModelChoice, type ProviderId } from "../model_choice.ts";
import { namesWithBase } from "./variants.ts";

/** The models of `provider` that may be asked. */
export function allowedModelsOf(provider: Provider, choice: ModelChoice): readonly ModelInfo[] {
  const allowed = matcherFor(provider, choice);
  const models = provider.models();
  return allowed === undefined ? models : models.filter((model) => isAllowed(model, allowed));
}

/** Whether `model` of `provider` may be asked. */
export function mayAsk(model: ModelInfo, provider: ProviderId, choice: ModelChoice): boolean {
  const allowed = matcherFor(provider, choice);
  return allowed === undefined || isAllowed(model, allowed);
}

/** The entries that fit no model of `provider`, such as misspelt names. */
export function unknownAllowed(provider: Provider, choice: ModelChoice): string[] {
  const entries = entryFor(choice.allowedModels, provider) ?? [];
  // An entry may be a variant, which no provider lists.
  return entries.filter((entry) => {
    const pattern = toMatcher(namesWithBase(entry));
    return !provider.models().some((model) => isAllowed(model, pattern));
  });
}

/** The variable that says which models of a kind of provider may be asked: `OPENAI_ALLOWED_MODELS`. */
export function allowedModelsVariable(kind: ProviderName): string {
  const [key = ""] = PROVIDER_KINDS.find(({ name }) => name === kind)?.setUpBy ?? [];
  return `${key.replace(/_(API_KEY|API_URL|ENDPOINT)$/, "") || kind.toUpperCase()}_ALLOWED_MODELS`;
}

function matcherFor(provider: ProviderId, { allowedModels }: ModelChoice): Matcher | undefined {
  const entries = entryFor(allowedModels, provider);
  return entries === undefined || entries.length === 0 ? undefined : toMatcher(entries);
}

function toMatcher(names: readonly string[]): Matcher {
  return anyOf(names, { ignoreCase: true });
}

/** Names of OpenRouter begin with the vendor, which may be left out. */
function isAllowed({ name, aliases, provider }: ModelInfo, allowed: Matcher): boolean {
  return [...namesWithBase(name), ...aliases].some((one) =>
    allowed.test(one) || allowed.test(`${provider}/${one}`) ||
    allowed.test(one.slice(one.lastIndexOf("/") + 1))
  );
}
