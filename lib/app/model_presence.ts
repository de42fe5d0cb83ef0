import type { Agents } from "../agent/agents.ts";
import { SECOND_MS } from "../base/units.ts";
import type { ModelRouter } from "../provider/model_router.ts";
import { providedNeeds } from "../tool/window_tools.ts";

/** How often to look whether a model has come or gone. */
const LOOK_EVERY_MS = 30 * SECOND_MS;

interface ModelPresenceOptions {
  agents: Agents;
  /** Called when a model, Kimi or the first agent has come or gone: other tools can work now. */
  onTurn(): void;
  everyMs?: number;
}

/**
 * Notices when what the tools need comes or goes. Agents are looked for only while there is none, and providers are asked
 * for their models only while there is no model: a local server may have been started since, and no call comes that
 * would find it.
 */
export class ModelPresence implements Disposable {
  readonly #models: ModelRouter;
  readonly #agents: Agents;
  readonly #onTurn: () => void;
  readonly #timer: ReturnType<typeof setInterval>;
  #last: string;

  constructor(models: ModelRouter, { agents, onTurn, everyMs = LOOK_EVERY_MS }: ModelPresenceOptions) {
    this.#models = models;
    this.#agents = agents;
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
    const [models, agents] = [this.#models, this.#agents];
    const met = providedNeeds({ models, agents });
    // Whether there is one is known once they are looked for.
    if (!met.has("agent")) await agents.list();
    if (!met.has("model")) await models.ensureFresh(maxAgeMs / 2);
    this.check();
  }

  get #now(): string {
    return [...providedNeeds({ models: this.#models, agents: this.#agents })].join();
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }
}
