/** When silence is too long, and what to do then. */
interface LivenessOptions {
  /** Silence after which the daemon is pinged, while something waits for it. */
  intervalMs: number;
  /** How long it may leave that ping unanswered. */
  timeoutMs: number;
  /** Whether an answer is waited for at all. */
  isWaiting(): boolean;
  ping(): void;
  /** Called once: the daemon hangs. */
  onUnresponsive(): void;
}

/**
 * Notices a daemon that is there and does not answer, as a stopped process is: the built-in WebSocket client neither
 * sends pings nor tells of those it answers. A quiet connection nobody waits on is left alone.
 */
export class LivenessCheck {
  readonly #options: LivenessOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #heardAt = 0;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** Something was sent that will be answered. */
  watch(): void {
    if (this.#timer !== undefined) return;
    this.#heardAt = performance.now();
    this.#wait(this.#options.intervalMs, () => this.#check());
  }

  /** Something came from the daemon. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    this.#timer = undefined;
    if (!this.#options.isWaiting()) return;
    const silentMs = performance.now() - this.#heardAt;
    if (silentMs < this.#options.intervalMs) {
      return this.#wait(this.#options.intervalMs - silentMs, () => this.#check());
    }
    const askedAt = performance.now();
    this.#options.ping();
    this.#wait(this.#options.timeoutMs, () => {
      if (this.#heardAt < askedAt) return this.#options.onUnresponsive();
      this.#check();
    });
  }

  #wait(ms: number, then: () => void): void {
    this.#timer = setTimeout(then, ms);
  }
}
