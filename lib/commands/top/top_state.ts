import { KnownState } from "../../admin/known_state.ts";
import type { WatchEvent } from "../../admin/watch_event.ts";
import { isObject, parseJson } from "../../base/json.ts";

/** What `top` knows of the daemon: with a number for each window, as its name is too long for the head of a column. */
export class TopState extends KnownState {
  readonly #numbers = new Map<string, number>();

  /** The number of a window, which it has while it is open. */
  numberOf(session: string): number {
    return this.#numbers.get(session) ?? 0;
  }

  override take(event: WatchEvent): void {
    super.take(event);
    if (event.type === "sessions") this.#number();
  }

  #number(): void {
    for (const session of this.#numbers.keys()) {
      if (!this.sessions.has(session)) this.#numbers.delete(session);
    }
    const taken = new Set(this.#numbers.values());
    const news = [...this.sessions.values()].filter(({ session }) => !this.#numbers.has(session));
    news.sort((a, b) => a.started_at.localeCompare(b.started_at));
    let next = 1;
    for (const { session } of news) {
      while (taken.has(next)) next++;
      this.#numbers.set(session, next++);
    }
  }
}

/** One line of the stream; undefined where it is none. */
export function watchEvent(line: string): WatchEvent | undefined {
  const value = parseJson(line);
  return isObject(value) && typeof value.type === "string" ? value as unknown as WatchEvent : undefined;
}
