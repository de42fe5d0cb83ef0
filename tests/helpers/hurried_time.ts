/** Makes timers run at once, and notes how long each was to take. */
export class HurriedTime implements Disposable {
  /** What timers were set for, in milliseconds, in the order they were set. */
  readonly delaysMs: number[] = [];
  readonly #setTimeout = globalThis.setTimeout;
  readonly #random = Math.random;

  /** `isHurried`: which timers run at once; those of the others as ever. */
  constructor(isHurried: (ms: number) => boolean = () => true) {
    Math.random = () => 1;
    const set = this.#setTimeout;
    globalThis.setTimeout = ((run: () => void, ms = 0) => {
      if (!isHurried(ms)) return set(run, ms);
      this.delaysMs.push(ms);
      return set(run, 0);
    }) as typeof setTimeout;
  }

  [Symbol.dispose](): void {
    globalThis.setTimeout = this.#setTimeout;
    Math.random = this.#random;
  }
}
