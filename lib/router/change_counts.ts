import type { ChangeCause, ListChange } from "./shown_list.ts";

/** Causes that are counted apart; further ones are counted without their server. */
const MAX_CAUSES = 500;

/** How often clients were notified for one cause. */
interface ChangeCount {
  cause: ChangeCause;
  server: string | undefined;
  count: number;
  lastAt: Date;
}

/** How often clients were notified that a list has changed, and why. */
export class ChangeCounts {
  readonly #counts = new Map<string, ChangeCount>();
  #total = 0;

  /** Counts one notification. */
  add(changes: readonly ListChange[]): void {
    this.#total++;
    for (
      const change of new Map(changes.map((change) => [`${change.cause} ${change.server}`, change])).values()
    ) {
      this.#add(change);
    }
  }

  /** Notifications, each once; one for which there are several causes is counted for each of these in `causes`. */
  get total(): number {
    return this.#total;
  }

  get causes(): readonly ChangeCount[] {
    return [...this.#counts.values()].sort((a, b) => b.lastAt.getTime() - a.lastAt.getTime());
  }

  #add({ cause, server }: ListChange): void {
    const key = `${cause} ${server}`;
    let count = this.#counts.get(key);
    if (!count) {
      const isFull = this.#counts.size >= MAX_CAUSES && server !== undefined;
      if (isFull) return this.#add({ cause, server: undefined });
      this.#counts.set(key, count = { cause, server, count: 0, lastAt: new Date() });
    }
    count.count++;
    count.lastAt = new Date();
  }
}
