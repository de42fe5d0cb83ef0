import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { Caller } from "../call/call.ts";
import type { ClientClaim } from "../wire/client_claim.ts";
import type { Implementation } from "../wire/mcp.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import type { Session } from "./session.ts";

/**
 * The requests of the modern era that declare the same capabilities on one session: what the daemon keeps between them
 * (processes of servers, tasks, handles) belongs to it. It is never asked anything beside a call, for nothing it sends
 * says that it listens.
 */
export class ModernTenant implements Caller {
  readonly era = "modern";
  readonly id: string;
  readonly revision: string;
  readonly capabilities: JsonObject;
  /** What the latest request said, for display. */
  client: Implementation | undefined;
  readonly logLevel = undefined;
  readonly #session: Session;

  constructor(session: Session, id: string, claim: ClientClaim) {
    this.#session = session;
    this.id = id;
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

  notify(_method: string, _params?: Params): void {}

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
}
