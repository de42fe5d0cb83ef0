import { deadline } from "@std/async/deadline";
import type { Exchange } from "./subject.ts";

/** What one round of work took. */
export interface Round {
  latenciesMs: number[];
  elapsedMs: number;
}

export interface DriveOptions {
  /** Calls each exchange has in flight. */
  inflight: number;
  durationMs: number;
  /** Calls made even if they take longer. */
  minCalls?: number;
}

/** After so long without its end a round has failed. */
const HANG_MS = 30_000;

/** Keeps every exchange busy for a time, each caller waiting for its answer before it asks again. */
export async function drive(exchanges: readonly Exchange[], options: DriveOptions): Promise<Round> {
  const { inflight, durationMs, minCalls = 1 } = options;
  const latenciesMs: number[] = [];
  const startedMs = performance.now();
  const endMs = startedMs + durationMs;
  const caller = async (exchange: Exchange) => {
    let beforeMs = performance.now();
    do {
      await exchange();
      const afterMs = performance.now();
      latenciesMs.push(afterMs - beforeMs);
      beforeMs = afterMs;
    } while (beforeMs < endMs || latenciesMs.length < minCalls);
  };
  const callers = exchanges.flatMap((exchange) => Array.from({ length: inflight }, () => caller(exchange)));
  await deadline(Promise.all(callers), durationMs + HANG_MS).catch((thrown: unknown) => {
    const isLate = thrown instanceof DOMException && thrown.name === "TimeoutError";
    throw isLate ? new Error(`a call had no answer for ${HANG_MS / 1000} s`) : thrown;
  });
  return { latenciesMs, elapsedMs: performance.now() - startedMs };
}
