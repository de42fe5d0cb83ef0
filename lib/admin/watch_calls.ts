import { currentWait } from "../call/wait.ts";
import type { JsonObject } from "../base/json.ts";
import type { CallRecord } from "../observe/call_record.ts";
import { matchesFilter } from "../observe/call_store.ts";
import type { RunningCall } from "../observe/running_calls.ts";
import { type CallControl, describeRunning } from "./call_control.ts";
import { callJson } from "./call_routes.ts";

/** Calls shown at once. */
const MAX_CALLS = 500;

/** Durations of an interval of which the percentiles are exact. */
const MAX_DURATIONS = 4096;

/** Calls of one line. */
export interface CallChanges {
  calls: JsonObject[];
  leftOut: number;
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
  #leftOut = 0;
  /** What was shown of each running call. */
  #shown = new Map<number, string>();
  #figures = new FiguresOfCalls();

  constructor(calls: Pick<CallControl, "running" | "subscribe">) {
    this.#calls = calls;
    this.#subscription = calls.subscribe((record) => {
      this.#figures.add(record);
      if (this.#ended.length < MAX_CALLS) this.#ended.push(record);
      else this.#leftOut++;
    });
  }

  /** What has changed since the last time. Running calls beyond the limit come next time. */
  takeChanges(): CallChanges {
    const [ended, leftOut] = [this.#ended, this.#leftOut];
    [this.#ended, this.#leftOut] = [[], 0];
    const calls = ended.map((record) => callJson(record));
    const shown = new Map<number, string>();
    for (const running of this.#calls.running) {
      const known = this.#shown.get(running.id);
      const now = shownOf(running);
      const isShown = known !== now && calls.length < MAX_CALLS;
      if (isShown) calls.push(callJson(describeRunning(running)));
      if (isShown || known !== undefined) shown.set(running.id, isShown ? now : known!);
    }
    this.#shown = shown;
    return { calls, leftOut };
  }

  /** All that run now, for somebody who knows of none. */
  running(): CallChanges {
    const all = [...this.#calls.running];
    const calls = all.slice(-MAX_CALLS).map((running) => callJson(describeRunning(running)));
    return { calls, leftOut: all.length - calls.length };
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
