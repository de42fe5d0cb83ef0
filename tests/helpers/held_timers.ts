/** Holds timers of one length back: a test says when each is over. */
export class HeldTimers implements Disposable {
  /** Those that are not over, the first to be set first. */
  readonly waiting: (() => void)[] = [];
  readonly #setTimeout = globalThis.setTimeout;

  constructor(heldMs: number) {
    const set = this.#setTimeout;
    globalThis.setTimeout =
      ((run: () => void, ms?: number) =>
        ms === heldMs ? this.waiting.push(run) : set(run, ms)) as typeof setTimeout;
  }

  /** The first of them is over. */
  pass(): void {
    this.waiting.shift()!();
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#setTimeout;
  }
}
