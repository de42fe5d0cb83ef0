import type { JsonObject } from "../base/json.ts";
import type { ServerStatus, SessionStatus } from "./status_rows.ts";
import type { CallsEvent, HelloEvent, LogEvent, SampleEvent, WatchEvent } from "./watch_event.ts";

/** A call that the stream has told of. */
export interface KnownCall {
  id: string;
  /** As `GET /calls` gives it. */
  row: JsonObject;
  isRunning: boolean;
  /** When `row` was made, in milliseconds of the daemon's monotonic clock. */
  atMs: number;
}

/** The log that is followed. */
interface KnownLog {
  name: string;
  lines: string[];
  /** Why there are none, or not all. */
  why?: string;
}

/** Ended calls that are kept. */
export const MAX_ENDED = 2000;
export const MAX_LOG_LINES = 2000;

/**
 * What a reader of `GET /watch` knows of the daemon, made of its lines: for the page in a browser and for `top`. It
 * stays while the daemon does not answer. Another daemon's hello ends what only the one before could go on with; its
 * rows and notices stay until the whole of them, which follows each hello, takes their place, so that nothing flickers.
 */
export class KnownState {
  hello: HelloEvent | undefined;
  /** The latest. */
  sample: SampleEvent | undefined;
  servers = new Map<string, ServerStatus>();
  sessions = new Map<string, SessionStatus>();
  faults: string[] = [];
  notes: string[] = [];
  log: KnownLog | undefined;
  /** Calls that were too many to be told. */
  leftOut = 0;
  /** By id, in the order in which they ended. */
  protected ended = new Map<string, KnownCall>();
  readonly #running = new Map<string, KnownCall>();
  /** The daemon's monotonic time of the last line, and the reader's when it came. */
  #atMs = 0;
  #takenAtMs = 0;
  readonly #now: () => number;

  /** @param now the reader's own monotonic clock, in milliseconds */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** How long ago the last line came, in milliseconds; undefined before the first. */
  get ageMs(): number | undefined {
    return this.hello === undefined ? undefined : this.#now() - this.#takenAtMs;
  }

  /** Calls that run, the latest first, and then those that have ended, the latest first. */
  get calls(): KnownCall[] {
    return [...[...this.#running.values()].reverse(), ...[...this.ended.values()].reverse()];
  }

  get running(): Iterable<KnownCall> {
    return this.#running.values();
  }

  call(id: string): KnownCall | undefined {
    return this.#running.get(id) ?? this.ended.get(id);
  }

  /** How long a call took, or has taken by now, in milliseconds; no clock that is set changes it. */
  tookMs({ row, isRunning, atMs }: KnownCall): number | undefined {
    const ms = row.duration_ms;
    if (typeof ms !== "number") return undefined;
    const daemonNowMs = this.#atMs + this.#now() - this.#takenAtMs;
    return isRunning ? ms + Math.max(0, daemonNowMs - atMs) : ms;
  }

  /**
   * Takes over one line; one of a kind that is not known is passed over.
   *
   * @throws {TypeError} where a line lacks what its kind has
   */
  take(event: WatchEvent): void {
    if (Number.isFinite(event.at_ms)) [this.#atMs, this.#takenAtMs] = [event.at_ms, this.#now()];
    switch (event.type) {
      case "hello":
        return this.#takeHello(event);
      case "servers":
        this.servers = changed(this.servers, event);
        return;
      case "sessions":
        this.sessions = changed(this.sessions, event);
        return;
      case "calls":
        this.takeCalls(event);
        this.leftOut += event.left_out;
        return;
      case "sample":
        this.sample = event;
        return;
      case "notice":
        [this.faults, this.notes] = [event.faults, event.notes];
        return;
      case "log":
        return this.#takeLog(event);
    }
  }

  #takeHello(hello: HelloEvent): void {
    if (this.hello?.started_at !== hello.started_at || this.hello?.pid !== hello.pid) {
      this.sample = undefined;
      this.#running.clear();
      this.leftOut = 0;
    }
    this.hello = hello;
    // A stream begins with the last lines of its log. Why there are none may have been said before it.
    if (this.log) this.log.lines = [];
  }

  /** @param event with `whole`, other calls that were known to run have ended */
  protected takeCalls({ calls, whole }: Pick<CallsEvent, "calls" | "whole">): void {
    if (whole) this.#running.clear();
    for (const row of calls) {
      const id = String(row.id);
      const isRunning = row.outcome === "running";
      // It has been heard of twice, and the end is what counts.
      if (isRunning && this.ended.has(id)) continue;
      const call = { id, row, isRunning, atMs: this.#atMs };
      if (isRunning) this.#running.set(id, call);
      else {
        this.#running.delete(id);
        this.ended.set(id, call);
      }
    }
    this.trimEnded();
  }

  protected trimEnded(): void {
    while (this.ended.size > MAX_ENDED) this.ended.delete(this.ended.keys().next().value!);
  }

  /** Begins a log of `name`, without lines. */
  watchLog(name: string | undefined): void {
    this.log = name === undefined ? undefined : { name, lines: [] };
  }

  #takeLog({ lines, why }: LogEvent): void {
    if (!this.log) return;
    this.log = { name: this.log.name, lines: [...this.log.lines, ...lines].slice(-MAX_LOG_LINES), why };
  }
}

/** A map of its own: one that is changed in place would be left half changed by a line that is not as it should be. */
function changed<T>(
  before: ReadonlyMap<string, T>,
  { whole, rows, gone }: { whole: boolean; rows: Record<string, T>; gone: string[] },
): Map<string, T> {
  const after = new Map(whole ? [] : before);
  for (const [key, row] of Object.entries(rows)) after.set(key, row);
  for (const key of gone) after.delete(key);
  return after;
}
