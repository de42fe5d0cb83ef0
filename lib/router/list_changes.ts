import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import type { ListChangeFilter } from "../call/list_changes.ts";
import type { ListKind } from "../call/server.ts";
import type { ChangeCounts } from "./change_counts.ts";
import { compareLists, completed, type ListChange, type ShownList } from "./shown_list.ts";

const log = getLogger(["exai", "router"]);

/** Changes that come while lists are compared are compared again, so often at most. */
const MAX_COMPARISONS = 3;

/** When lists are looked at once more that changed during the last comparison. A server may announce a change each time. */
const LAST_LOOK_MS = SECOND_MS / 2;

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
  /** Whether it is looked at once more, and not again. */
  isLast?: boolean;
}

/** How a list differs from the one that was shown; `now` is undefined when it cannot be compared. */
interface Difference {
  changes: readonly ListChange[];
  now: ShownList | undefined;
}

/** A comparison in progress, until it is disposed; `isOutdated` when there was another change meanwhile. */
interface Comparison extends Disposable {
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
    this.#changed(caller, { kinds, notify });
  }

  #changed(caller: Caller, change: HeldChange): void {
    const { kinds } = change;
    const states = this.#states.get(caller);
    const requested = kinds.filter((kind) => states?.has(kind));
    if (requested.length === 0 || this.#ended.has(caller)) return;
    // Its answer may be from before the change.
    const running = requested.find((kind) => states!.get(kind)!.running > 0);
    if (running) return void states!.get(running)!.held.set(kinds.join(), change);
    const comparing = this.#comparing.get(caller) ?? new Map<string, Comparison>();
    this.#comparing.set(caller, comparing);
    const key = kinds.join();
    const current = comparing.get(key);
    if (current) return void (current.isOutdated = true);
    const comparison = { isOutdated: false, [Symbol.dispose]: () => void comparing.delete(key) };
    comparing.set(key, comparison);
    this.#compare(caller, { ...change, kinds: requested }, comparison)
      .catch((thrown) => log.debug("a change of lists cannot be notified: {thrown}", { thrown }));
  }

  /** Drops the state of a session that has ended. */
  forget(caller: Caller): void {
    this.#ended.add(caller);
    this.#states.delete(caller);
  }

  async #compare(caller: Caller, change: HeldChange, begun: Comparison): Promise<void> {
    // It ends with the last look, so that no change comes between.
    using comparison = begun;
    const { kinds, notify, isLast } = change;
    const states = kinds.map((kind) => this.#stateOf(kind, caller));
    for (let round = 1;; round++) {
      comparison.isOutdated = false;
      const before = states.map(({ shown }) => shown);
      const differences = await Promise.all(kinds.map((kind) => this.#differenceOf(kind, caller)));
      if (this.#ended.has(caller)) return;
      const running = states.find((state) => state.running > 0);
      if (running) return void running.held.set(kinds.join(), change);
      const changes = differences.flatMap((difference) => difference?.changes ?? []);
      const isOutdated = comparison.isOutdated || states.some(({ shown }, i) => shown !== before[i]);
      if (isOutdated && round < MAX_COMPARISONS) continue;
      if (changes.length === 0) return isOutdated && !isLast ? this.#lookOnceMore(caller, change) : undefined;
      for (const [i, difference] of differences.entries()) states[i]!.notified = difference?.now;
      this.#options.counts.add(changes);
      return notify();
    }
  }

  #lookOnceMore(caller: Caller, change: HeldChange): void {
    void delay(LAST_LOOK_MS, { persistent: false }).then(() =>
      this.#changed(caller, { ...change, isLast: true })
    );
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
    for (const change of held) this.#changed(caller, change);
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
