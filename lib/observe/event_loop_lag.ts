const SAMPLE_MS = 1000;
const SAMPLES_KEPT = 15;

/**
 * Measures how late timers fire: how long the event loop was blocked. (`monitorEventLoopDelay` of `node:perf_hooks` reports
 * no delay in Deno 2.9 while the loop is blocked.)
 */
export class EventLoopLagMonitor implements Disposable {
  readonly #lagsMs: number[] = [];
  readonly #timer: ReturnType<typeof setInterval>;
  #expectedMs = performance.now() + SAMPLE_MS;

  constructor() {
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** The longest delay of the last 15 s, in milliseconds. */
  get worstMs(): number {
    return Math.max(0, ...this.#lagsMs);
  }

  #sample(): void {
    const nowMs = performance.now();
    this.#lagsMs.push(nowMs - this.#expectedMs);
    if (this.#lagsMs.length > SAMPLES_KEPT) this.#lagsMs.shift();
    this.#expectedMs = nowMs + SAMPLE_MS;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
