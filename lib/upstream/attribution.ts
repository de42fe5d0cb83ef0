import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Call, Caller } from "../call/call.ts";
import type { LiveTasks } from "./live_tasks.ts";
import { doesWork } from "./work.ts";

/** So long after the answer to a call what a server says may still be about it. */
export const SETTLE_MS = 2 * SECOND_MS;

/** A call that was withdrawn and not answered may be spoken of so many times as long: a server need not stop at once. */
const WITHDRAWN_FACTOR = 5;

/** Sessions remembered beyond which those are forgotten whose calls have settled. */
const MAX_SETTLED = 64;

/** Whom a message belongs to: a session, by way of a call of it where one is known. */
export interface Addressee {
  caller: Caller;
  call?: Call;
}

/** What one session has running, and until when what it had running may be spoken of. */
interface Activity {
  /** Undefined once the session is over: its calls may still be spoken of, but to nobody. */
  caller: Caller | undefined;
  /** In the order they began. */
  readonly calls: Set<Call>;
  settledAtMs: number;
  /** The same for questions: nothing is asked about a list that was answered. */
  askedUntilMs: number;
}

/**
 * Says whose a message is that names nothing it belongs to: MCP of 2025 has no word for the call a log line or a
 * question is about. It is certain only while calls of one session run, no other session's call has ended within
 * {@linkcode SETTLE_MS}, and no other session has a task; and in a process that has never known but one session.
 * Everything else is nobody's.
 */
export class Attribution {
  readonly #bySession = new Map<string, Activity>();
  /** Of sessions that are over: the id of one may come again, and must not stand for both. */
  readonly #over = new Set<Activity>();
  readonly #settleMs: number;
  readonly #tasks: LiveTasks | undefined;
  /** Told of each call that has ended, and whether it was withdrawn and not answered. */
  onEnded?: (call: Call, isWithdrawn: boolean) => void;
  #first: Caller | undefined;
  #isShared = false;

  /** `tasks`: those that run on the process, and may say something too. */
  constructor(options: { settleMs?: number; tasks?: LiveTasks } = {}) {
    this.#settleMs = options.settleMs ?? SETTLE_MS;
    this.#tasks = options.tasks;
  }

  /** A session is attached to the process. */
  met(caller: Caller): void {
    if (this.#isShared) return;
    if (this.#first === undefined) this.#first = caller;
    else if (this.#first.id !== caller.id) this.#isShared = true;
  }

  /** A session is over: nothing is its own any more, nor anybody else's. */
  forget(caller: Caller): void {
    if (this.#bySession.get(caller.id)?.caller === caller) this.#retire(caller.id);
    if (this.#first !== caller) return;
    this.#first = undefined;
    this.#isShared = true;
  }

  began(call: Call): void {
    const { caller } = call;
    this.met(caller);
    const known = this.#bySession.get(caller.id);
    if (known?.caller === caller) return void known.calls.add(call);
    // A session that comes back after its end does so under the id it had.
    if (known) this.#retire(caller.id);
    this.#bySession.set(caller.id, { caller, calls: new Set([call]), settledAtMs: 0, askedUntilMs: 0 });
  }

  /** What a session has had running may still be spoken of for a while, but to nobody. */
  #retire(id: string): void {
    const activity = this.#bySession.get(id);
    if (!activity) return;
    this.#bySession.delete(id);
    activity.caller = undefined;
    this.#over.add(activity);
    this.#prune();
  }

  ended(call: Call, options: { withdrawn?: boolean } = {}): void {
    this.onEnded?.(call, options.withdrawn ?? false);
    const activity = this.#activityOf(call);
    if (!activity?.calls.delete(call)) return;
    const settledAtMs = monotonicNow() + this.#settleMs * (options.withdrawn ? WITHDRAWN_FACTOR : 1);
    activity.settledAtMs = Math.max(activity.settledAtMs, settledAtMs);
    if (options.withdrawn || doesWork(call.method)) {
      activity.askedUntilMs = Math.max(activity.askedUntilMs, settledAtMs);
    }
    if (this.#bySession.size > MAX_SETTLED) this.#prune();
  }

  #activityOf(call: Call): Activity | undefined {
    const own = this.#bySession.get(call.caller.id);
    return own?.calls.has(call) ? own : this.#over.values().find(({ calls }) => calls.has(call));
  }

  *#activities(): Generator<Activity> {
    yield* this.#bySession.values();
    yield* this.#over;
  }

  /** Whose a message is that names nothing, a question or not; undefined when that is not certain. */
  addressee(isQuestion: boolean, nowMs = monotonicNow()): Addressee | undefined {
    const running = this.#activities().find(({ calls }) => calls.size > 0);
    if (!running) return this.#isShared || !this.#first ? undefined : { caller: this.#first };
    const { caller, calls } = running;
    if (!caller) return undefined;
    const until = isQuestion ? "askedUntilMs" : "settledAtMs";
    // Also where calls of others run: it is not quiet then.
    if (this.#latest(until, { but: caller.id, nowMs }) > nowMs || this.#tasks?.othersRun(caller)) {
      return undefined;
    }
    return { caller, call: [...calls].at(-1) };
  }

  /** Sessions an uncertain question may belong to: those with calls that run or have just ended. */
  suspects(nowMs = monotonicNow()): Caller[] {
    return [...this.#activities()]
      .filter(({ calls, askedUntilMs }) => calls.size > 0 || askedUntilMs > nowMs)
      .flatMap(({ caller }) => caller ?? []);
  }

  /** When no session but `sessionId` may be asked, in milliseconds from now; 0: now; Infinity: calls run. */
  quietInMs(sessionId: string, nowMs = monotonicNow()): number {
    return this.#latest("askedUntilMs", { but: sessionId, nowMs }) - nowMs;
  }

  /** The latest that a session other than `but` may be meant; Infinity: calls run. */
  #latest(
    until: "settledAtMs" | "askedUntilMs",
    { but, nowMs }: { but: string; nowMs: number },
  ): number {
    let latestMs = nowMs;
    for (const activity of this.#activities()) {
      if (activity.caller?.id === but) continue;
      if (activity.calls.size > 0) return Infinity;
      latestMs = Math.max(latestMs, activity[until]);
    }
    return latestMs;
  }

  /** The calls of `caller` that run now, in the order they began. */
  callsOf(caller: Caller): Call[] {
    return [...this.#bySession.get(caller.id)?.calls ?? []];
  }

  /** The calls that run now. */
  *running(): Generator<Call> {
    for (const { calls } of this.#activities()) yield* calls;
  }

  #prune(): void {
    const nowMs = monotonicNow();
    const isSettled = ({ calls, settledAtMs }: Activity) => calls.size === 0 && settledAtMs <= nowMs;
    for (const activity of this.#over) if (isSettled(activity)) this.#over.delete(activity);
    if (this.#bySession.size <= MAX_SETTLED) return;
    for (const [id, activity] of this.#bySession) if (isSettled(activity)) this.#bySession.delete(id);
  }
}
