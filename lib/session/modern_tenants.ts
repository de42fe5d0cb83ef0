import { ExaiError } from "../base/errors.ts";
import { KIB } from "../base/units.ts";
import type { ClientClaim } from "../wire/client_claim.ts";
import type { Params } from "../wire/raw_object.ts";
import { ModernListens } from "./modern_listens.ts";
import { ModernTenant } from "./modern_tenant.ts";
import type { Session } from "./session.ts";

/** Tenants that are kept, the least recently used of those that are not in use given up; those in use may be more. */
const MAX_TENANTS = 32;

/** Name and capabilities, which are kept as long as the session and sent to servers. */
const MAX_CLAIM_CHARS = 64 * KIB;

/** The tenants of one session, by the revision, the name of a client and the capabilities that requests declare. */
export class ModernTenants {
  readonly listens = new ModernListens();
  readonly #session: Session;
  readonly #onEnded: (tenant: ModernTenant) => void;
  /** The least recently used first. */
  readonly #byClaim = new Map<string, ModernTenant>();
  /** The one that was used last, and the claim it was used with: most requests of a session carry the same. */
  #last: { claim: ClientClaim; tenant: ModernTenant } | undefined;
  #count = 0;

  /** @param onEnded called when a tenant is given up, or its session has ended */
  constructor(session: Session, onEnded: (tenant: ModernTenant) => void) {
    this.#session = session;
    this.#onEnded = onEnded;
    session.modern.tenants = this;
    session.modern.listens = this.listens;
    session.ended.addEventListener("abort", () => {
      this.listens.end();
      for (const tenant of this.#byClaim.values()) onEnded(tenant);
      this.#byClaim.clear();
      this.#last = undefined;
    }, { once: true });
  }

  [Symbol.iterator](): IterableIterator<ModernTenant> {
    return this.#byClaim.values();
  }

  /**
   * The tenant that a request with `claim` belongs to. Which tools a client sees may depend on its name.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when the claim is too long
   */
  of(claim: ClientClaim): ModernTenant {
    if (this.#last?.claim === claim) return this.#last.tenant;
    const tenant = this.#findOrCreate(claim);
    if (claim.client) tenant.client = claim.client;
    this.#note(claim);
    this.#last = { claim, tenant };
    return tenant;
  }

  #findOrCreate(claim: ClientClaim): ModernTenant {
    const key = JSON.stringify([claim.revision, claim.client?.name, claim.capabilities]);
    if (key.length > MAX_CLAIM_CHARS) {
      const why = `clientInfo and clientCapabilities may hold ${MAX_CLAIM_CHARS} characters at most`;
      throw new ExaiError("INVALID_PARAMS", why);
    }
    const known = this.#byClaim.get(key);
    const tenant = known ?? this.#create(claim);
    if (known) this.#byClaim.delete(key);
    this.#byClaim.set(key, tenant);
    return tenant;
  }

  #note({ revision, client }: ClientClaim): void {
    const session = this.#session;
    // Its first request follows the acknowledgement that says which outcomes are unknown.
    if (session.modern.revision === undefined) session.output.forgetUnknown();
    session.modern.revision = revision;
    if (session.revision === undefined && client) session.client = client;
  }

  #create(claim: ClientClaim): ModernTenant {
    this.#makeRoom();
    const id = `${this.#session.id}~${++this.#count}`;
    return new ModernTenant(this.#session, { id, claim, notify: (...told) => this.#notify(...told) });
  }

  #makeRoom(): void {
    for (const [key, tenant] of this.#byClaim) {
      if (this.#byClaim.size < MAX_TENANTS) return;
      if (tenant.uses > 0) continue;
      this.#byClaim.delete(key);
      this.#onEnded(tenant);
    }
  }

  /** Tells what `tenant` is notified of where it listens; what nobody listens to is not looked at. */
  #notify(tenant: ModernTenant, method: string, params?: Params): void {
    if (!this.listens.areTold(tenant, method, params)) return;
    this.#session.ifChanged(tenant, method, () => this.listens.tell(tenant, method, params));
  }
}
