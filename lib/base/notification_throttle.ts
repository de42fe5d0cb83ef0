/** Between two tellings of the same change of a server. */
const PAUSE_MS = 100;

/**
 * Passes on that something of a peer has changed: the first time at once, then once each pause however often the peer
 * says it, and the last time always. Each telling costs work for all whom it concerns, and says no more than the one
 * before it.
 */
export class NotificationThrottle {
  /** What was told in this pause, and how to tell what came since. */
  readonly #pauses = new Map<string, { timer: ReturnType<typeof setTimeout>; again?: () => void }>();
  readonly #maxKeys: number;
  #hasEnded = false;

  /** @param maxKeys how many different changes are told apart; beyond that they are told at once */
  constructor(maxKeys = 256) {
    this.#maxKeys = maxKeys;
  }

  /** Runs `tell` for the change `key`, now or at the end of the pause; of several meanwhile the last. */
  notify(key: string, tell: () => void): void {
    const pause = this.#pauses.get(key);
    if (pause) pause.again = tell;
    else {
      this.#begin(key);
      tell();
    }
  }

  /** The peer is gone: tells what waits, and from now on everything at once. */
  end(): void {
    this.#hasEnded = true;
    const pauses = [...this.#pauses.values()];
    this.#pauses.clear();
    for (const { timer, again } of pauses) {
      clearTimeout(timer);
      again?.();
    }
  }

  #begin(key: string): void {
    if (this.#hasEnded || this.#pauses.size >= this.#maxKeys) return;
    this.#pauses.set(key, { timer: setTimeout(() => this.#end(key), PAUSE_MS) });
  }

  #end(key: string): void {
    const again = this.#pauses.get(key)?.again;
    this.#pauses.delete(key);
    if (again) this.notify(key, again);
  }
}
