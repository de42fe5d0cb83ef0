import { visible } from "../base/visible.ts";
import { type Belonging, OPERATOR, usable, type Viewer } from "../call/owner.ts";
import { type CallRecord, isoTime } from "./call_record.ts";
import { RingBuffer } from "./ring_buffer.ts";

interface RecentActivityOptions {
  /** Calls kept. */
  maxCalls?: number;
  /** Failures kept. */
  maxErrors?: number;
}

const MAX_MESSAGE_CHARS = 500;

/** Timeout for resolving the owners of calls, since clients may have to be asked for their roots. */
const OWNERS_WAIT_MS = 500;

interface RecordedFailure {
  atMs: number;
  /** Undefined for a failure of the daemon itself. */
  belonging: Belonging | undefined;
  line: string;
}

/** Outcomes that are not failures: a success, or a call that its caller cancelled. */
const NOT_FAILURES: ReadonlySet<string> = new Set(["ok", "CANCELLED"]);

/** The latest calls and failures, in memory, for the tools `activity` and `health`. */
export class RecentActivity {
  readonly #calls: RingBuffer<CallRecord>;
  readonly #failures: RingBuffer<RecordedFailure>;

  constructor(options: RecentActivityOptions = {}) {
    this.#calls = new RingBuffer(options.maxCalls ?? 5000);
    this.#failures = new RingBuffer(options.maxErrors ?? 500);
  }

  record(record: CallRecord): void {
    this.#calls.push(record);
    if (NOT_FAILURES.has(record.outcome)) return;
    const { endedAtMs: atMs, belonging } = record;
    this.#failures.push({ atMs, belonging, line: failureLine(record) });
  }

  /** Records a failure that belongs to no call. */
  recordError(message: string): void {
    const atMs = Date.now();
    this.#failures.push({ atMs, belonging: undefined, line: `${isoTime(atMs)} ${message.trimEnd()}` });
  }

  /** The latest calls that `viewer` may see, oldest first, one line each. */
  async calls(viewer: Viewer, maxLines: number): Promise<string[]> {
    const calls = await visibleTo(viewer, this.#calls.last(Infinity));
    return calls.slice(-maxLines).map(activityLine);
  }

  /** The latest failures that `viewer` may see, oldest first, one line each. */
  async recentErrors(viewer: Viewer, maxLines: number): Promise<string[]> {
    if (maxLines === 0) return [];
    const failures = await visibleTo(viewer, this.#failures.last(Infinity));
    return failures.slice(-maxLines).map(({ line }) => line);
  }

  /** How many of the kept failures happened since `sinceMs` (milliseconds since 1970). */
  errorsSince(sinceMs: number): number {
    return this.#failures.last(Infinity).filter(({ atMs }) => atMs >= sinceMs).length;
  }
}

async function visibleTo<T extends { belonging?: Belonging }>(
  viewer: Viewer,
  all: readonly T[],
): Promise<T[]> {
  const known = await usable(viewer, all.flatMap(({ belonging }) => belonging ?? []), OWNERS_WAIT_MS);
  return all.filter(({ belonging }) => belonging === undefined ? viewer === OPERATOR : known.has(belonging));
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
