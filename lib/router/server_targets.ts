import { compose, type Policy, type Target } from "../call/call.ts";
import type { Server } from "../call/server.ts";

/** The policies of calls of one server, asked for once for each. */
export interface ServerPolicies {
  /** Policies of its work. */
  policiesFor(server: Server): readonly Policy[];
  /** Policies of queries about it (lists, log level), which do no work. */
  queryPoliciesFor(server: Server): readonly Policy[];
}

/** Servers behind their policies. */
export class ServerTargets {
  readonly #policies: ServerPolicies;
  readonly #working = new WeakMap<Server, Target>();
  readonly #querying = new WeakMap<Server, Target>();

  constructor(policies: ServerPolicies) {
    this.#policies = policies;
  }

  /** Has `server` do work. */
  work(server: Server): Target {
    return this.#of(server, this.#working, this.#policies.policiesFor);
  }

  /** Asks `server` about itself. */
  query(server: Server): Target {
    return this.#of(server, this.#querying, this.#policies.queryPoliciesFor);
  }

  #of(server: Server, known: WeakMap<Server, Target>, policiesFor: ServerPolicies["policiesFor"]): Target {
    let target = known.get(server);
    if (!target) known.set(server, target = compose(server.target, policiesFor(server)));
    return target;
  }
}
