import type { Caller } from "../call/call.ts";
import { listChangedMethod } from "../call/list_changes.ts";
import type { ListKind } from "../call/server.ts";

/** Lists that arrive so shortly after one another are one change to a client, which lists again after each. */
const TOGETHER_MS = 50;

/** Notifies sessions that lists they have missed can be had now. */
export class ListNotices {
  readonly #pending = new Map<Caller, Set<string>>();

  /** Notifies a session soon, once for all lists of a method. */
  add(kind: ListKind, caller: Caller): void {
    const method = listChangedMethod(kind);
    const methods = this.#pending.get(caller);
    if (methods) return void methods.add(method);
    this.#pending.set(caller, new Set([method]));
    setTimeout(() => this.#send(caller), TOGETHER_MS);
  }

  /** Drops what a session that has ended was to be told. */
  forget(caller: Caller): void {
    this.#pending.delete(caller);
  }

  #send(caller: Caller): void {
    const methods = this.#pending.get(caller) ?? [];
    this.#pending.delete(caller);
    for (const method of methods) caller.notify(method);
  }
}
