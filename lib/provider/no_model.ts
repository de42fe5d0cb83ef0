import { settingKey } from "./api/provider_site.ts";
import { PROVIDER_KINDS } from "./provider_kinds.ts";
import type { ProviderStatus } from "./provider_status.ts";

const KEYS = PROVIDER_KINDS.flatMap(({ setUpBy: [first] }) =>
  first?.endsWith("_KEY") ? [settingKey(first)] : []
);

/** The shortest ways to get a model, for people: the same words wherever one is missing. */
export const WAYS_TO_A_MODEL: readonly string[] = [
  `a key: run "exai-daemon config edit exai" and write {"openrouterApiKey": "YOUR KEY"} (or ${
    KEYS.filter((key) => key !== "openrouterApiKey").join(", ")
  }; customApiUrl for a server of your own); it counts once saved. As a variable of your login shell: OPENROUTER_API_KEY, ` +
  "KIMI_API_KEY and so on",
  'Ollama: install it from https://ollama.com and run "ollama pull qwen3:8b"; it is found by itself and needs no key',
  "a client that lends its own model (MCP sampling): nothing to set up; EXAI asks it where there is no other model",
];

/** {@linkcode WAYS_TO_A_MODEL} as one sentence. */
export function waysToAModel(): string {
  return `The shortest ways to get one: ${WAYS_TO_A_MODEL.map((way, i) => `(${i + 1}) ${way}`).join("; ")}`;
}

/** Advice on how to configure `provider`. */
export function setupAdvice(provider: string): string {
  const variables = PROVIDER_KINDS.find(({ name }) => name === provider)?.setUpBy ?? [];
  if (variables.length === 0) return "it takes a client that lends its model";
  return `set ${variables.join(" or ")} (${variables.map(settingKey).join(" or ")} in exai.json)`;
}

/** Why `provider` has no models, as the predicate of a sentence that starts with its name. */
export function setupFault(provider: string, configured: readonly ProviderStatus[]): string {
  const status = configured.find(({ name }) => name === provider);
  if (status === undefined) return `is not set up: ${setupAdvice(provider)}`;
  return status.reason === undefined
    ? "is set up and lists no models: load one there, or name it in its models in models.json"
    : `is set up and cannot be used: ${status.reason}`;
}

/** Why no model can be asked, and what to do, as sentences: what is set up and has none, or how to set one up. */
export function describeNoModel(configured: readonly ProviderStatus[]): string {
  if (configured.length === 0) return `there is no model to ask. ${waysToAModel()}`;
  const faults = configured.map(({ name }) => `${name} ${setupFault(name, configured)}`);
  return `there is no model to ask: ${faults.join("; ")}`;
}
