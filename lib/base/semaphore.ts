/** Bounds how many pieces of work run at once; the others wait in order. */
export class Semaphore {
  readonly #maxRunning: number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(maxRunning: number) {
    this.#maxRunning = maxRunning;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#maxRunning) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      return await work();
    } finally {
      // The next waiter takes over the permit.
      const next = this.#waiting.shift();
      if (next) next();
      else this.#running--;
    }
  }
}
