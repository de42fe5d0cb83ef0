/** Between two notifications of the same key. */
const PAUSE_MS = 100;

/**
 * Throttles the change notifications of a peer, for each key: the first runs at once, further ones at the end of a
 * pause, of which only the last. Each costs work for every listener and says no more than the one before it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { NotificationThrottle } from "./notification_throttle.ts";
 *
 * const seen: number[] = [];
 * const throttle = new NotificationThrottle();
 * for (const n of [1, 2, 3]) throttle.notify("tools", () => seen.push(n));
 * assertEquals(seen, [1]);
 * throttle.end();
 * assertEquals(seen, [1, 3]);
 * ```
 */
export class NotificationThrottle {
  /** The keys notified in the last pause, each with the notification that is due at its end. */
  readonly #pauses = new Map<string, { timer: ReturnType<typeof setTimeout>; trailing?: () => void }>();
  readonly #maxKeys: number;
  #isEnded = false;

  /** @param maxKeys how many keys are throttled; further ones are notified at once */
  constructor(maxKeys = 256) {
    this.#maxKeys = maxKeys;
  }

  /** Runs `notify` for the change `key`, now or at the end of the pause. */
  notify(key: string, notify: () => void): void {
    const pause = this.#pauses.get(key);
    if (pause) pause.trailing = notify;
    else {
      this.#startPause(key);
      notify();
    }
  }

  /** Runs what is due, and from now on everything at once: the peer is gone. */
  end(): void {
    this.#isEnded = true;
    const pauses = [...this.#pauses.values()];
    this.#pauses.clear();
    for (const { timer, trailing } of pauses) {
      clearTimeout(timer);
      trailing?.();
    }
  }

  #startPause(key: string): void {
    if (this.#isEnded || this.#pauses.size >= this.#maxKeys) return;
    this.#pauses.set(key, { timer: setTimeout(() => this.#endPause(key), PAUSE_MS) });
  }

  #endPause(key: string): void {
    const trailing = this.#pauses.get(key)?.trailing;
    this.#pauses.delete(key);
    if (trailing) this.notify(key, trailing);
  }
}
