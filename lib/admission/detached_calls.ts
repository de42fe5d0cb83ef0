import { type ByteAccount, type ByteBudget, EVICTION_RANK, UNBOUNDED } from "../base/byte_budget.ts";
import { ExaiError } from "../base/errors.ts";
import { heapBytesOf } from "../base/heap_bytes.ts";
import { MAX_TIMER_MS } from "../base/time.ts";
import { type Call, type Caller, type Progress, reportProgress, type Whereabouts } from "../call/call.ts";
import { type Belonging, endsWithSession, mayUse, ownerKey, sessionIdOf } from "../call/owner.ts";
import { beginWait } from "../call/wait.ts";
import { toRpcError } from "../wire/codes.ts";
import type { Result } from "../wire/rpc.ts";

/** The tool that waits for a detached call. */
export const AWAIT_CALL = "await_call";

/** Limits on the results kept for one session. */
interface DetachedLimits {
  maxResults: number;
  /** Their total size in UTF-16 code units. */
  maxChars: number;
  /** The memory budget of all sessions. */
  budget?: ByteBudget;
}

/** A call that keeps running after its request was answered. Sessions of its workspace can wait for it by its handle. */
export interface DetachedCall {
  readonly handle: string;
  /** The tool's name in the merged catalog. */
  readonly tool: string;
  readonly startedAtMs: number;
  /** The last reported progress. */
  readonly progress: Progress | undefined;
  /** Resolves with its outcome; never rejects. */
  readonly outcome: Promise<Result>;
  readonly isOver: boolean;
  /** Called with each progress notification. */
  readonly watchers: Set<(progress: Progress) => void>;
  /** Cancels it with `reason`. */
  cancel(reason: ExaiError): void;
  /** Has it go on when its session ends, for other sessions of its workspace. */
  outliveSession(): void;
  /** Called when a caller was given the result, or it is kept no longer. */
  release?(): void;
}

/** A call that is about to be detached. */
interface Detachable
  extends Pick<DetachedCall, "tool" | "startedAtMs" | "progress" | "outcome" | "cancel" | "release"> {
  /** Whether it goes on when its session ends, for other sessions of its workspace. */
  outlivesSession?: boolean;
}

interface KeptDetachedCall extends Detachable {
  readonly handle: string;
  readonly belonging: Belonging;
  /** The calls of its session, or those whose sessions have ended. */
  kept: Map<string, KeptDetachedCall>;
  isOver: boolean;
  chars: number;
  /** Counts its result against the memory budget. */
  account: ByteAccount | undefined;
  progress: Progress | undefined;
  readonly watchers: Set<(progress: Progress) => void>;
  outliveSession(): void;
}

/** The detached calls of every session. */
export class DetachedCalls {
  readonly #limits: DetachedLimits;
  readonly #sessions = new Map<string, Map<string, KeptDetachedCall>>();
  /** Those whose sessions have ended. */
  readonly #outlived = new Map<string, KeptDetachedCall>();
  #running = 0;
  #idle: PromiseWithResolvers<void> | undefined;

  constructor(limits: DetachedLimits) {
    this.#limits = limits;
  }

  /** Keeps a call that was detached. */
  add(caller: Caller, call: Detachable): DetachedCall & { tell(progress: Progress): void } {
    const session = sessionIdOf(caller);
    const calls = this.#sessions.get(session) ?? new Map<string, KeptDetachedCall>();
    this.#sessions.set(session, calls);
    const handle = `call-${crypto.randomUUID()}`;
    const kept: KeptDetachedCall = {
      ...call,
      handle,
      belonging: caller.belonging,
      kept: calls,
      isOver: false,
      chars: 0,
      account: undefined,
      watchers: new Set(),
      outliveSession: () => void (kept.outlivesSession = true),
    };
    const outcome = call.outcome.then((result) => this.#finished(kept, result));
    calls.set(handle, Object.assign(kept, { outcome }));
    this.#running++;
    const tell = (progress: Progress) => {
      kept.progress = progress;
      for (const watch of kept.watchers) watch(progress);
    };
    return Object.assign(kept, { tell });
  }

  /**
   * The call `handle`, if it belongs to the workspace of `caller`.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when there is no such call, or it belongs to another workspace
   */
  async get(caller: Whereabouts, handle: string): Promise<DetachedCall> {
    const found = this.#find(handle);
    if (found && mayUse(await caller.identity(), ownerKey(await found.belonging.owner()))) return found;
    throw new ExaiError(
      "INVALID_PARAMS",
      `there is no call ${
        JSON.stringify(handle)
      } here: a handle is good in the workspace it was given to, until the ` +
        "window that got it goes, newer results take its place or the daemon is started anew; what became of a call " +
        "that is gone is not known",
      { details: { outcome: "unknown" } },
    );
  }

  #find(handle: string): KeptDetachedCall | undefined {
    for (const calls of [...this.#sessions.values(), this.#outlived]) {
      const found = calls.get(handle);
      if (found) return found;
    }
    return undefined;
  }

  /** Cancels the calls of a session that has ended, but for those that outlive it. */
  forget(caller: Caller): void {
    const calls = this.#sessions.get(caller.id);
    this.#sessions.delete(caller.id);
    for (const call of calls?.values() ?? []) {
      if (!call.outlivesSession) {
        this.#end(call);
        continue;
      }
      this.#outlived.set(call.handle, call);
      call.kept = this.#outlived;
      void call.belonging.owner().then((owner) => endsWithSession(owner) && this.#end(call));
    }
    calls?.clear();
  }

  /** Cancels every call that runs. */
  [Symbol.dispose](): void {
    for (const calls of [...this.#sessions.values(), this.#outlived]) {
      for (const call of calls.values()) this.#end(call);
    }
  }

  #end(call: KeptDetachedCall): void {
    drop(call);
    if (!call.isOver) call.cancel(new ExaiError("CANCELLED", "the session is over"));
  }

  /** How many of them run. */
  get running(): number {
    return this.#running;
  }

  /** Resolves when no detached call runs. */
  async idle(): Promise<void> {
    if (this.#running === 0) return;
    this.#idle ??= Promise.withResolvers<void>();
    await this.#idle.promise;
  }

  #finished(call: KeptDetachedCall, result: Result): Result {
    call.isOver = true;
    call.watchers.clear();
    call.chars = lengthOf(result);
    this.#charge(call, result);
    if (--this.#running === 0) this.#idle?.resolve();
    const { maxResults, maxChars } = this.#limits;
    const over = [...call.kept.values()].filter(({ isOver }) => isOver);
    let chars = over.reduce((sum, { chars }) => sum + chars, 0);
    for (const [i, oldest] of over.entries()) {
      if (over.length - i <= 1 || (over.length - i <= maxResults && chars <= maxChars)) break;
      drop(oldest);
      chars -= oldest.chars;
    }
    return result;
  }

  /** Counts the result against the budget, unless its session has ended; evicted when memory is needed. */
  #charge(call: KeptDetachedCall, result: Result): void {
    if (!call.kept.has(call.handle)) return;
    const budget = this.#limits.budget ?? UNBOUNDED;
    const sinceMs = performance.now();
    call.account = budget.open({
      rank: () => EVICTION_RANK.results,
      sinceMs: () => sinceMs,
      evict: () => drop(call),
    });
    call.account.add(heapBytesOf(result));
  }
}

function drop(call: KeptDetachedCall): void {
  call.account?.set(0);
  call.kept.delete(call.handle);
  call.release?.();
}

/** The result of `work`; what it throws becomes the error of the result. */
export function settled(work: Promise<Result>): Promise<Result> {
  return work.catch((thrown) => ({ error: toRpcError(thrown) }));
}

/** The outcome of `found`, if it arrives within `waitMs`; its progress is reported to `call`. */
export async function resultWithin(
  found: DetachedCall,
  call: Call,
  waitMs: number,
): Promise<Result | undefined> {
  const { promise: late, resolve } = Promise.withResolvers<undefined>();
  const stop = () => resolve(undefined);
  const timer = setTimeout(stop, Math.min(waitMs, MAX_TIMER_MS));
  call.signal.addEventListener("abort", stop, { once: true });
  using _wait = beginWait(call, `the detached call of ${found.tool} to end`);
  const watch = (progress: Progress) => reportProgress(call, progress);
  if (!found.isOver) found.watchers.add(watch);
  try {
    return await Promise.race([found.outcome, late]);
  } finally {
    clearTimeout(timer);
    call.signal.removeEventListener("abort", stop);
    found.watchers.delete(watch);
  }
}

function lengthOf(result: Result): number {
  try {
    return JSON.stringify(result).length;
  } catch {
    return 0;
  }
}
