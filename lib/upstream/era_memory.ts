import { HOUR_MS } from "../base/units.ts";
import { DEFAULT_ACCOUNT } from "../config/account_choice.ts";
import type { ServerConfig } from "../config/server_config.ts";
import type { Era } from "../wire/client_claim.ts";
import type { KnownEra } from "./instance/link/find_era.ts";
import type { FoundEra, ListStore } from "./list_store.ts";
import { digestOf, serverIdentity } from "./server_identity.ts";

/** How long a server is taken for one of the legacy era: it may be updated under the same command. */
const LEGACY_LASTS_MS = 24 * HOUR_MS;

type EraStore = Pick<ListStore, "era" | "setEra">;

/** Which era of MCP one server speaks: as its configuration says, or as it was found out at an earlier start. */
export class EraMemory {
  readonly #config: ServerConfig;
  readonly #configured: Era | undefined;
  readonly #identity: string;
  readonly #store: EraStore | undefined;
  /** By account other than the default one. */
  readonly #byAccount = new Map<string, EraMemory>();
  #isPresumedLegacy = false;

  constructor(config: ServerConfig, store?: EraStore, identity = serverIdentity(config)) {
    this.#config = config;
    this.#configured = config.kind === "sse" ? "legacy" : config.era;
    this.#identity = identity;
    this.#store = store;
  }

  /** What is known of the server as an account sees it: another may be answered by another release, or by a proxy. */
  of(account = DEFAULT_ACCOUNT): EraMemory {
    if (account === DEFAULT_ACCOUNT) return this;
    const identity = digestOf(JSON.stringify([this.#identity, account]));
    const known = this.#byAccount.get(account) ?? new EraMemory(this.#config, this.#store, identity);
    this.#byAccount.set(account, known);
    return known;
  }

  /** What is known before a start. */
  known(nowMs = Date.now()): KnownEra {
    if (this.#configured) return { is: "configured", era: this.#configured };
    if (this.#isPresumedLegacy) return { is: "presumed", era: "legacy" };
    const found = this.#store?.era(this.#identity);
    return found && isCurrent(found, nowMs) ? { is: "remembered", era: found.era } : { is: "unknown" };
  }

  /** A start has found it out; undefined: what was remembered is wrong. */
  found(era: Era | undefined, nowMs = Date.now()): void {
    this.#store?.setEra(this.#identity, era && { era, atMs: nowMs });
  }

  /** Takes it for of the legacy era, whatever was found; false: no longer. Not kept: it says nothing of the next daemon's start. */
  presumeLegacy(isPresumed: boolean): void {
    this.#isPresumedLegacy = isPresumed;
  }
}

function isCurrent({ era, atMs }: FoundEra, nowMs: number): boolean {
  // The clock may have been set back.
  return era === "modern" || atMs <= nowMs && nowMs - atMs < LEGACY_LASTS_MS;
}
