import { currentWait } from "../call/wait.ts";
import type { JsonObject } from "../base/json.ts";
import type { CallRecord } from "../observe/call_record.ts";
import { matchesFilter } from "../observe/call_store.ts";
import type { RunningCall } from "../observe/running_calls.ts";
import { type CallControl, describeRunning } from "./call_control.ts";
import { callJson } from "./call_routes.ts";

/** Calls of one line that have ended, and as many that run. */
const MAX_CALLS = 500;

/** Durations of an interval of which the percentiles are exact. */
const MAX_DURATIONS = 4096;

/** Calls of one line. */
export interface CallChanges {
  calls: JsonObject[];
  leftOut: number;
  /** Whether these are all that run: ends were left out, and whoever was shown these calls would see them run for ever. */
  isWhole: boolean;
}

/** The figures of the calls that have ended in an interval. */
interface CallFigures {
  calls: number;
  failed: number;
  p50_ms?: number;
  p95_ms?: number;
}

/** The calls that began, wait or ended since they were last asked for. */
export class WatchedCalls implements Disposable {
  readonly #calls: Pick<CallControl, "running" | "subscribe">;
  readonly #subscription: Disposable;
  #ended: CallRecord[] = [];
  /** How many have ended, with those that are no longer in the list. */
  #endCount = 0;
  /** What was shown of each running call. */
  #shown = new Map<number, string>();
  #figures = new FiguresOfCalls();

  constructor(calls: Pick<CallControl, "running" | "subscribe">) {
    this.#calls = calls;
    this.#subscription = calls.subscribe((record) => {
      this.#figures.add(record);
      this.#endCount++;
      // The latest are worth more.
      if (this.#ended.push(record) >= 2 * MAX_CALLS) this.#ended = this.#ended.slice(-MAX_CALLS);
    });
  }

  /** How many have ended since {@linkcode takeChanges} was called. */
  get endCount(): number {
    return this.#endCount;
  }

  /** What has changed since the last time. Running calls beyond the limit come next time. */
  takeChanges(): CallChanges {
    const ended = this.#ended.slice(-MAX_CALLS).map((record) => callJson(record));
    const lost = this.#endCount - ended.length;
    [this.#ended, this.#endCount] = [[], 0];
    if (lost === 0) return { calls: [...ended, ...this.#changed()], leftOut: 0, isWhole: false };
    const running = this.running();
    this.#shown = new Map(this.#latest().map((running) => [running.id, shownOf(running)]));
    return { calls: [...ended, ...running.calls], leftOut: lost + running.leftOut, isWhole: true };
  }

  #changed(): JsonObject[] {
    const before = this.#shown;
    this.#shown = new Map();
    const changed: { running: RunningCall; now: string }[] = [];
    for (const running of this.#calls.running) {
      const [known, now] = [before.get(running.id), shownOf(running)];
      if (known !== undefined) this.#shown.set(running.id, known);
      if (known !== now) changed.push({ running, now });
    }
    // Those that nobody knows of first: of many that wait, each changes at every look.
    const isKnown = ({ running }: { running: RunningCall }) => Number(before.has(running.id));
    return changed.sort((a, b) => isKnown(a) - isKnown(b)).slice(0, MAX_CALLS).map(({ running, now }) => {
      this.#shown.set(running.id, now);
      return callJson(describeRunning(running));
    });
  }

  /** All that run now, for somebody who knows of none. */
  running(): CallChanges {
    const calls = this.#latest().map((running) => callJson(describeRunning(running)));
    return { calls, leftOut: [...this.#calls.running].length - calls.length, isWhole: true };
  }

  #latest(): RunningCall[] {
    return [...this.#calls.running].slice(-MAX_CALLS);
  }

  /** The figures since the last time. */
  takeFigures(): CallFigures {
    const figures = this.#figures;
    this.#figures = new FiguresOfCalls();
    return figures.figures;
  }

  [Symbol.dispose](): void {
    this.#subscription[Symbol.dispose]();
  }
}

/** What of a running call is worth another line when it changes: all but its age. */
function shownOf({ call: { trace } }: RunningCall): string {
  return `${trace?.server ?? ""}\n${trace?.note ?? ""}\n${currentWait(trace)?.what() ?? ""}`;
}

class FiguresOfCalls {
  #calls = 0;
  #failed = 0;
  readonly #durationsMs: number[] = [];

  add(record: CallRecord): void {
    this.#calls++;
    if (matchesFilter(record, { outcome: "failed" })) this.#failed++;
    // Beyond the limit each has the same chance to be among those kept.
    if (this.#calls <= MAX_DURATIONS) return void this.#durationsMs.push(record.durationMs);
    const at = Math.floor(Math.random() * this.#calls);
    if (at < MAX_DURATIONS) this.#durationsMs.splice(at, 1, record.durationMs);
  }

  get figures(): CallFigures {
    const sorted = this.#durationsMs.sort((a, b) => a - b);
    return {
      calls: this.#calls,
      failed: this.#failed,
      p50_ms: percentileOf(sorted, 0.5),
      p95_ms: percentileOf(sorted, 0.95),
    };
  }
}

/** The nearest-rank percentile of numbers in ascending order, to the microsecond; undefined where there are none. */
function percentileOf(ascending: readonly number[], share: number): number | undefined {
  const value = ascending[Math.max(0, Math.ceil(ascending.length * share) - 1)];
  return value === undefined ? undefined : Math.round(value * 1000) / 1000;
}
