import { monotonicNow } from "../../base/time.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { Call, Caller } from "../../call/call.ts";
import { isSameClient } from "../../call/owner.ts";
import type { UnfetchedTasks } from "../tasks/unfetched_tasks.ts";
import { isWorkMethod } from "../method_kind.ts";

/** How long after the answer to a call a message of the server may still be about it. */
export const SETTLE_MS = 2 * SECOND_MS;

/** Factor of the settling time for a withdrawn call, as a server need not stop at once. */
const WITHDRAWN_FACTOR = 5;

/** Sessions kept at most before those whose calls have settled are dropped. */
const MAX_SETTLED = 64;

/** The session a message belongs to, and the call it belongs to where that is known. */
export interface Addressee {
  caller: Caller;
  call?: Call;
}

/** The calls of one caller, and until when messages may be about calls that have ended. */
interface CallerActivity {
  /** Undefined once it has ended: messages may still be about its calls, but go to no client. */
  caller: Caller | undefined;
  /** Running calls in the order they started. */
  readonly calls: Set<Call>;
  settledAtMs: number;
  /** The same for questions: a server asks none about a list that it has answered. */
  askedUntilMs: number;
}

interface AttributionOptions {
  /** How long after a call a message may still be about it, in milliseconds. */
  settleMs?: number;
  /** Tasks that run on the process: messages may be about them too. */
  tasks?: UnfetchedTasks;
  /** Called when a call has ended; `isWithdrawn`: before it was answered. */
  onCallEnded?(call: Call, isWithdrawn: boolean): void;
}

/**
 * Decides which session a message belongs to that names nothing: MCP 2025 has no field for the call a log message or a
 * question is about. The answer is certain only while calls of one session run, no call of another session has ended
 * within {@linkcode SETTLE_MS} and no other session has a running task, or in a process that has had only one session.
 * In all other cases a message belongs to no session. Requests of one client may declare different capabilities, and
 * their callers are one session here.
 */
export class Attribution {
  readonly #byCaller = new Map<string, CallerActivity>();
  /** Of sessions that have ended: a later session may have the same id. */
  readonly #ended = new Set<CallerActivity>();
  readonly #settleMs: number;
  readonly #tasks: UnfetchedTasks | undefined;
  readonly #onCallEnded: AttributionOptions["onCallEnded"];
  /** The only session so far, if `#isShared` is false. */
  #first: Caller | undefined;
  #isShared = false;

  constructor(options: AttributionOptions = {}) {
    this.#settleMs = options.settleMs ?? SETTLE_MS;
    this.#tasks = options.tasks;
    this.#onCallEnded = options.onCallEnded;
  }

  /** A session is attached to the process. */
  sessionAttached(caller: Caller): void {
    if (this.#isShared) return;
    if (this.#first === undefined) this.#first = caller;
    else if (!isSameClient(this.#first, caller)) this.#isShared = true;
    // A part of a session can be asked within its calls alone.
    else if (this.#first.session !== undefined && caller.session === undefined) this.#first = caller;
  }

  /** A session has ended: later messages about its calls go to no client. */
  sessionEnded(caller: Caller): void {
    if (this.#byCaller.get(caller.id)?.caller === caller) this.#retire(caller.id);
    if (this.#first !== caller) return;
    this.#first = undefined;
    this.#isShared = true;
  }

  callStarted(call: Call): void {
    const { caller } = call;
    this.sessionAttached(caller);
    const known = this.#byCaller.get(caller.id);
    if (known?.caller === caller) return void known.calls.add(call);
    // A new session with the id of one that has ended.
    if (known) this.#retire(caller.id);
    this.#byCaller.set(caller.id, { caller, calls: new Set([call]), settledAtMs: 0, askedUntilMs: 0 });
  }

  #retire(id: string): void {
    const activity = this.#byCaller.get(id);
    if (!activity) return;
    this.#byCaller.delete(id);
    activity.caller = undefined;
    this.#ended.add(activity);
    this.#prune();
  }

  /** `withdrawn`: the call has ended before it was answered. */
  callEnded(call: Call, options: { withdrawn?: boolean } = {}): void {
    this.#onCallEnded?.(call, options.withdrawn ?? false);
    const activity = this.#activityOf(call);
    if (!activity?.calls.delete(call)) return;
    const settledAtMs = monotonicNow() + this.#settleMs * (options.withdrawn ? WITHDRAWN_FACTOR : 1);
    activity.settledAtMs = Math.max(activity.settledAtMs, settledAtMs);
    if (options.withdrawn || isWorkMethod(call.method)) {
      activity.askedUntilMs = Math.max(activity.askedUntilMs, settledAtMs);
    }
    if (this.#byCaller.size > MAX_SETTLED) this.#prune();
  }

  #activityOf(call: Call): CallerActivity | undefined {
    const own = this.#byCaller.get(call.caller.id);
    return own?.calls.has(call) ? own : this.#ended.values().find(({ calls }) => calls.has(call));
  }

  *#activities(): Generator<CallerActivity> {
    yield* this.#byCaller.values();
    yield* this.#ended;
  }

  /** The session of a message that names nothing; undefined when that is not certain. */
  addressee(isQuestion: boolean, nowMs = monotonicNow()): Addressee | undefined {
    const active = this.#activities().find(({ calls }) => calls.size > 0);
    if (!active) return this.#isShared || !this.#first ? undefined : { caller: this.#first };
    const { caller, calls } = active;
    if (!caller) return undefined;
    const until = isQuestion ? "askedUntilMs" : "settledAtMs";
    // Infinity while calls of another session run.
    if (
      this.#latest(until, { but: caller, nowMs }) > nowMs ||
      this.#tasks?.hasRunningOfOthers(caller)
    ) {
      return undefined;
    }
    return { caller, call: [...calls].at(-1) };
  }

  /** Sessions a question that is not certain may belong to: with calls that run or have just ended. */
  candidates(nowMs = monotonicNow()): Caller[] {
    return [...this.#activities()]
      .filter(({ calls, askedUntilMs }) => calls.size > 0 || askedUntilMs > nowMs)
      .flatMap(({ caller }) => caller ?? []);
  }

  /** Time until questions can only be for `caller`, in milliseconds; Infinity while calls of another session run. */
  quietInMs(caller: Caller, nowMs = monotonicNow()): number {
    return this.#latest("askedUntilMs", { but: caller, nowMs }) - nowMs;
  }

  /** As {@linkcode quietInMs}, and Infinity while tasks of another session run: questions may be about them too. */
  askableInMs(caller: Caller): number {
    return this.#tasks?.hasRunningOfOthers(caller) ? Infinity : this.quietInMs(caller);
  }

  /** Until when messages may be for a session other than `but`; Infinity while calls of one run. */
  #latest(
    until: "settledAtMs" | "askedUntilMs",
    { but, nowMs }: { but: Caller; nowMs: number },
  ): number {
    let latestMs = nowMs;
    for (const activity of this.#activities()) {
      if (activity.caller && isSameClient(activity.caller, but)) continue;
      if (activity.calls.size > 0) return Infinity;
      latestMs = Math.max(latestMs, activity[until]);
    }
    return latestMs;
  }

  /** The running calls of the client of `caller`; those of one caller in the order they started. */
  callsOf(caller: Caller): Call[] {
    const own = (one: CallerActivity) => one.caller && isSameClient(one.caller, caller);
    return [...this.#byCaller.values().filter(own).flatMap(({ calls }) => calls)];
  }

  /** The running calls of all sessions. */
  *runningCalls(): Generator<Call> {
    for (const { calls } of this.#activities()) yield* calls;
  }

  #prune(): void {
    const nowMs = monotonicNow();
    const isSettled = ({ calls, settledAtMs }: CallerActivity) => calls.size === 0 && settledAtMs <= nowMs;
    for (const activity of this.#ended) if (isSettled(activity)) this.#ended.delete(activity);
    if (this.#byCaller.size <= MAX_SETTLED) return;
    for (const [id, activity] of this.#byCaller) if (isSettled(activity)) this.#byCaller.delete(id);
  }
}
