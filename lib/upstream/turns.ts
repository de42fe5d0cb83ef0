import { untilAborted } from "../base/abort.ts";
import { MAX_TIMER_MS, monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import { type Call, type Caller, reportProgress } from "../call/call.ts";
import { isSameClient } from "../call/owner.ts";
import { waitingFor } from "../call/wait.ts";

/**
 * How long one call waits for the calls of other sessions. A session whose calls have waited that long in all waits no
 * more: a process of its own costs less than waiting each time.
 */
const TURN_WAIT_MS = 4 * SECOND_MS;

/**
 * How long a call waits for calls that wait for an answer of their clients: that of a program comes sooner, that of a
 * person later than it is worth waiting for.
 */
const ANSWER_WAIT_MS = SECOND_MS / 2;

/** Part of the time a call has left that it waits at most: the rest is for its work, and for the start of a copy. */
const MAX_PART_OF_TIME = 1 / 4;

interface TurnsOptions {
  /** The server's name, for messages. */
  name: string;
  /** Whether a session that waits too long gets a process of its own. */
  canIsolate: boolean;
  /** Time until questions can only be for a session, in milliseconds; Infinity while calls or tasks of others run. */
  quietInMs(caller: Caller): number;
  /** The calls that run on the process. */
  running?(): Iterable<Call>;
  /** Whether the process still serves `call`. */
  serves(call: Call): boolean;
}

/** What a call got that asked for its turn. */
export type CallTurn =
  /** It may run, and its session holds the turn until this is disposed. */
  | Disposable & { is: "granted" }
  /** Its session goes on in a process of its own. */
  | Disposable & { is: "apart"; why: string }
  /** The process serves its session no more. */
  | Disposable & { is: "void" };

interface TurnWaiter {
  call: Call;
  settle(turn: CallTurn): void;
}

/**
 * Turns of the sessions that can be asked on a process whose server asks: while calls of two of them run, it cannot be
 * told which of them a question is for. Calls of one session run together. Calls of sessions that cannot be asked take
 * no turns. Each call waits for {@linkcode TURN_WAIT_MS} at most, however many wait before it, and less if it must end soon
 * or if those before it are parked.
 */
export class Turns {
  readonly #options: TurnsOptions;
  /** Calls that hold the turn, by caller. They count from here on, as they may have to wait for a permit. */
  readonly #holding = new Map<string, { caller: Caller; calls: number }>();
  /** In the order they came. */
  readonly #waiting = new Set<TurnWaiter>();
  /** How long the calls of each session have waited, in milliseconds. */
  readonly #waitedMs = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /**
   * Resolves with the turn of `call`, after a wait if need be; `asks` is what the server asks clients for.
   *
   * @throws the signal's reason
   */
  take(call: Call, asks: string): Promise<CallTurn> | CallTurn {
    const { id } = call.caller;
    const quietInMs = this.#quietInMs(call.caller);
    if (quietInMs <= 0 && !this.#mustQueue(call.caller)) return this.#grant(call.caller);
    const waitMs = waitOf(call);
    // It would not be its turn in time.
    if (Number.isFinite(quietInMs) && quietInMs > waitMs) return this.#late(call, asks);
    if (this.#options.canIsolate && (this.#waitedMs.get(id) ?? 0) >= TURN_WAIT_MS) {
      return this.#late(call, asks);
    }
    if (!this.#options.canIsolate) this.#hurryOthers(call.caller);
    if (this.#uselessInMs(call.caller) <= 0) return this.#late(call, asks);
    return this.#wait(call, { asks, waitMs });
  }

  /** A call has ended, or the process has: those that wait are looked at again. */
  changed(): void {
    if (this.#waiting.size > 0) this.#serve();
  }

  /** Whether a call of a session has its turn. */
  holds(sessionId: string): boolean {
    return this.#holding.has(sessionId);
  }

  /** A session has left, or ended: its calls that wait go elsewhere. */
  leave(sessionId: string): void {
    this.#waitedMs.delete(sessionId);
    this.changed();
  }

  /** Where no copy is started, a session whose calls come one after another must not keep the turn from the others. */
  #mustQueue(caller: Caller): boolean {
    return !this.#options.canIsolate && !this.#holding.has(caller.id) &&
      this.#waiting.values().some((waiting) => !isSameClient(waiting.call.caller, caller));
  }

  async #wait(call: Call, { asks, waitMs }: { asks: string; waitMs: number }): Promise<CallTurn> {
    const { name, canIsolate } = this.#options;
    const what = `another window's call of server "${name}", which asks its clients questions (${asks})`;
    const then = canIsolate ? "then a process of its own is started" : "then it runs beside that call";
    const message = `waits for ${what}: ${Number((waitMs / SECOND_MS).toFixed(1))} s at most, ${then}`;
    reportProgress(call, { progress: 0, message });
    const { promise, resolve } = Promise.withResolvers<CallTurn>();
    const waiting: TurnWaiter = { call, settle: resolve };
    this.#waiting.add(waiting);
    const sinceMs = monotonicNow();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = () => {
      const leftMs = Math.min(sinceMs + waitMs - monotonicNow(), this.#uselessInMs(call.caller));
      if (leftMs >= 1) return void (timer = setTimeout(look, leftMs));
      this.#waiting.delete(waiting);
      resolve(this.#late(call, asks));
    };
    look();
    this.#serve();
    try {
      return await waitingFor(call, what, untilAborted(promise, call.signal));
    } catch (thrown) {
      // It may have been granted in the moment it was withdrawn.
      void promise.then((turn) => turn[Symbol.dispose]());
      throw thrown;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(waiting);
      const { id } = call.caller;
      const waitedMs = (this.#waitedMs.get(id) ?? 0) + monotonicNow() - sinceMs;
      if (this.#options.serves(call)) this.#waitedMs.set(id, waitedMs);
      this.changed();
    }
  }

  /** Where no copy is started, questions of parked calls are in the way of others until they are answered. */
  #hurryOthers(caller: Caller): void {
    for (const { parking } of this.#others(caller)) parking?.hurry();
  }

  /** The calls that run and are not of the client of `caller`. */
  #others(caller: Caller): Call[] {
    return [...this.#options.running?.() ?? []].filter((call) => !isSameClient(call.caller, caller));
  }

  /** Time until it is to be looked whether each call in the way is parked for so long that waiting is of no use. */
  #uselessInMs(caller: Caller): number {
    const others = this.#others(caller);
    if (!others.some(({ parking }) => parking)) return Infinity;
    return ANSWER_WAIT_MS - Math.min(...others.map(({ parking }) => parking?.parkedForMs ?? 0));
  }

  /** Lets those go on whose turn it is, and looks again when the next may be quiet. */
  #serve(): void {
    clearTimeout(this.#timer);
    let nextInMs = Infinity;
    /** Whose turn is next, where no copy is started. */
    let next: Caller | undefined;
    for (const waiting of [...this.#waiting]) {
      const { call, settle } = waiting;
      const { caller } = call;
      if (!this.#options.serves(call)) {
        this.#waiting.delete(waiting);
        settle(VOID);
        continue;
      }
      const quietInMs = this.#quietInMs(caller);
      if (quietInMs <= 0 && isSameClient(next ?? caller, caller)) {
        this.#waiting.delete(waiting);
        settle(this.#grant(caller));
        continue;
      }
      if (!this.#options.canIsolate) next ??= caller;
      nextInMs = Math.min(nextInMs, Math.max(1, quietInMs));
    }
    if (nextInMs < MAX_TIMER_MS) this.#timer = setTimeout(() => this.#serve(), Math.ceil(nextInMs));
  }

  #quietInMs(caller: Caller): number {
    const others = this.#holding.values().some((holder) => !isSameClient(holder.caller, caller));
    return others ? Infinity : this.#options.quietInMs(caller);
  }

  #grant(caller: Caller): CallTurn {
    const held = this.#holding.get(caller.id) ?? { caller, calls: 0 };
    held.calls++;
    this.#holding.set(caller.id, held);
    let isHeld = true;
    return {
      is: "granted",
      [Symbol.dispose]: () => {
        if (!isHeld) return;
        isHeld = false;
        if (--held.calls === 0) this.#holding.delete(caller.id);
        this.changed();
      },
    };
  }

  /** The turn of a call that must not wait any longer. */
  #late(call: Call, asks: string): CallTurn {
    if (!this.#options.canIsolate) return this.#grant(call.caller);
    const why = `its server asks questions (${asks}), and another window's calls kept it waiting`;
    return { is: "apart", why, [Symbol.dispose]() {} };
  }
}

const VOID: CallTurn = { is: "void", [Symbol.dispose]() {} };

/** How long a call may wait, in milliseconds. */
function waitOf({ deadlineMs = Infinity }: Call): number {
  return Math.max(0, Math.min(TURN_WAIT_MS, (deadlineMs - monotonicNow()) * MAX_PART_OF_TIME));
}
