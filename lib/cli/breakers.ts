import { ServerBreaker } from "../admission/breaker.ts";
import type { Server } from "../call/server.ts";
import type { Settings } from "../config/settings.ts";

/** The breakers of the mounted servers. */
export class Breakers {
  readonly #settings: Pick<Settings, "breakerFailures" | "breakerOpenMs" | "callTimeoutMs">;
  readonly #byServer = new WeakMap<Server, ServerBreaker>();
  readonly #onchange: () => void;

  constructor(
    settings: Pick<Settings, "breakerFailures" | "breakerOpenMs" | "callTimeoutMs">,
    onchange: () => void,
  ) {
    this.#settings = settings;
    this.#onchange = onchange;
  }

  /** The breaker of `server`; undefined when the settings want none. */
  of(server: Server): ServerBreaker | undefined {
    const { breakerFailures, breakerOpenMs, callTimeoutMs } = this.#settings;
    if (breakerFailures === 0) return undefined;
    let breaker = this.#byServer.get(server);
    if (!breaker) {
      breaker = new ServerBreaker({
        name: server.name,
        failures: breakerFailures,
        openMs: breakerOpenMs,
        callTimeoutMs: server.callTimeoutMs ?? callTimeoutMs,
        onchange: this.#onchange,
      });
      this.#byServer.set(server, breaker);
    }
    return breaker;
  }

  /** What is wrong with `servers`, each in a sentence. */
  faults(servers: readonly Server[]): string[] {
    return servers.flatMap((server) => this.of(server)?.fault ?? []);
  }

  /** Forgets every failure of `servers`. */
  reset(servers: readonly Server[]): void {
    for (const server of servers) this.of(server)?.reset();
  }
}
