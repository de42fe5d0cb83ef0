import { messageOf } from "../../lib/base/errors.ts";
import { isEnding } from "../lib/held.ts";
import { drive, type Round } from "./drive.ts";
import type { LoadResult } from "./result.ts";
import { percentile } from "./stats.ts";
import type { Exchange, Fleet, Shape, Subject, Window } from "./subject.ts";
import { cpuMs } from "./usage.ts";

export interface WorkOptions {
  durationMs: number;
  /** Work of the same kind done before the first round, not counted. */
  warmUpMs: number;
  minCalls?: number;
}

interface Tally {
  exchanges: Exchange[];
  rounds: Round[];
  cpuMs: number | undefined;
  failure?: string;
}

/** One subject, running, with all its windows open, and what it has done so far. */
export class Contestant implements AsyncDisposable {
  readonly subject: Subject;
  readonly #roots: readonly number[];
  readonly #windows: readonly Window[];
  readonly #stack: AsyncDisposableStack;
  readonly #tallies = new Map<Shape, Tally>();

  private constructor(
    subject: Subject,
    fleet: Fleet,
    parts: { windows: Window[]; stack: AsyncDisposableStack },
  ) {
    this.subject = subject;
    this.#windows = parts.windows;
    this.#stack = parts.stack;
    this.#roots = [...fleet.roots, ...parts.windows.flatMap(({ roots }) => roots)];
  }

  /** Starts `subject` with as many windows as its work needs. */
  static async start(subject: Subject): Promise<Contestant> {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(await subject.open());
    const windows: Window[] = [];
    const wanted = Math.max(...subject.shapes.map((shape) => shape.windows));
    while (windows.length < wanted) windows.push(stack.use(await fleet.openWindow()));
    return new Contestant(subject, fleet, { windows, stack: stack.move() });
  }

  /** One round of `shape`; after a failure it is not run again. */
  async work(shape: Shape, options: WorkOptions): Promise<void> {
    const tally = this.#tallyOf(shape);
    if (tally.failure !== undefined) return;
    const { inflight } = shape;
    const { durationMs, warmUpMs, minCalls } = options;
    try {
      if (tally.rounds.length === 0) await drive(tally.exchanges, { inflight, durationMs: warmUpMs });
      const beforeMs = await cpuMs(this.#roots);
      tally.rounds.push(await drive(tally.exchanges, { inflight, durationMs, minCalls }));
      const afterMs = await cpuMs(this.#roots);
      if (beforeMs === undefined || afterMs === undefined) tally.cpuMs = undefined;
      else if (tally.cpuMs !== undefined) tally.cpuMs += afterMs - beforeMs;
    } catch (thrown) {
      if (isEnding()) throw thrown;
      tally.failure = messageOf(thrown);
    }
  }

  results(): LoadResult[] {
    return [...this.#tallies].map(([shape, tally]) => summarise(shape, tally));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  #tallyOf(shape: Shape): Tally {
    let tally = this.#tallies.get(shape);
    if (!tally) {
      const windows = this.#windows.slice(0, shape.windows);
      const exchanges = windows.map((window) => window.exchange(shape.payloadBytes));
      tally = { exchanges, rounds: [], cpuMs: 0 };
      this.#tallies.set(shape, tally);
    }
    return tally;
  }
}

function summarise(shape: Shape, { rounds, cpuMs, failure }: Tally): LoadResult {
  const latencies = Float64Array.from(rounds.flatMap(({ latenciesMs }) => latenciesMs)).sort();
  const elapsedMs = rounds.reduce((sum, round) => sum + round.elapsedMs, 0);
  return {
    shape,
    ...(failure === undefined ? {} : { failure }),
    calls: latencies.length,
    p50Ms: percentile(latencies, 50),
    p99Ms: percentile(latencies, 99),
    callsPerSecond: (latencies.length / elapsedMs) * 1000,
    rounds: rounds.map((round) => (round.latenciesMs.length / round.elapsedMs) * 1000),
    ...(cpuMs === undefined ? {} : { cpuUsPerCall: (cpuMs / latencies.length) * 1000 }),
  };
}
