import type { Caller } from "../call/call.ts";
import type { ListKind, Server } from "../call/server.ts";

/** What is remembered of one server; beyond that all of it is forgotten. */
const MAX_REMEMBERED = 10_000;

/** A list of one server as a session wants it. */
export interface WantedList {
  server: Server;
  kind: ListKind;
  caller: Caller;
}

/** The lists that missed their deadline the last time, and who waits to be told that they have come. */
export class LateLists {
  /** By place: nobody there waits for those again. */
  readonly #late = new WeakMap<Server, Set<string>>();
  /** By session, not by its id: another that comes under the same one is told as well. */
  readonly #awaiting = new WeakMap<Server, WeakMap<Caller, Set<ListKind>>>();

  /** Whether the list was late for one that may have it of the same process. */
  has({ server, kind, caller }: WantedList): boolean {
    return this.#late.get(server)?.has(placeOf(kind, caller)) === true;
  }

  /** The list has come in time. */
  came({ server, kind, caller }: WantedList): void {
    this.#late.get(server)?.delete(placeOf(kind, caller));
  }

  /** The list is late; `hasCome` is called once for all who ask for the same when it has come. */
  await({ server, kind, caller }: WantedList, asked: Promise<unknown>, hasCome: () => void): void {
    const place = placeOf(kind, caller);
    const late = this.#of(server).add(place);
    const awaiting = this.#awaitedBy(caller, server);
    if (awaiting.has(kind)) return;
    awaiting.add(kind);
    asked.then(() => {
      late.delete(place);
      hasCome();
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

/** Sessions that may have the same process of a server, so that its list is late for all of them. */
function placeOf(kind: ListKind, { id, cwd, capabilities }: Caller): string {
  return JSON.stringify(cwd === undefined || capabilities?.roots ? [kind, id] : [kind, null, cwd]);
}
