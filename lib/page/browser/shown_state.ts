import { messageOf } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { filterWords } from "../../base/text.ts";
import type { ServerStatus, SessionStatus } from "../../admin/status_rows.ts";
import type { HelloEvent, SampleEvent, WatchEvent } from "../../admin/watch_event.ts";

/** A call as it is shown. */
export interface ShownCall {
  id: string;
  row: JsonObject;
  isRunning: boolean;
  /** When `row` was made, in milliseconds of the daemon's monotonic clock. */
  atMs: number;
}

/** The log of a server that is looked at. */
interface ShownLog {
  name: string;
  lines: string[];
  /** Why there are none. */
  why?: string;
}

/** Ended calls that are kept. */
export const MAX_CALLS = 2000;
/** Half an hour of samples. */
export const MAX_SAMPLES = 900;
export const MAX_LOG_LINES = 2000;

/**
 * What is known of the daemon, made of the lines of `GET /watch`. It is kept while the daemon does not answer; what of it
 * belongs to a daemon that is gone goes when another one says hello.
 */
export class ShownState {
  hello: HelloEvent | undefined;
  servers = new Map<string, ServerStatus>();
  sessions = new Map<string, SessionStatus>();
  samples: SampleEvent[] = [];
  faults: string[] = [];
  notes: string[] = [];
  log: ShownLog | undefined;
  /** Why calls from before the stream began are not there. */
  pastWhy: string | undefined;
  /** Calls that were too many to be told. */
  leftOut = 0;
  /** Counts changes of servers and sessions, of which the matrix is made. */
  rowsVersion = 0;
  callsVersion = 0;
  /** Counts all that is taken over. */
  version = 0;
  /** Why a line of this stream was passed over: what is shown may lack it. */
  oddLine: string | undefined;
  /** The daemon's monotonic time of the last line, and the page's when it came. */
  #atMs = 0;
  #takenAtMs = 0;
  readonly #now: () => number;
  #running = new Map<string, ShownCall>();
  #ended = new Map<string, ShownCall>();

  /** @param now the page's own monotonic clock, in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The daemon's monotonic time now, in milliseconds. It does not jump when a clock is set. */
  get daemonNowMs(): number {
    return this.#atMs + this.#now() - this.#takenAtMs;
  }

  /** How long ago the last line came, in milliseconds; undefined before the first. */
  get ageMs(): number | undefined {
    return this.hello === undefined ? undefined : this.#now() - this.#takenAtMs;
  }

  /** Calls that run, the latest first, and then those that have ended, the latest first. */
  get calls(): ShownCall[] {
    return [...[...this.#running.values()].reverse(), ...[...this.#ended.values()].reverse()];
  }

  get running(): Iterable<ShownCall> {
    return this.#running.values();
  }

  call(id: string): ShownCall | undefined {
    return this.#running.get(id) ?? this.#ended.get(id);
  }

  /** How long a call took, or has taken by now, in milliseconds. */
  tookMs({ row, isRunning, atMs }: ShownCall): number | undefined {
    const ms = row.duration_ms;
    if (typeof ms !== "number") return undefined;
    return isRunning ? ms + Math.max(0, this.daemonNowMs - atMs) : ms;
  }

  /** Takes over one line; one that is not as it should be is passed over, and {@linkcode oddLine} says why. */
  take(event: WatchEvent): void {
    this.version++;
    try {
      this.#take(event);
    } catch (thrown) {
      this.oddLine = `${event?.type}: ${messageOf(thrown)}`;
    }
  }

  #take(event: WatchEvent): void {
    this.#atMs = Number(event.at_ms);
    this.#takenAtMs = this.#now();
    switch (event.type) {
      case "hello":
        return this.#takeHello(event);
      case "servers":
        this.rowsVersion++;
        this.servers = changed(this.servers, event);
        return;
      case "sessions":
        this.rowsVersion++;
        this.sessions = changed(this.sessions, event);
        return;
      case "calls":
        this.#takeCalls(event.calls, { whole: event.whole === true });
        this.leftOut += event.left_out;
        return;
      case "sample":
        this.samples = [...this.samples.slice(1 - MAX_SAMPLES), event];
        return;
      case "notice":
        [this.faults, this.notes] = [event.faults, event.notes];
        return;
      case "log":
        return this.#takeLog(event.lines, event.why);
    }
  }

  #takeHello(hello: HelloEvent): void {
    if (this.hello?.started_at !== hello.started_at || this.hello?.pid !== hello.pid) {
      this.samples = [];
      this.#running.clear();
      this.leftOut = 0;
    }
    this.hello = hello;
    this.oddLine = undefined;
    this.callsVersion++;
  }

  /** @param whole whether what runs is all among them, so that other calls shown as running have ended */
  #takeCalls(rows: readonly JsonObject[], { whole }: { whole: boolean }): void {
    this.callsVersion++;
    if (whole) this.#running.clear();
    for (const row of rows) {
      const id = String(row.id);
      const isRunning = row.outcome === "running";
      // It has been heard of twice, and the end is what counts.
      if (isRunning && this.#ended.has(id)) continue;
      const call = { id, row, isRunning, atMs: this.#atMs };
      if (isRunning) this.#running.set(id, call);
      else {
        this.#running.delete(id);
        this.#ended.set(id, call);
      }
    }
    this.#trim();
  }

  #trim(): void {
    while (this.#ended.size > MAX_CALLS) this.#ended.delete(this.#ended.keys().next().value!);
  }

  /** Calls from before the stream began. Those that nobody heard of go between the others, by when they ended. */
  takePast(rows: readonly JsonObject[]): void {
    const known = this.#ended;
    this.#ended = new Map();
    this.#takeCalls(rows.filter(({ id }) => !known.has(String(id))), { whole: false });
    const all = [...this.#ended, ...known];
    this.#ended = new Map(all.sort(([, a], [, b]) => endedAt(a.row) - endedAt(b.row)));
    this.#trim();
  }

  /** Begins a log of `name`, without lines. */
  watchLog(name: string | undefined): void {
    this.log = name === undefined ? undefined : { name, lines: [] };
  }

  /** The stream begins again, and with it the lines of the log. */
  restartLog(): void {
    this.watchLog(this.log?.name);
  }

  #takeLog(lines: readonly string[], why: string | undefined): void {
    if (!this.log) return;
    this.log = { name: this.log.name, lines: [...this.log.lines, ...lines].slice(-MAX_LOG_LINES), why };
  }
}

/** When a call ended, in milliseconds since 1970; 0 where its row does not say. */
function endedAt({ started_at, duration_ms }: JsonObject): number {
  return Date.parse(String(started_at)) + Number(duration_ms) || 0;
}

function changed<T>(
  before: ReadonlyMap<string, T>,
  { whole, rows, gone }: { whole: boolean; rows: Record<string, T>; gone: string[] },
): Map<string, T> {
  const after = new Map(whole ? [] : before);
  for (const [key, row] of Object.entries(rows)) after.set(key, row);
  for (const key of gone) after.delete(key);
  return after;
}

/** What of a call the words of a filter are looked for in. */
const SEARCHED = ["id", "server", "tool", "method", "outcome", "client", "session", "waits_for"] as const;

/** The calls that each word of `filter` is found in; "failed" is any outcome that is neither good nor open, "waits" any call that does. */
export function filterCalls(calls: readonly ShownCall[], filter: string): readonly ShownCall[] {
  const words = filterWords(filter);
  if (words.length === 0) return calls;
  return calls.filter((call) => {
    const waits = call.row.waits_for ? " waits" : "";
    const text = SEARCHED.map((name) => call.row[name] ?? "").join(" ").toLowerCase() + waits;
    const hasFailed = !call.isRunning && call.row.outcome !== "ok";
    return words.every((word) => text.includes(word) || (word === "failed" && hasFailed));
  });
}
