import type { Caller } from "../call/call.ts";
import { notifyCallers } from "../call/list_changes.ts";
import type { WantedList } from "./late_lists.ts";

/** Lists that arrive so shortly after one another are one change to a client, which lists again after each. */
const TOGETHER_MS = 50;

/** Notifies sessions that lists they have missed can be had now. */
export class ListNotices {
  readonly #isMissed: (wanted: WantedList) => boolean;
  readonly #pending = new Map<Caller, WantedList[]>();

  /** @param isMissed whether a session has still not been shown the list */
  constructor(isMissed: (wanted: WantedList) => boolean) {
    this.#isMissed = isMissed;
  }

  /** Notifies a session soon, once for all lists of a method. */
  add(wanted: WantedList): void {
    const { caller } = wanted;
    const others = this.#pending.get(caller);
    if (others) return void others.push(wanted);
    this.#pending.set(caller, [wanted]);
    setTimeout(() => this.#send(caller), TOGETHER_MS);
  }

  /** Drops what a session that has ended was to be told. */
  forget(caller: Caller): void {
    this.#pending.delete(caller);
  }

  #send(caller: Caller): void {
    const wanted = this.#pending.get(caller) ?? [];
    this.#pending.delete(caller);
    const missed = wanted.filter((one) => this.#isMissed(one));
    notifyCallers(missed.map(({ kind, caller }) => [kind, caller]));
  }
}
