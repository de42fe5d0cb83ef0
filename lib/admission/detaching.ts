import { abortError } from "../base/abort.ts";
import {
  askOnce,
  type AskOptions,
  type Call,
  derive,
  type EarlyAnswer,
  paramOf,
  type Policy,
  type Progress,
  type Target,
  type TaskHints,
} from "../call/call.ts";
import { textOf } from "../base/json.ts";
import { isToolError } from "../call/payload_size.ts";
import { GivenUp, waitForClient, waitingFor } from "../call/wait.ts";
import { type Params, valueOf } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import { ENDLESS, type Patience } from "./client_patience.ts";
import { followsTasks } from "../wire/tasks_extension.ts";
import type { RunningTask } from "./daemon_task.ts";
import { createdResult, type DaemonTasks } from "./daemon_tasks.ts";
import { type DetachedCall, type DetachedCalls, resultWithin, settled } from "./detached_calls.ts";
import { handleResult } from "./handle_result.ts";
import { type RepeatableCall, RepeatedCalls, repeatKey } from "./repeated_calls.ts";

interface DetachOptions {
  /** When the caller of `call` is given a handle. */
  patienceOf(call: Call): Patience;
  /** Whether `call` may take the whole time; others have the short limit, and are not detached. */
  mayTakeLong?(call: Call): boolean;
  /**
   * Set for calls that cost money: one that its client has given up, or whose session has ended, goes on, and the same
   * call made again gets its result.
   */
  keepsGivenUp?: boolean;
  /** Makes tasks of calls whose clients follow them; the others are given handles. */
  tasks?: Pick<DaemonTasks, "begin">;
  /** Called when a client has given a call up `afterMs` after it came. */
  onTimeout?(call: Call, afterMs: number): void;
  /** Time-out of calls that may be detached, including the time after that. */
  whole: Policy;
  /** Time-out of the other calls. */
  short: Policy;
}

/**
 * Detaches a `tools/call` before its caller gives it up: the caller gets a handle as the result, or a task where its
 * client follows them, and the call keeps running.
 */
export function detaching(calls: DetachedCalls, options: DetachOptions): Policy {
  return (next) => {
    const [whole, short] = [options.whole(next), options.short(next)];
    const repeats = new RepeatedCalls<DetachableRun>();
    return async (call) => {
      const patience = canDetach(call, options) ? options.patienceOf(call) : ENDLESS;
      const isLong = call.method === "tools/call" && (options.mayTakeLong?.(call) ?? true);
      if (!isLong || (patience.waitMs === Infinity && !options.keepsGivenUp)) return await short(call);
      const run = new DetachableRun(call, { calls, patience, options });
      if (!options.keepsGivenUp) return await run.run(whole);
      const key = repeatKey(call);
      const earlier = repeats.has(key) ? await repeats.find(key, call) : undefined;
      if (earlier) return await earlier.join(call, patience);
      return await run.runRepeatable(whole, { key, repeats });
    };
  };
}

/**
 * A session of one server alone has no `await_call`, and a call with a task of 2025-11-25 needs none (MCP
 * basic/utilities/tasks). A client that follows tasks asks for them wherever it is.
 */
function canDetach(call: Call, { tasks }: DetachOptions): boolean {
  if (call.method !== "tools/call") return false;
  if (tasks && followsTasks(call.caller)) return true;
  return call.caller.server === undefined && paramOf(call, "task") === undefined;
}

interface RunOptions {
  calls: DetachedCalls;
  patience: Patience;
  options: DetachOptions;
}

class DetachableRun implements RepeatableCall, EarlyAnswer {
  readonly call: Call;
  readonly startedAtMs = Date.now();
  /** When the request came that waits for it now. */
  #requestedAtMs = this.startedAtMs;
  isAwaited = true;
  endedAtMs: number | undefined;
  readonly giveTask: EarlyAnswer["giveTask"];
  readonly #options: RunOptions;
  readonly #controller = new AbortController();
  readonly #late = Promise.withResolvers<undefined>();
  #work: Promise<Result> | undefined;
  #kept: (DetachedCall & { tell(progress: Progress): void }) | undefined;
  #release: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = 0;
  #hasHandle = false;
  /** Set once it goes on as a task. */
  #task: Promise<RunningTask> | undefined;
  #hints: TaskHints = {};
  /** Requests that wait for the result now: the call itself, and the same call made again. */
  readonly #waiting = new Set<Call>();
  #progress: Progress | undefined;

  constructor(call: Call, options: RunOptions) {
    this.call = call;
    this.#options = options;
    if (this.#canBeTask(call)) this.giveTask = (hints) => this.#becomeTask(hints);
  }

  get isGiven(): boolean {
    return this.#kept !== undefined;
  }

  /** Runs the call, and lets the same call made again find it as long as its result has not been given to anybody. */
  async runRepeatable(
    next: Target,
    { key, repeats }: { key: string; repeats: RepeatedCalls<DetachableRun> },
  ): Promise<Result> {
    repeats.add(key, this);
    // Once its session has ended, a client can no longer be asked for its roots.
    this.call.caller.identity().catch(() => {});
    this.#release = () => repeats.delete(key, this);
    try {
      return await this.run(next);
    } finally {
      if (this.#kept === undefined) this.#release();
    }
  }

  async run(next: Target): Promise<Result> {
    const { signal } = this.call;
    const forward = () => this.#abort(signal.reason);
    if (signal.aborted) this.#controller.abort(signal.reason);
    else signal.addEventListener("abort", forward, { once: true });
    this.#work = next(derive(this.call, {
      signal: this.#controller.signal,
      abort: (reason) => this.#controller.abort(reason),
      notify: (method, params) => this.#notify(method, params),
      ask: (method, params, options) => this.#ask(method, params, options),
      early: this,
    }));
    using _parked = this.call.parking?.watch((isParked) => this.#parkedOrNot(isParked));
    this.#wait();
    this.#waiting.add(this.call);
    try {
      return await Promise.race([this.#work, this.#late.promise]) ?? await this.#giveHandle(this.call);
    } finally {
      this.#waiting.delete(this.call);
      clearTimeout(this.#timer);
      signal.removeEventListener("abort", forward);
    }
  }

  /** The result, for the same call made again; a handle when its caller too has to be answered before. */
  async join(call: Call, { waitMs }: Patience): Promise<Result> {
    const kept = this.#keep();
    this.#waiting.add(call);
    const outcome = await resultWithin(kept, call, waitMs).finally(() => this.#waiting.delete(call));
    if (call.signal.aborted) {
      const { reason } = call.signal;
      const isWanted = [...this.#waiting].some(({ caller }) => !caller.isAway);
      // Its user no longer wants it, nobody else waits for it, and nobody can ask for it by a handle.
      if (!isWanted && !this.#hasHandle && !(reason instanceof GivenUp)) kept.cancel(reason);
      throw abortError(call.signal);
    }
    if (outcome === undefined) return await this.#giveHandle(call);
    kept.release?.();
    return outcome;
  }

  async #giveHandle(call: Call): Promise<Result> {
    this.#hasHandle = true;
    const kept = this.#keep();
    if (this.#canBeTask(call)) return createdResult(await this.#beginTask(kept));
    return handleResult(kept, { isRepeatable: this.#options.options.keepsGivenUp ?? false });
  }

  #canBeTask({ caller }: Call): boolean {
    return this.#options.options.tasks !== undefined && followsTasks(caller);
  }

  #beginTask(kept: DetachedCall): Promise<RunningTask> {
    kept.outliveSession();
    const begin = { detached: kept, call: this.call, hints: this.#hints };
    return this.#task ??= this.#options.options.tasks!.begin(begin);
  }

  /** The server has begun a task for the call: its client is given one at once. */
  #becomeTask(hints: TaskHints): void {
    this.#hints = { ...this.#hints, ...hints };
    // From now on its questions are those of the task.
    this.#beginTask(this.#keep()).then((task) => task.hint(hints), () => {});
    this.#late.resolve(undefined);
  }

  #abort(reason: unknown): void {
    const { options } = this.#options;
    if (!(reason instanceof GivenUp)) return this.#controller.abort(reason);
    if (reason.why === "timed_out") options.onTimeout?.(this.call, Date.now() - this.startedAtMs);
    if (!options.keepsGivenUp) return this.#controller.abort(reason);
    this.#keep();
    this.#late.reject(reason);
  }

  /** The client of a parked call is patient anew with each of its requests. */
  #parkedOrNot(isParked: boolean): void {
    clearTimeout(this.#timer);
    if (isParked) return;
    this.#requestedAtMs = Date.now();
    if (this.#asking === 0 && !this.#kept) this.#wait();
  }

  #wait(): void {
    clearTimeout(this.#timer);
    const { waitMs, countsProgress } = this.#options.patience;
    if (waitMs === Infinity || this.call.parking?.isParked) return;
    const waitedMs = countsProgress ? 0 : Math.min(waitMs, Date.now() - this.#requestedAtMs);
    this.#timer = setTimeout(() => this.#late.resolve(undefined), waitMs - waitedMs);
  }

  /** Keeps the result for whoever asks for it by its handle, or makes the call again. */
  #keep(): DetachedCall {
    this.isAwaited = false;
    if (this.call.trace && this.#work) {
      this.call.trace.goesOn = { ended: this.#work, cancel: (reason) => this.#cancel(reason) };
    }
    return this.#kept ??= this.#options.calls.add(this.call.caller, {
      tool: this.call.calledName ?? textOf(paramOf(this.call, "name")) ?? "the call",
      startedAtMs: this.startedAtMs,
      progress: this.#progress,
      outcome: settled(this.#work!).then((result) => this.#ended(result)),
      outlivesSession: this.#options.options.keepsGivenUp,
      cancel: (reason) => this.#cancel(reason),
      release: () => this.#release?.(),
    });
  }

  #cancel(reason: Error): void {
    this.#release?.();
    this.#controller.abort(reason);
  }

  #ended(result: Result): Result {
    this.endedAtMs = Date.now();
    // A failure is no reason not to try again.
    if (result.error || isToolError(result)) this.#release?.();
    return result;
  }

  #notify(method: string, params: Params): void {
    const isProgress = method === "notifications/progress";
    if (isProgress) this.#note(valueOf(params) as unknown as Progress);
    if (!this.#kept) return this.call.notify(method, params);
    // The request it belongs to has been answered already.
    if (!isProgress) this.call.caller.notify(method, params);
  }

  #note({ progress, total, message }: Progress): void {
    this.#progress = { progress, total, message };
    if (this.#kept) this.#kept.tell(this.#progress);
    else if (this.call.progressToken !== undefined && this.#options.patience.countsProgress) this.#wait();
  }

  async #ask(method: string, params: Params, options?: AskOptions): Promise<Result> {
    if (this.#kept) {
      return await waitingFor(this.call, waitForClient(method), this.#askLater(method, params, options));
    }
    // A client that answers a request of the call knows that the call runs.
    clearTimeout(this.#timer);
    this.#asking++;
    try {
      return await this.call.ask(method, params, options);
    } finally {
      if (--this.#asking === 0 && !this.#kept) this.#wait();
    }
  }

  /** Asks the client after its request was answered. */
  async #askLater(method: string, params: Params, options?: AskOptions): Promise<Result> {
    if (!this.#task) return await askOnce(options, () => this.call.caller.ask(method, params, options));
    return await (await this.#task).ask(method, params, options);
  }
}
