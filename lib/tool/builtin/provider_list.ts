import type { JsonObject } from "../../base/json.ts";
import { PROVIDER_KINDS, PROVIDER_NAMES, type ProviderName } from "../../provider/provider_kinds.ts";
import { clientProviderStatus } from "../../provider/client_model.ts";
import type { ProviderStatus } from "../../provider/provider_status.ts";
import type { ToolContext } from "../tool.ts";

/** One provider as the tools show it. */
interface ProviderEntry {
  kind: ProviderName;
  /** Undefined when no provider of that kind is set up. */
  status: ProviderStatus | undefined;
  /** Whether it can be used, and if not, why and what sets it up. */
  facts: JsonObject;
}

/**
 * The providers this caller has, in the order of their kinds: every one that is set up under its own name, and one for
 * each kind of which there is none.
 */
export function listProviders({ host, sample }: Pick<ToolContext, "host" | "sample">): ProviderEntry[] {
  const known = [...host.providers(), ...(sample === undefined ? [] : [clientProviderStatus()])];
  return PROVIDER_NAMES.flatMap((kind): ProviderEntry[] => {
    const ofKind = known.filter((status) => (status.kind ?? status.name) === kind);
    const shown = ofKind.length === 0 ? [undefined] : ofKind;
    return shown.map((status) => ({ kind, status, facts: describe(kind, status) }));
  });
}

function describe(kind: ProviderName, status: ProviderStatus | undefined): JsonObject {
  const { setUpBy = [], notes } = PROVIDER_KINDS.find(({ name }) => name === kind) ?? {};
  return {
    name: status?.name ?? kind,
    kind,
    configured: status !== undefined,
    available: status?.available ?? false,
    reason: status === undefined ? howToSetUp(setUpBy) : status.reason,
    offers: notes,
  };
}

function howToSetUp(variables: readonly string[]): string {
  const needs = variables.join(" or ") || "a client that lends its model (MCP sampling)";
  return `not set up; it takes ${needs}`;
}
