import { delay } from "@std/async/delay";
import type { Root } from "../../call/call.ts";
import type { InstanceOptions } from "./instance_options.ts";

/** How long a server may take to answer the ping that shows whether it asks for roots. */
const PING_TIMEOUT_MS = 500;
/** Round trips, and the time after them, in which a server looks at the roots it was given. */
const PINGS_AFTER_ANSWER = 3;
const LOOK_MS = 25;

type StartRootsOptions = Pick<InstanceOptions, "roots" | "rootsAtStart" | "onRootsAsked">;

/**
 * The roots a server is told, and when it may be called. Servers ask for roots once they are initialized and look at
 * each before they allow anything in it, while they already take calls: a first call sent at once is answered as if
 * there were no roots.
 */
export class StartRoots {
  readonly #options: StartRootsOptions;
  #isStarting = true;
  #wasAsked = false;

  constructor(options: StartRootsOptions) {
    this.#options = options;
  }

  /** What a server that asks is told now; undefined: its session's client is asked. */
  get current(): readonly Root[] | "none" | undefined {
    return this.#options.roots ?? (this.#isStarting ? this.#options.rootsAtStart : undefined);
  }

  asked(): void {
    this.#wasAsked = true;
    this.#options.onRootsAsked?.();
  }

  /** Resolves when a server that asks for roots at its start has them, or does not answer pings. */
  async settle(ping: (timeoutMs: number) => Promise<unknown>): Promise<void> {
    const { current } = this;
    if (current !== undefined && current !== "none" && current.length > 0) {
      await this.#await(ping).catch(() => {});
    }
    this.#isStarting = false;
  }

  async #await(ping: (timeoutMs: number) => Promise<unknown>): Promise<void> {
    // Answered after what the server sent when it was initialized.
    await ping(PING_TIMEOUT_MS);
    if (!this.#wasAsked) return;
    for (let n = 0; n < PINGS_AFTER_ANSWER; n++) await ping(PING_TIMEOUT_MS);
    await delay(LOOK_MS);
  }
}
