import { isObject, type JsonObject, parseJson } from "../../base/json.ts";
import type { ServerStatus, SessionStatus } from "../../admin/status_rows.ts";
import type {
  CallsEvent,
  HelloEvent,
  NoticeEvent,
  SampleEvent,
  WatchEvent,
} from "../../admin/watch_event.ts";

/** Ended calls that are kept to be shown. */
const MAX_ENDED = 500;

/** Lines of a log that are kept. */
const MAX_LOG_LINES = 500;

/** A call as `GET /calls` gives it, and when that was, in milliseconds of the clock of this program. */
export interface WatchedCall {
  facts: JsonObject;
  id: string;
  isRunning: boolean;
  seenAtMs: number;
}

/** All that `GET /watch` has told so far. It stays while the daemon does not answer. */
export class Watched {
  hello: HelloEvent | undefined;
  sample: SampleEvent | undefined;
  notice: NoticeEvent | undefined;
  readonly servers = new Map<string, ServerStatus>();
  readonly sessions = new Map<string, SessionStatus>();
  /** By id, the latest last. */
  readonly calls = new Map<string, WatchedCall>();
  /** How many calls were not told, as there were too many at once. */
  leftOut = 0;
  log: string[] = [];
  /** Why there are no lines of the log. */
  logWhy: string | undefined;
  readonly #numbers = new Map<string, number>();

  /** The number of a window, which it has while it is open. */
  numberOf(session: string): number {
    return this.#numbers.get(session) ?? 0;
  }

  /** Takes over one line of the stream; one of a kind that is not known is passed over. */
  apply(event: WatchEvent, nowMs: number): void {
    switch (event.type) {
      case "hello":
        if (this.hello?.started_at !== event.started_at || this.hello?.pid !== event.pid) this.#forget();
        this.hello = event;
        // A stream begins with the last lines of its log.
        this.log = [];
        return;
      case "servers":
        return changeRows(this.servers, event);
      case "sessions":
        changeRows(this.sessions, event);
        return this.#number();
      case "calls":
        return this.#addCalls(event, nowMs);
      case "sample":
        this.sample = event;
        return;
      case "notice":
        this.notice = event;
        return;
      case "log":
        this.log = [...this.log, ...event.lines].slice(-MAX_LOG_LINES);
        this.logWhy = event.why;
    }
  }

  /** Begins the log of another server. */
  clearLog(): void {
    this.log = [];
    this.logWhy = undefined;
  }

  /** Another daemon: what the one before had is not its. */
  #forget(): void {
    for (const map of [this.servers, this.sessions, this.calls, this.#numbers]) map.clear();
    this.sample = this.notice = undefined;
    this.leftOut = 0;
  }

  #number(): void {
    for (const session of this.#numbers.keys()) {
      if (!this.sessions.has(session)) this.#numbers.delete(session);
    }
    const taken = new Set(this.#numbers.values());
    const news = [...this.sessions.values()].filter(({ session }) => !this.#numbers.has(session));
    news.sort((a, b) => a.started_at.localeCompare(b.started_at));
    let next = 1;
    for (const { session } of news) {
      while (taken.has(next)) next++;
      this.#numbers.set(session, next++);
    }
  }

  #addCalls({ calls, whole, left_out }: CallsEvent, nowMs: number): void {
    this.leftOut += left_out;
    if (whole) {
      for (const { id, isRunning } of this.calls.values()) if (isRunning) this.calls.delete(id);
    }
    for (const facts of calls) {
      const id = String(facts.id);
      // To its end again: it is the latest now.
      this.calls.delete(id);
      this.calls.set(id, { facts, id, isRunning: facts.outcome === "running", seenAtMs: nowMs });
    }
    let excess = this.calls.size - MAX_ENDED;
    for (const { id, isRunning } of this.calls.values()) {
      if (excess <= 0) return;
      if (isRunning) continue;
      this.calls.delete(id);
      excess--;
    }
  }
}

/** One line of the stream; undefined where it is none. */
export function watchEvent(line: string): WatchEvent | undefined {
  const value = parseJson(line);
  return isObject(value) && typeof value.type === "string" ? value as unknown as WatchEvent : undefined;
}

function changeRows<T>(
  rows: Map<string, T>,
  event: { whole: boolean; rows: Record<string, T>; gone: string[] },
): void {
  if (event.whole) rows.clear();
  for (const [key, row] of Object.entries(event.rows)) rows.set(key, row);
  for (const key of event.gone) rows.delete(key);
}
