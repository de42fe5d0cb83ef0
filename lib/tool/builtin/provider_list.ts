import type { JsonObject } from "../../base/json.ts";
import { clientProviderStatus } from "../../provider/client_model.ts";
import { PROVIDER_KINDS, PROVIDER_NAMES, type ProviderName } from "../../provider/provider_kinds.ts";
import type { ProviderStatus } from "../../provider/provider_status.ts";
import { roundUsd } from "../../provider/spending.ts";
import type { ToolContext } from "../tool.ts";

/** A provider for display. */
export interface ProviderEntry {
  kind: ProviderName;
  /** Undefined if no provider of the kind is configured. */
  status: ProviderStatus | undefined;
  /** Whether it is available, and if not, the reason and how to configure it. */
  facts: JsonObject;
}

/**
 * Lists the providers of the caller by kind: each configured provider, and an entry for each kind without one.
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
    ...(status === undefined ? {} : describeLimits(status)),
  };
}

/** What the settings leave of a provider, and what it was used for today. */
function describeLimits({ restricted, spentToday, budgetWarning }: ProviderStatus): JsonObject {
  return {
    ...(restricted === undefined ? {} : {
      restricted: { by: restricted.by, hidden_models: restricted.hidden, unknown: [...restricted.unknown] },
    }),
    ...(spentToday === undefined ? {} : {
      today: {
        input_tokens: spentToday.inputTokens,
        output_tokens: spentToday.outputTokens,
        usd: spentToday.usd === undefined ? undefined : roundUsd(spentToday.usd),
      },
    }),
    ...(budgetWarning === undefined ? {} : { budget_warning: budgetWarning }),
  };
}

function howToSetUp(variables: readonly string[]): string {
  const needs = variables.join(" or ") || "a client that lends its model (MCP sampling)";
  return `not set up; it takes ${needs}`;
}
