import { fromFileUrl } from "@std/path";
import { freePort } from "../lib/free_port.ts";

/** The variable that tells `sampler.ts` where to listen. */
export const PROFILER_PORT = "EXAI_BENCH_PROFILER_PORT";

const SAMPLER = fromFileUrl(new URL("sampler.ts", import.meta.url));

/** What a function of a profile is, as V8 names it. */
export interface CallFrame {
  functionName: string;
  /** Empty for what is no function: `(idle)`, `(garbage collector)`. */
  url: string;
}

/** What V8's sampling profiler returns (DevTools protocol, `Profiler.Profile`). */
export interface CpuProfile {
  nodes: readonly { id: number; callFrame: CallFrame }[];
  /** Ids of nodes, one for each sample. */
  samples: readonly number[];
  /** Microseconds before each sample. */
  timeDeltas: readonly number[];
}

/** V8's sampling profiler in another process, which is started with {@linkcode denoFlags} and {@linkcode env}. */
export class Profiler {
  readonly denoFlags = ["--preload", SAMPLER];
  readonly env: Record<string, string>;
  readonly #url: string;

  constructor() {
    const port = freePort();
    this.env = { [PROFILER_PORT]: String(port) };
    this.#url = `http://127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    await (await fetch(`${this.#url}/start`)).json();
  }

  async stop(): Promise<CpuProfile> {
    const { profile } = await (await fetch(`${this.#url}/stop`)).json();
    return profile;
  }
}
