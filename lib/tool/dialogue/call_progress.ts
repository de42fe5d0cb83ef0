import { SECOND_MS } from "../../base/units.ts";

/** Many clients give a call up after a minute without a word; a model that thinks in silence takes longer. */
const INTERVAL_MS = 15 * SECOND_MS;

/** Passes messages on, and says that the wait goes on whenever none came for a while. Disposing it ends that. */
export class ProgressHeartbeat implements Disposable {
  readonly #tell: (message: string) => void;
  readonly #intervalMs: number;
  readonly #begunMs = performance.now();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(send: (message: string) => void, intervalMs = INTERVAL_MS) {
    this.#tell = send;
    this.#intervalMs = intervalMs;
    this.#arm();
  }

  readonly tell = (message: string): void => {
    this.#tell(message);
    this.#arm();
  };

  [Symbol.dispose](): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  #arm(): void {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    this.#timer = setTimeout(() => {
      const seconds = Math.round((performance.now() - this.#begunMs) / SECOND_MS);
      this.tell(`still waiting for the answer (${seconds} s)`);
    }, this.#intervalMs);
  }
}
