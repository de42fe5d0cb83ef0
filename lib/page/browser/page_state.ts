import { type KnownCall, KnownState } from "../../admin/known_state.ts";
import type { SampleEvent, WatchEvent } from "../../admin/watch_event.ts";
import { messageOf } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { filterWords } from "../../base/text.ts";

/** Half an hour of samples. */
export const MAX_SAMPLES = 900;

/** What the page knows of the daemon: with calls from before its stream began, and what tells that it is to be drawn anew. */
export class PageState extends KnownState {
  samples: SampleEvent[] = [];
  /** Why calls from before the stream began are not there. */
  pastWhy: string | undefined;
  /** Counts changes of servers and sessions, of which the matrix is made. */
  rowsVersion = 0;
  callsVersion = 0;
  /** Counts all that is taken over. */
  version = 0;
  /** Why a line of this stream was passed over: what is shown may lack it. */
  oddLine: string | undefined;

  /** Takes over one line; one that is not as it should be is passed over, and {@linkcode oddLine} says why. */
  override take(event: WatchEvent): void {
    this.version++;
    try {
      const { type } = event;
      if (type === "servers" || type === "sessions") this.rowsVersion++;
      if (type === "hello" || type === "calls") this.callsVersion++;
      super.take(event);
      if (type === "hello") this.#begin();
      if (type === "sample") this.samples = [...this.samples.slice(1 - MAX_SAMPLES), event];
    } catch (thrown) {
      this.oddLine = `${event?.type}: ${messageOf(thrown)}`;
    }
  }

  #begin(): void {
    this.oddLine = undefined;
    // It is another daemon.
    if (this.sample === undefined) this.samples = [];
  }

  /** Calls from before the stream began. Those that nobody heard of go between the others, by when they ended. */
  takePast(rows: readonly JsonObject[]): void {
    this.callsVersion++;
    const known = this.ended;
    this.ended = new Map();
    this.takeCalls({ calls: rows.filter(({ id }) => !known.has(String(id))), whole: false });
    const all = [...this.ended, ...known];
    this.ended = new Map(all.sort(([, a], [, b]) => endedAt(a.row) - endedAt(b.row)));
    this.trimEnded();
  }
}

/** When a call ended, in milliseconds since 1970; 0 where its row does not say. */
function endedAt({ started_at, duration_ms }: JsonObject): number {
  return Date.parse(String(started_at)) + Number(duration_ms) || 0;
}

/** What of a call the words of a filter are looked for in. */
const SEARCHED = ["id", "server", "tool", "method", "outcome", "client", "session", "waits_for"] as const;

/** The calls that each word of `filter` is found in; "failed" is any outcome that is neither good nor open, "waits" any call that does. */
export function filterCalls(calls: readonly KnownCall[], filter: string): readonly KnownCall[] {
  const words = filterWords(filter);
  if (words.length === 0) return calls;
  return calls.filter((call) => {
    const waits = call.row.waits_for ? " waits" : "";
    const text = SEARCHED.map((name) => call.row[name] ?? "").join(" ").toLowerCase() + waits;
    const hasFailed = !call.isRunning && call.row.outcome !== "ok";
    return words.every((word) => text.includes(word) || (word === "failed" && hasFailed));
  });
}
