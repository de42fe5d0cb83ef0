import type { ClientClaim } from "../wire/client_claim.ts";
import type { Session } from "./session.ts";
import { ModernTenant } from "./modern_tenant.ts";

/** Sets of capabilities that one session's requests may declare before the one unused for longest is given up. */
const MAX_TENANTS = 8;

/** The tenants of one session, by the capabilities that requests declare. */
export class ModernTenants {
  readonly #session: Session;
  readonly #onEnded: (tenant: ModernTenant) => void;
  /** The least recently used first. */
  readonly #byCapabilities = new Map<string, ModernTenant>();
  #count = 0;

  /** @param onEnded called when a tenant is given up, or its session has ended */
  constructor(session: Session, onEnded: (tenant: ModernTenant) => void) {
    this.#session = session;
    this.#onEnded = onEnded;
    session.ended.addEventListener("abort", () => {
      for (const tenant of this.#byCapabilities.values()) onEnded(tenant);
      this.#byCapabilities.clear();
    }, { once: true });
  }

  [Symbol.iterator](): IterableIterator<ModernTenant> {
    return this.#byCapabilities.values();
  }

  /** The tenant that a request with `claim` belongs to. */
  of(claim: ClientClaim): ModernTenant {
    const key = JSON.stringify([claim.revision, claim.capabilities]);
    const tenant = this.#byCapabilities.get(key) ?? this.#create(claim);
    this.#byCapabilities.delete(key);
    this.#byCapabilities.set(key, tenant);
    if (claim.client) tenant.client = claim.client;
    return tenant;
  }

  #create(claim: ClientClaim): ModernTenant {
    if (this.#byCapabilities.size >= MAX_TENANTS) {
      const [key, oldest] = this.#byCapabilities.entries().next().value!;
      this.#byCapabilities.delete(key);
      this.#onEnded(oldest);
    }
    return new ModernTenant(this.#session, `${this.#session.id}~${++this.#count}`, claim);
  }
}
