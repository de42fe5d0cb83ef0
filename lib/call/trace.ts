import type { RequestId } from "../wire/rpc.ts";
import type { CallSpan } from "./span.ts";

/** Facts about a call that the layers note while it runs. */
export interface CallTrace {
  /** The server it is for; undefined until the router knows. */
  server?: string;
  /** The id of the request that it began with. */
  requestId?: RequestId;
  /** What it waits for, the latest last; written by `beginWait`. */
  waits?: Wait[];
  /** Called when it only waits for the answer to one request that is made for many. */
  onJoined?(): void;
  /** A remark for the list of running calls. */
  note?: string;
  /** What it has used of models. */
  spent?: CallSpending;
  /** What was said while it ran; undefined where that is not recorded. */
  said?: SaidInCall[];
  /** Its span; undefined where traces are sent nowhere. */
  span?: CallSpan;
  /** The work of a call that was answered, or given up, before its end. */
  goesOn?: OngoingWork;
}

/** Work that nobody's request waits for. */
export interface OngoingWork {
  /** Settles when it has ended. */
  readonly ended: Promise<unknown>;
  /** Cancels it with `reason`. */
  cancel(reason: Error): void;
}

/** What a call has used of models. */
export interface CallSpending {
  inputTokens: number;
  outputTokens: number;
  /** In US dollars, of the requests with a known price; undefined if there is none. */
  usd?: number;
}

/** Something a call waits for before it can proceed. */
export interface Wait {
  /** Since when, by `performance.now`, in milliseconds. */
  readonly sinceMs: number;
  /** A description, as `a permit of server "files" (7 before it)`. */
  what(): string;
}

/** Something that was said to the client of a call while it ran. */
export interface SaidInCall {
  /** By `performance.now`, in milliseconds. */
  readonly atMs: number;
  readonly kind: "notification" | "question";
  readonly method: string;
  /** JSON, redacted. */
  readonly params: string;
  /** What the client has answered to a question, as `params`. */
  answer?: string;
}
