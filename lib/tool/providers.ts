import type { JsonObject } from "../base/json.ts";
import { PROVIDER_KINDS, type ProviderName } from "../provider/kinds.ts";
import type { ProviderStatus } from "../provider/status.ts";

/** Whether the provider `name` can be used, and if not, why and what sets it up. */
export function describeProvider(name: ProviderName, status: ProviderStatus | undefined): JsonObject {
  const kind = PROVIDER_KINDS.find((one) => one.name === name);
  return {
    name,
    configured: status !== undefined,
    available: status?.available ?? false,
    reason: status === undefined ? howToSetUp(kind?.setUpBy ?? []) : status.reason,
    offers: kind?.notes,
  };
}

function howToSetUp(variables: readonly string[]): string {
  const needs = variables.join(" or ") || "a client that lends its model (MCP sampling)";
  return `not set up; it takes ${needs}`;
}
