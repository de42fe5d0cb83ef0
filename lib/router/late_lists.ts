import { monotonicNow } from "../base/time.ts";
import type { Caller } from "../call/call.ts";
import type { ListKind, Server } from "../call/server.ts";

/** A list of one server, requested by a session. */
export interface WantedList {
  server: Server;
  kind: ListKind;
  caller: Caller;
}

/** The lists that missed their deadline, and the sessions to notify when they arrive. */
export class LateLists {
  /** Later requests for these do not wait for the deadline, whoever makes them. */
  readonly #late = new WeakMap<Server, Set<ListKind>>();
  /** Keyed by the object, not by the id: a later session may have the same id. */
  readonly #awaiting = new WeakMap<Server, WeakMap<Caller, Map<ListKind, number>>>();

  /** Whether the list was late for some session. */
  has({ server, kind }: WantedList): boolean {
    return this.#late.get(server)?.has(kind) === true;
  }

  /** Records that the list has arrived in time. */
  arrived({ server, kind }: WantedList): void {
    this.#late.get(server)?.delete(kind);
  }

  /**
   * Records that the list is late; `onArrival` is called once for a session when it arrives.
   *
   * @returns since when it is awaited for the session
   */
  await<T>({ server, kind, caller }: WantedList, asked: Promise<T>, onArrival: (list: T) => void): number {
    const late = this.#late.get(server) ?? new Set();
    this.#late.set(server, late.add(kind));
    const awaiting = this.#awaitedBy(caller, server);
    const sinceMs = awaiting.get(kind);
    if (sinceMs !== undefined) return sinceMs;
    const nowMs = monotonicNow();
    awaiting.set(kind, nowMs);
    asked.then((list) => {
      late.delete(kind);
      onArrival(list);
    }).catch(() => {}).finally(() => awaiting.delete(kind));
    return nowMs;
  }

  #awaitedBy(caller: Caller, server: Server): Map<ListKind, number> {
    const byCaller = this.#awaiting.get(server) ?? new WeakMap<Caller, Map<ListKind, number>>();
    const kinds = byCaller.get(caller) ?? new Map<ListKind, number>();
    this.#awaiting.set(server, byCaller.set(caller, kinds));
    return kinds;
  }
}
