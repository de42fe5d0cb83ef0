import { SECOND_MS } from "../../base/units.ts";
import type { ToolContext } from "../tool.ts";

/** Many clients time a call out after a minute without progress; a model that reasons silently takes longer. */
const HEARTBEAT_INTERVAL_MS = 15 * SECOND_MS;

/** Returns a function that sends messages as progress, each with the next count (MCP basic/utilities/progress). */
export function progressSender(context: ToolContext): (message: string) => void {
  let progress = 0;
  return (message) => context.progress({ progress: ++progress, message });
}

/** Forwards progress messages, and sends its own whenever none came for an interval. Disposing it stops that. */
export class ProgressHeartbeat implements Disposable {
  readonly #forward: (message: string) => void;
  readonly #intervalMs: number;
  readonly #startedMs = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isDisposed = false;

  constructor(forward: (message: string) => void, intervalMs = HEARTBEAT_INTERVAL_MS) {
    this.#forward = forward;
    this.#intervalMs = intervalMs;
    this.#restart();
  }

  readonly send = (message: string): void => {
    this.#forward(message);
    this.#restart();
  };

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    clearTimeout(this.#timer);
  }

  #restart(): void {
    clearTimeout(this.#timer);
    if (this.#isDisposed) return;
    this.#timer = setTimeout(() => {
      const seconds = Math.round((performance.now() - this.#startedMs) / SECOND_MS);
      this.send(`still waiting for the answer (${seconds} s)`);
    }, this.#intervalMs);
  }
}
