import { getLogger } from "@logtape/logtape";
import type { Caller } from "../call/call.ts";
import type { ListChangeFilter } from "../call/list_changes.ts";
import type { ListKind } from "../call/server.ts";
import type { ChangeCounts } from "./change_counts.ts";
import { compareLists, completed, type ListChange, type ShownList } from "./shown_list.ts";

const log = getLogger(["exai", "router"]);

/** Changes that come while lists are compared are compared again; a client is notified of a difference after so many. */
const MAX_COMPARISONS = 3;

interface ListChangesOptions {
  /** The list of `kind` that `caller` would be shown now. */
  preview(kind: ListKind, caller: Caller): Promise<ShownList>;
  counts: ChangeCounts;
}

/** What one session was shown of one kind of list. */
interface ListState {
  /** The last list it was shown; undefined: none that can be compared. */
  shown: ShownList | undefined;
  /** The last change that it was notified of since. */
  notified: ShownList | undefined;
  /** Requests for the list that are not answered. */
  running: number;
  /** Notifications held back until those are answered, by method. */
  held: Map<string, HeldChange>;
}

interface HeldChange {
  kinds: readonly ListKind[];
  notify: () => void;
}

/** How a list differs from the one that was shown; `now` is undefined when it cannot be compared. */
interface Difference {
  changes: readonly ListChange[];
  now: ShownList | undefined;
}

/** A comparison in progress; `isOutdated` when there was another change meanwhile. */
interface Comparison {
  isOutdated: boolean;
}

/**
 * Notifies a client of changed lists only when the list it would be shown is another than the one it was shown: its
 * prompt cache breaks with each. A client that has not requested a list has none that could be out of date.
 */
export class ListChanges implements ListChangeFilter {
  readonly #options: ListChangesOptions;
  /** Keyed by the object, not by the id: a later session may have the same id. */
  readonly #states = new WeakMap<Caller, Map<ListKind, ListState>>();
  readonly #comparing = new WeakMap<Caller, Map<string, Comparison>>();
  readonly #ended = new WeakSet<Caller>();

  constructor(options: ListChangesOptions) {
    this.#options = options;
  }

  /** Runs `list`, which answers a request of `caller` for the list of `kind`, and keeps what it shows. */
  async show<T>(
    kind: ListKind,
    caller: Caller,
    list: () => Promise<{ answer: T; shown: ShownList | undefined }>,
  ): Promise<T> {
    const state = this.#stateOf(kind, caller);
    state.running++;
    try {
      const { answer, shown } = await list();
      state.shown = shown;
      state.notified = undefined;
      return answer;
    } finally {
      state.running--;
      if (state.running === 0) this.#release(state, caller);
    }
  }

  changed(caller: Caller, kinds: readonly ListKind[], notify: () => void): void {
    const states = this.#states.get(caller);
    const requested = kinds.filter((kind) => states?.has(kind));
    if (requested.length === 0 || this.#ended.has(caller)) return;
    // Its answer may be from before the change.
    const running = requested.find((kind) => states!.get(kind)!.running > 0);
    if (running) return void states!.get(running)!.held.set(kinds.join(), { kinds, notify });
    const comparing = this.#comparing.get(caller) ?? new Map<string, Comparison>();
    this.#comparing.set(caller, comparing);
    const current = comparing.get(kinds.join());
    if (current) return void (current.isOutdated = true);
    const comparison = { isOutdated: false };
    comparing.set(kinds.join(), comparison);
    this.#compare(caller, { kinds: requested, notify }, comparison)
      .catch((thrown) => log.debug("a change of lists cannot be notified: {thrown}", { thrown }))
      .finally(() => comparing.delete(kinds.join()));
  }

  /** Drops the state of a session that has ended. */
  forget(caller: Caller): void {
    this.#ended.add(caller);
    this.#states.delete(caller);
  }

  async #compare(caller: Caller, { kinds, notify }: HeldChange, comparison: Comparison): Promise<void> {
    const states = kinds.map((kind) => this.#stateOf(kind, caller));
    for (let round = 1;; round++) {
      comparison.isOutdated = false;
      const before = states.map(({ shown }) => shown);
      const differences = await Promise.all(kinds.map((kind) => this.#differenceOf(kind, caller)));
      if (this.#ended.has(caller)) return;
      const running = states.find((state) => state.running > 0);
      if (running) return void running.held.set(kinds.join(), { kinds, notify });
      const changes = differences.flatMap((difference) => difference?.changes ?? []);
      const isOutdated = comparison.isOutdated || states.some(({ shown }, i) => shown !== before[i]);
      // Each further round is due to a further change, so this ends when changes do.
      if (isOutdated && (changes.length === 0 || round < MAX_COMPARISONS)) continue;
      if (changes.length === 0) return;
      for (const [i, difference] of differences.entries()) states[i]!.notified = difference?.now;
      this.#options.counts.add(changes);
      return notify();
    }
  }

  /** How the list of `kind` differs from what the client was shown, unless it was notified of that already. */
  async #differenceOf(kind: ListKind, caller: Caller): Promise<Difference | undefined> {
    const { shown, notified } = this.#stateOf(kind, caller);
    const unknown: Difference = { changes: [{ cause: "changed", server: caller.server }], now: undefined };
    if (!shown) return unknown;
    try {
      const now = completed(await this.#options.preview(kind, caller), shown);
      const changes = compareLists(shown, now);
      const isKnown = changes.length === 0 || (notified && compareLists(notified, now).length === 0);
      return isKnown ? undefined : { changes, now };
    } catch (thrown) {
      // What cannot be compared may have changed.
      log.debug("the list of {kind} cannot be compared: {thrown}", { kind, thrown });
      return unknown;
    }
  }

  #release(state: ListState, caller: Caller): void {
    const held = [...state.held.values()];
    state.held.clear();
    for (const { kinds, notify } of held) this.changed(caller, kinds, notify);
  }

  #stateOf(kind: ListKind, caller: Caller): ListState {
    const states = this.#states.get(caller) ?? new Map<ListKind, ListState>();
    if (!this.#ended.has(caller)) this.#states.set(caller, states);
    let state = states.get(kind);
    if (!state) {
      state = { shown: undefined, notified: undefined, running: 0, held: new Map() };
      states.set(kind, state);
    }
    return state;
  }
}
