import { SECOND_MS } from "../base/units.ts";
import type { ModelRouter } from "../provider/model_router.ts";
import { providedNeeds } from "../tool/window_tools.ts";

/** How often to look whether a model has come or gone. */
const LOOK_EVERY_MS = 30 * SECOND_MS;

interface ModelPresenceOptions {
  /** Called when a model, or Kimi, has come or gone: other tools can work now. */
  onTurn(): void;
  everyMs?: number;
}

/**
 * Notices when what the tools need is there or not. Only while no model is there, providers are asked for their models: a
 * local server may have been started since, and no call comes that would find it.
 */
export class ModelPresence implements Disposable {
  readonly #models: ModelRouter;
  readonly #onTurn: () => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #last: string;

  constructor(models: ModelRouter, { onTurn, everyMs = LOOK_EVERY_MS }: ModelPresenceOptions) {
    this.#models = models;
    this.#onTurn = onTurn;
    this.#last = this.#now;
    this.#timer = setInterval(() => void this.#look(everyMs), everyMs);
    void this.#look(everyMs);
  }

  /** Compares what is there with what was there; call it when the configuration has changed. */
  check(): void {
    const now = this.#now;
    if (now === this.#last) return;
    this.#last = now;
    this.#onTurn();
  }

  async #look(maxAgeMs: number): Promise<void> {
    if (!providedNeeds(this.#models).has("model")) await this.#models.ensureFresh(maxAgeMs / 2);
    this.check();
  }

  get #now(): string {
    return [...providedNeeds(this.#models)].join();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
