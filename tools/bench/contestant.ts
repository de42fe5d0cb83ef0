import { messageOf } from "../../lib/base/errors.ts";
import { isEnding } from "../lib/held.ts";
import { treeOf } from "../lib/process_table.ts";
import { drive, type Round } from "./drive.ts";
import type { CpuPerCall, LoadResult } from "./result.ts";
import { median, percentile } from "./stats.ts";
import type { Exchange, Fleet, Shape, Subject, Window } from "./subject.ts";
import { CpuWatch, PeakMemory } from "./usage.ts";

export interface WorkOptions {
  durationMs: number;
  /** Work of the same kind done before the first round, not counted. */
  warmUpMs: number;
  minCalls?: number;
}

interface Tally {
  exchanges: Exchange[];
  rounds: Round[];
  cpu: CpuPerCall[];
  firstCallRssBytes?: number;
  peakRssBytes?: number;
  failure?: string;
}

/** One subject, running, with all its windows open, and what it has done so far. */
export class Contestant implements AsyncDisposable {
  readonly subject: Subject;
  readonly #shared: readonly number[];
  readonly #windows: readonly Window[];
  readonly #memory: PeakMemory | undefined;
  readonly #stack: AsyncDisposableStack;
  readonly #tallies = new Map<Shape, Tally>();

  private constructor(
    subject: Subject,
    fleet: Fleet,
    parts: { windows: Window[]; memory: PeakMemory | undefined; stack: AsyncDisposableStack },
  ) {
    this.subject = subject;
    this.#shared = fleet.roots;
    this.#windows = parts.windows;
    this.#memory = parts.memory;
    this.#stack = parts.stack;
  }

  /** Starts `subject` with as many windows as `shapes` need. */
  static async start(subject: Subject, shapes: readonly Shape[]): Promise<Contestant> {
    await using stack = new AsyncDisposableStack();
    const fleet = stack.use(await subject.open());
    const windows: Window[] = [];
    const wanted = Math.max(...shapes.map((shape) => shape.windows));
    while (windows.length < wanted) windows.push(stack.use(await fleet.openWindow()));
    const [shared] = fleet.roots;
    const memory = shared === undefined ? undefined : await PeakMemory.watch(shared);
    return new Contestant(subject, fleet, { windows, memory, stack: stack.move() });
  }

  /** One round of `shape`; after a failure it is not run again. */
  async work(shape: Shape, { durationMs, warmUpMs, minCalls }: WorkOptions): Promise<void> {
    const tally = this.#tallyOf(shape);
    if (tally.failure !== undefined) return;
    const { inflight } = shape;
    try {
      await this.#memory?.reset();
      if (tally.rounds.length === 0) {
        await drive(tally.exchanges, { inflight: 1, durationMs: 0 });
        tally.firstCallRssBytes = await this.#memory?.risenBytes();
        await drive(tally.exchanges, { inflight, durationMs: warmUpMs });
      }
      const watches = await this.#watchCpu(shape);
      const round = await drive(tally.exchanges, { inflight, durationMs, minCalls });
      const used = await Promise.all(watches.map((watch) => watch?.usedMs()));
      tally.rounds.push(round);
      const [all, ofWindows, ofShared] = used.map((ms) => ms && (ms / round.latenciesMs.length) * 1000);
      if (all !== undefined) tally.cpu.push({ allUs: all, windowsUs: ofWindows!, sharedUs: ofShared! });
      const risenBytes = await this.#memory?.risenBytes();
      if (risenBytes !== undefined) tally.peakRssBytes = Math.max(tally.peakRssBytes ?? 0, risenBytes);
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
      tally = { exchanges, rounds: [], cpu: [] };
      this.#tallies.set(shape, tally);
    }
    return tally;
  }

  /** Of all that `shape` keeps busy, of the windows in it, and of what they share. */
  async #watchCpu({ windows }: Shape): Promise<(CpuWatch | undefined)[]> {
    const own = this.#windows.slice(0, windows).flatMap(({ roots }) => roots);
    const [all, ofWindows] = await Promise.all([treeOf([...this.#shared, ...own]), treeOf(own)]);
    return await Promise.all([all, ofWindows, this.#shared].map((pids) => CpuWatch.start(pids)));
  }
}

function summarise(shape: Shape, tally: Tally): LoadResult {
  const { rounds, cpu, failure, firstCallRssBytes, peakRssBytes } = tally;
  const sorted = rounds.map(({ latenciesMs }) => Float64Array.from(latenciesMs).sort());
  const perSecond = rounds.map((round) => (round.latenciesMs.length / round.elapsedMs) * 1000);
  const middle = (figure: keyof CpuPerCall) => median(cpu.map((round) => round[figure]));
  return {
    shape,
    ...(failure === undefined ? {} : { failure }),
    calls: rounds.reduce((sum, round) => sum + round.latenciesMs.length, 0),
    p50Ms: median(sorted.map((latencies) => percentile(latencies, 50))),
    p99Ms: median(sorted.map((latencies) => percentile(latencies, 99))),
    callsPerSecond: median(perSecond),
    rounds: perSecond,
    ...(cpu.length === 0 ? {} : {
      cpu: { allUs: middle("allUs"), windowsUs: middle("windowsUs"), sharedUs: middle("sharedUs") },
    }),
    firstCallRssBytes,
    peakRssBytes,
  };
}
