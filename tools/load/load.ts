import { deadline } from "@std/async/deadline";
import { delay } from "@std/async/delay";
import type { CallOptions, LoadWindow } from "./window.ts";

/** How the windows of a load call. */
export interface LoadOptions {
  /** Calls each window has in flight. */
  inflight: number;
  /** The next call of a window. */
  nextCall(): CallOptions;
  /** Pause before the next call after one that failed, so that a refusal is not answered by a flood. */
  failedPauseMs?: number;
}

/** Windows that call until they are stopped. */
export class Load {
  readonly #windows: readonly LoadWindow[];
  readonly #callers: Promise<void>[];
  #stopped = false;

  constructor(windows: readonly LoadWindow[], options: LoadOptions) {
    this.#windows = windows;
    const { inflight } = options;
    this.#callers = windows.flatMap((window) =>
      Array.from({ length: inflight }, () => this.#keepCalling(window, options))
    );
  }

  /**
   * Resolves when each window has had an answer to a call it made from now on.
   *
   * @throws naming the windows that have not, after `timeoutMs`
   */
  async flows(timeoutMs: number): Promise<void> {
    const left = new Set(this.#windows.map(({ name }) => name));
    const all = this.#windows.map((window) => window.nextGood().then(() => left.delete(window.name)));
    await deadline(Promise.all(all), timeoutMs).catch(() => {
      throw new Error(`no call of ${[...left].join(", ")} succeeds for ${timeoutMs / 1000} s`);
    });
  }

  /** Stops calling and waits for the pending answers; a call without one after `timeoutMs` is lost. */
  async stop(timeoutMs: number): Promise<void> {
    this.#stopped = true;
    await deadline(Promise.all(this.#callers), timeoutMs).catch(() => {});
  }

  async #keepCalling(window: LoadWindow, { nextCall, failedPauseMs = 20 }: LoadOptions): Promise<void> {
    while (!this.#stopped) {
      const outcome = await window.call(nextCall());
      if (outcome !== "ran") await delay(failedPauseMs);
    }
  }
}
