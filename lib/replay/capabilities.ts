import { isObject, type Json, type JsonObject } from "../base/json.ts";
import type { Recording } from "./recording.ts";

/** The methods that belong to a capability of servers. */
const METHODS: ReadonlyMap<string, RegExp> = new Map([
  ["tools", /^tools\//],
  ["prompts", /^prompts\//],
  ["resources", /^resources\//],
  ["completions", /^completion\//],
  ["tasks", /^tasks\//],
]);

/**
 * The recorded capabilities of which something was recorded: a client asks for what a server says it can do. Without a
 * record of them, those that the calls need.
 */
export function playableCapabilities(recorded: Json | undefined, { shown, calls }: Recording): JsonObject {
  const methods = new Set([...shown, ...calls].map(({ method }) => method));
  const isUsed = (name: string) => {
    const ofIt = METHODS.get(name);
    return ofIt === undefined || methods.values().some((method) => ofIt.test(method));
  };
  const known = isObject(recorded)
    ? Object.entries(recorded)
    : METHODS.keys().map((name): [string, Json] => [name, {}]).toArray();
  return Object.fromEntries(known.filter(([name]) => isUsed(name)));
}
