/** Holds timers back: a test says when each is over. */
export class HeldTimers implements Disposable {
  /** Those that are not over, the first to be set first. */
  readonly waiting: (() => void)[] = [];
  readonly #setTimeout = globalThis.setTimeout;

  /** `held`: the length of those it holds, or whether it holds those of a length. */
  constructor(held: number | ((ms: number) => boolean)) {
    const isHeld = typeof held === "number" ? (ms: number) => ms === held : held;
    const set = this.#setTimeout;
    globalThis.setTimeout = ((run: () => void, ms?: number) =>
      // What clears it must not clear another by its number.
      isHeld(ms ?? 0) ? -this.waiting.push(run) : set(run, ms)) as typeof setTimeout;
  }

  /** The first of them is over. */
  pass(): void {
    this.waiting.shift()!();
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#setTimeout;
  }
}
