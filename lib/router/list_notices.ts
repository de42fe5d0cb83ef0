import type { Caller } from "../call/call.ts";
import { notifyCallers } from "../call/list_changes.ts";
import type { ListKind } from "../call/server.ts";

/** Lists that arrive so shortly after one another are one change to a client, which lists again after each. */
const TOGETHER_MS = 50;

/**
 * Notifies sessions that lists they have missed can be had now. Whether one has been shown such a list meanwhile is
 * decided by `ListChanges`, as for every change: its calls read lists too, which its client never sees.
 */
export class ListNotices {
  readonly #pending = new Map<Caller, ListKind[]>();

  /** Notifies a session soon, once for all lists of a method. */
  add(caller: Caller, kind: ListKind): void {
    const others = this.#pending.get(caller);
    if (others) return void others.push(kind);
    this.#pending.set(caller, [kind]);
    setTimeout(() => this.#send(caller), TOGETHER_MS);
  }

  /** Drops what a session that has ended was to be told. */
  forget(caller: Caller): void {
    this.#pending.delete(caller);
  }

  #send(caller: Caller): void {
    const kinds = this.#pending.get(caller) ?? [];
    this.#pending.delete(caller);
    notifyCallers(kinds.map((kind) => [kind, caller]));
  }
}
