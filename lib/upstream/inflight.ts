import { ExaiError } from "../base/errors.ts";
import type { Call, Caller } from "../call/call.ts";
import type { RequestId, Result, RpcResponse } from "../wire/rpc.ts";

/** One request on its way to an upstream. */
export interface InFlight {
  /** The caller's call; undefined for a question of the daemon's own. */
  call: Call | undefined;
  settle(result: Result): void;
  fail(error: ExaiError): void;
}

/** Everything asked of one upstream and not answered yet, by the ids the daemon has minted. */
export class InFlightTable {
  readonly #byId = new Map<RequestId, InFlight>();
  /** Running calls by session, in the order they began: who an unattributed message may belong to. */
  readonly #bySession = new Map<string, Set<Call>>();

  #idle: PromiseWithResolvers<void> | undefined;

  get size(): number {
    return this.#byId.size;
  }

  /** Resolves when nothing is in flight, now or later. */
  idle(): Promise<void> {
    if (this.#byId.size === 0) return Promise.resolve();
    this.#idle ??= Promise.withResolvers<void>();
    return this.#idle.promise;
  }

  add(id: RequestId, entry: InFlight): void {
    this.#byId.set(id, entry);
    if (!entry.call || namesItsTask(entry.call.method)) return;
    const calls = this.#bySession.get(entry.call.caller.id);
    if (calls) calls.add(entry.call);
    else this.#bySession.set(entry.call.caller.id, new Set([entry.call]));
  }

  get(id: RequestId): InFlight | undefined {
    return this.#byId.get(id);
  }

  take(id: RequestId): InFlight | undefined {
    const entry = this.#byId.get(id);
    if (!entry) return undefined;
    this.#byId.delete(id);
    if (entry.call) this.#forget(entry.call);
    this.#settleIdle();
    return entry;
  }

  /** Gives a response to the request it answers; one that cannot be taken fails it, so that nobody waits without end. */
  settle({ id, result, error }: RpcResponse): void {
    const entry = id === null ? undefined : this.take(id);
    try {
      entry?.settle(error ? { error } : { result: result ?? {} });
    } catch (thrown) {
      entry?.fail(ExaiError.from(thrown));
      throw thrown;
    }
  }

  takeAll(): InFlight[] {
    const entries = [...this.#byId.values()];
    this.#byId.clear();
    this.#bySession.clear();
    this.#settleIdle();
    return entries;
  }

  /** Sessions that have calls running. */
  get sessions(): number {
    return this.#bySession.size;
  }

  /** The session every running call belongs to, with its latest call; undefined when there is none or more than one. */
  onlySession(): { caller: Caller; call: Call } | undefined {
    if (this.#bySession.size !== 1) return undefined;
    const [calls] = this.#bySession.values();
    const call = [...calls!].at(-1)!;
    return { caller: call.caller, call };
  }

  #settleIdle(): void {
    if (this.#byId.size > 0 || !this.#idle) return;
    this.#idle.resolve();
    this.#idle = undefined;
  }

  #forget(call: Call): void {
    const calls = this.#bySession.get(call.caller.id);
    calls?.delete(call);
    if (calls?.size === 0) this.#bySession.delete(call.caller.id);
  }
}

/**
 * Whether `method` is about a task. All that a server says on its behalf names the task (MCP basic/utilities/tasks), so
 * it never has to be guessed whose it is.
 */
export function namesItsTask(method: string): boolean {
  return method.startsWith("tasks/");
}
