/** Stops the clock that measures how long something takes (`monotonicNow`), so that a test says when time passes. */
export class SteadyClock implements Disposable {
  // Whole numbers, so that differences are exact.
  readonly #originMs = Math.floor(performance.timeOrigin);
  #nowMs = Math.ceil(performance.now());

  constructor() {
    Object.defineProperty(performance, "now", { value: () => this.#nowMs, configurable: true });
    Object.defineProperty(performance, "timeOrigin", { value: this.#originMs, configurable: true });
  }

  /** Now, as `monotonicNow` tells it. */
  get nowMs(): number {
    return this.#originMs + this.#nowMs;
  }

  pass(ms: number): void {
    this.#nowMs += ms;
  }

  [Symbol.dispose](): void {
    Reflect.deleteProperty(performance, "now");
    Reflect.deleteProperty(performance, "timeOrigin");
  }
}
