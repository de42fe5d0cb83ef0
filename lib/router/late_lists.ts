import type { Caller } from "../call/call.ts";
import type { ListKind, Server } from "../call/server.ts";

/** Places remembered for one server; at the limit all are dropped. */
const MAX_REMEMBERED = 10_000;

/** A list of one server, requested by a session. */
export interface WantedList {
  server: Server;
  kind: ListKind;
  caller: Caller;
}

/** The lists that missed their deadline, and the sessions to notify when they arrive. */
export class LateLists {
  /** By place: later requests there do not wait for the deadline. */
  readonly #late = new WeakMap<Server, Set<string>>();
  /** Keyed by the object, not by the id: a later session may have the same id. */
  readonly #awaiting = new WeakMap<Server, WeakMap<Caller, Set<ListKind>>>();

  /** Whether the list was late for a session that may share the process. */
  has({ server, kind, caller }: WantedList): boolean {
    return this.#late.get(server)?.has(placeOf(kind, caller)) === true;
  }

  /** Records that the list has arrived in time. */
  arrived({ server, kind, caller }: WantedList): void {
    this.#late.get(server)?.delete(placeOf(kind, caller));
  }

  /** Records that the list is late; `onArrival` is called once for a session when it arrives. */
  await({ server, kind, caller }: WantedList, asked: Promise<unknown>, onArrival: () => void): void {
    const place = placeOf(kind, caller);
    const late = this.#of(server).add(place);
    const awaiting = this.#awaitedBy(caller, server);
    if (awaiting.has(kind)) return;
    awaiting.add(kind);
    asked.then(() => {
      late.delete(place);
      onArrival();
    }).catch(() => {}).finally(() => awaiting.delete(kind));
  }

  #of(server: Server): Set<string> {
    let set = this.#late.get(server);
    if (!set || set.size >= MAX_REMEMBERED) this.#late.set(server, set = new Set());
    return set;
  }

  #awaitedBy(caller: Caller, server: Server): Set<ListKind> {
    const byCaller = this.#awaiting.get(server) ?? new WeakMap<Caller, Set<ListKind>>();
    const kinds = byCaller.get(caller) ?? new Set<ListKind>();
    this.#awaiting.set(server, byCaller.set(caller, kinds));
    return kinds;
  }
}

/** A key that is equal for sessions that may share a process, for which a list is late alike. */
function placeOf(kind: ListKind, { id, cwd, capabilities }: Caller): string {
  return JSON.stringify(cwd === undefined || capabilities?.roots ? [kind, id] : [kind, null, cwd]);
}
