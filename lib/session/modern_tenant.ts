import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Caller } from "../call/call.ts";
import type { ClientClaim } from "../wire/client_claim.ts";
import type { Implementation } from "../wire/mcp.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import type { ListenSubscriptions } from "./listen_subscriptions.ts";
import type { Session } from "./session.ts";

interface ModernTenantOptions {
  id: string;
  /** Of its first request. */
  claim: ClientClaim;
  /** Tells its listens. */
  notify(tenant: ModernTenant, method: string, params?: Params): void;
}

/**
 * The requests of the modern era that declare the same revision, name of a client and capabilities on one session:
 * processes of servers are leased by it. What is kept longer (threads, handles, tasks) is that of the session. It is told
 * only what its listens ask for, and never asked anything beside a call.
 */
export class ModernTenant implements Caller {
  readonly era = "modern";
  readonly id: string;
  readonly session: string;
  readonly revision: string;
  readonly capabilities: JsonObject;
  /** What the latest request said, for display. */
  client: Implementation | undefined;
  readonly logLevel = undefined;
  /** Calls that run for it, and listens. */
  uses = 0;
  /** Lists it was shown, by method: it may be told that they have changed. */
  readonly listed = new Set<string>();
  /** The resources its listens ask for; undefined: none has. */
  subscriptions: ListenSubscriptions | undefined;
  readonly #session: Session;
  readonly #notify: ModernTenantOptions["notify"];

  constructor(session: Session, { id, claim, notify }: ModernTenantOptions) {
    this.#session = session;
    this.#notify = notify;
    this.id = id;
    this.session = session.id;
    this.revision = claim.revision;
    this.client = claim.client;
    const { roots: _, ...rest } = claim.capabilities;
    this.capabilities = session.namedDirs === "none" ? rest : claim.capabilities;
  }

  get cwd() {
    return this.#session.cwd;
  }
  get namedDirs() {
    return this.#session.namedDirs;
  }
  get belonging() {
    return this.#session.belonging;
  }
  get principal() {
    return this.#session.principal;
  }
  get via() {
    return this.#session.via;
  }
  get window() {
    return this.#session.window;
  }
  get parentPid() {
    return this.#session.parentPid;
  }
  get notice() {
    return this.#session.notice;
  }
  get server() {
    return this.#session.server;
  }
  get isAway() {
    return this.#session.isAway;
  }

  notify(method: string, params?: Params): void {
    this.#notify(this, method, params);
  }

  subscriptionLost(uri: string): void {
    this.subscriptions?.lost(uri);
  }

  ask(method: string): Promise<Result> {
    const why = `this client can be asked ${method} only in answer to one of its requests`;
    return Promise.reject(new ExaiError("METHOD_NOT_FOUND", why));
  }

  roots(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  identity() {
    return this.#session.identity();
  }

  privateOwner() {
    return this.#session.privateOwner();
  }
}
