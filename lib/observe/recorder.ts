import { visible } from "../base/visible.ts";
import { type CallRecord, isoTime } from "./record.ts";
import { Ring } from "./ring.ts";

export interface RecorderOptions {
  /** Calls kept for `activity`. */
  maxCalls?: number;
  /** Failures kept for `recentErrors`. */
  maxErrors?: number;
}

const MAX_MESSAGE_CHARS = 500;

interface Failure {
  atMs: number;
  line: string;
}

/** Outcomes that are nobody's fault: the call went well, or its caller no longer wanted it. */
const UNREMARKABLE: ReadonlySet<string> = new Set(["ok", "CANCELLED"]);

/** Keeps the latest calls and failures in memory, for the tools that show them. */
export class Recorder {
  readonly #calls: Ring<CallRecord>;
  readonly #failures: Ring<Failure>;

  constructor(options: RecorderOptions = {}) {
    this.#calls = new Ring(options.maxCalls ?? 5000);
    this.#failures = new Ring(options.maxErrors ?? 500);
  }

  record(record: CallRecord): void {
    this.#calls.push(record);
    if (UNREMARKABLE.has(record.outcome)) return;
    this.#failures.push({ atMs: record.endedAtMs, line: failureLine(record) });
  }

  /** Notes a failure that belongs to no call. */
  noteError(message: string): void {
    const atMs = Date.now();
    this.#failures.push({ atMs, line: `${isoTime(atMs)} ${message.trimEnd()}` });
  }

  /** The latest calls, oldest first, one line each. */
  activity(maxLines: number): string[] {
    return this.#calls.last(maxLines).map(activityLine);
  }

  /** The latest failures, oldest first, one line each. */
  recentErrors(maxLines: number): string[] {
    return this.#failures.last(maxLines).map(({ line }) => line);
  }

  /** How many failures there were since `sinceMs`; no more are counted than are kept. */
  errorsSince(sinceMs: number): number {
    return this.#failures.last(Infinity).filter(({ atMs }) => atMs >= sinceMs).length;
  }
}

function activityLine(record: CallRecord): string {
  const { session, client, tool, durationMs, outcome, bytesIn, bytesOut } = record;
  const who = client === undefined ? session : `${session} (${visible(client)})`;
  return `${isoTime(record.endedAtMs)} ${visible(tool)} ${outcome} ${durationMs.toFixed(1)} ms, ` +
    `${bytesIn} B in, ${bytesOut} B out, ${who}`;
}

function failureLine(record: CallRecord): string {
  return `${isoTime(record.endedAtMs)} ${visible(record.tool)} ${record.outcome}: ${
    visible(record.message ?? "", MAX_MESSAGE_CHARS)
  } [${record.session}]`;
}
