import { getLogger } from "@logtape/logtape";
import { AgentRunner } from "../agent/agent_runner.ts";
import type { Agents } from "../agent/agents.ts";
import { type ClinkWatch, NO_CLINK, watchClink } from "../config/clink_watch.ts";
import { formatFault } from "../config/config_fault.ts";
import { isStartedByShim } from "../config/daemon_environment.ts";
import type { StatePaths } from "../config/paths.ts";

const log = getLogger(["exai", "config"]);

/** The agents of the presets and `clink.json`, updated when the file changes. */
export class ConfiguredAgents implements AsyncDisposable {
  readonly #runner: AgentRunner;
  #watch: ClinkWatch | undefined;

  private constructor(env: Record<string, string>) {
    this.#runner = new AgentRunner({
      env,
      login: isStartedByShim() ? env : undefined,
      clink: () => this.#watch?.current ?? NO_CLINK,
    });
  }

  /** Sets up what the file at `paths.clink` names. A fault in the file disables only the entry it is in. */
  static async open(paths: StatePaths): Promise<ConfiguredAgents> {
    const env = Deno.env.toObject();
    const configured = new ConfiguredAgents(env);
    configured.#watch = await watchClink(paths.clink, () => configured.#logFaults(), {
      env,
      databaseDir: paths.home,
    });
    configured.#logFaults();
    return configured;
  }

  get agents(): Agents {
    return this.#runner;
  }

  /** Faults of the file, each in a sentence. */
  faults(): string[] {
    return this.#watch?.current.faults.map(formatFault) ?? [];
  }

  /** Reads the file now. */
  async reload(): Promise<void> {
    await this.#watch?.reload();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#watch?.[Symbol.asyncDispose]();
    await this.#runner[Symbol.asyncDispose]();
  }

  #logFaults(): void {
    for (const fault of this.faults()) log.error("{fault}", { fault });
  }
}
