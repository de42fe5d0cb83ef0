/** Stops the clock that measures how long something takes (`steadyNow`), so that a test says when time passes. */
export class SteadyClock implements Disposable {
  // Whole, so that differences are exact.
  #nowMs = Math.ceil(performance.now());

  constructor() {
    Object.defineProperty(performance, "now", { value: () => this.#nowMs, configurable: true });
  }

  /** Now, as `steadyNow` tells it. */
  get nowMs(): number {
    return performance.timeOrigin + this.#nowMs;
  }

  pass(ms: number): void {
    this.#nowMs += ms;
  }

  [Symbol.dispose](): void {
    Reflect.deleteProperty(performance, "now");
  }
}
