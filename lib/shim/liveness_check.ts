interface LivenessOptions {
  /** Silence after which the daemon is pinged, while a response is pending. */
  intervalMs: number;
  /** Time for the response to that ping. */
  timeoutMs: number;
  /** Whether anything waits for the daemon. */
  isWaiting(): boolean;
  ping(): void;
  /** Called once, when the daemon has not answered the ping. */
  onUnresponsive(): void;
}

/**
 * Detects a daemon that is connected but does not answer, as a stopped process. Deno's WebSocket client neither sends
 * pings nor reports pongs, so an MCP `ping` is used. A connection nothing waits on is not checked.
 */
export class LivenessCheck {
  readonly #options: LivenessOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastActivityMs = 0;

  constructor(options: LivenessOptions) {
    this.#options = options;
  }

  /** A message was sent that the daemon answers. */
  watch(): void {
    if (this.#timer !== undefined) return;
    this.#lastActivityMs = performance.now();
    this.#wait(this.#options.intervalMs, () => this.#check());
  }

  /** A frame of the daemon has arrived. */
  activity(): void {
    this.#lastActivityMs = performance.now();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #check(): void {
    this.#timer = undefined;
    if (!this.#options.isWaiting()) return;
    const silentMs = performance.now() - this.#lastActivityMs;
    if (silentMs < this.#options.intervalMs) {
      return this.#wait(this.#options.intervalMs - silentMs, () => this.#check());
    }
    const pingedAtMs = performance.now();
    this.#options.ping();
    this.#wait(this.#options.timeoutMs, () => {
      if (this.#lastActivityMs < pingedAtMs) return this.#options.onUnresponsive();
      this.#check();
    });
  }

  #wait(ms: number, then: () => void): void {
    this.#timer = setTimeout(then, ms);
  }
}
