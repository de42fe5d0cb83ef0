import { type Call, compose, type Policy, type Target } from "../call/call.ts";
import type { Server } from "../call/server.ts";
import type { Result } from "../wire/rpc.ts";

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

  /** Has `server` do the work of `call`. */
  run(server: Server, call: Call): Promise<Result> {
    return this.#of(server, this.#working, this.#policies.policiesFor)(call);
  }

  /** Asks `server` about itself. */
  ask(server: Server, call: Call): Promise<Result> {
    return this.#of(server, this.#querying, this.#policies.queryPoliciesFor)(call);
  }

  #of(server: Server, known: WeakMap<Server, Target>, policiesFor: ServerPolicies["policiesFor"]): Target {
    let target = known.get(server);
    if (!target) known.set(server, target = compose(server.target, policiesFor(server)));
    return target;
  }
}
