import { SECOND_MS } from "../base/units.ts";
import {
  askOnce,
  type AskOptions,
  type Call,
  derive,
  type Policy,
  type Progress,
  type Target,
} from "../call/call.ts";
import { textOf } from "../base/json.ts";
import { waitForClient, waitingFor } from "../call/wait.ts";
import { textResult } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import { AWAIT_CALL, type DetachedCalls, progressText, settled } from "./detached_calls.ts";

interface DetachOptions {
  /** Time without progress after which a call is detached, in milliseconds. */
  afterMs: number;
  /** Time-out of calls that may be detached, including the time after that. */
  whole: Policy;
  /** Time-out of the other calls. */
  short: Policy;
}

/**
 * Detaches a `tools/call` that reports no progress for too long: the caller gets a handle as the result, and the call
 * keeps running.
 */
export function detaching(calls: DetachedCalls, options: DetachOptions): Policy {
  return (next) => {
    const [whole, short] = [options.whole(next), options.short(next)];
    return (call) =>
      mayDetach(call) ? new DetachableRun(call, calls, options.afterMs).run(whole) : short(call);
  };
}

/**
 * A session of one server alone has no `await_call`, and a call with a task needs none (MCP basic/utilities/tasks).
 */
function mayDetach({ method, params, caller }: Call): boolean {
  return method === "tools/call" && caller.server === undefined && params.task === undefined;
}

class DetachableRun {
  readonly #call: Call;
  readonly #calls: DetachedCalls;
  readonly #afterMs: number;
  readonly #startedAtMs = Date.now();
  readonly #controller = new AbortController();
  readonly #late = Promise.withResolvers<undefined>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = 0;
  #progress: Progress | undefined;
  #reportProgress: ((progress: Progress) => void) | undefined;

  constructor(call: Call, calls: DetachedCalls, afterMs: number) {
    this.#call = call;
    this.#calls = calls;
    this.#afterMs = afterMs;
  }

  async run(next: Target): Promise<Result> {
    const { signal } = this.#call;
    const forward = () => this.#controller.abort(signal.reason);
    if (signal.aborted) forward();
    else signal.addEventListener("abort", forward, { once: true });
    const work = next(derive(this.#call, {
      signal: this.#controller.signal,
      notify: (method, params) => this.#notify(method, params),
      ask: (method, params, options) => this.#ask(method, params, options),
    }));
    this.#wait();
    try {
      return await Promise.race([work, this.#late.promise]) ?? this.#detach(work);
    } finally {
      clearTimeout(this.#timer);
      signal.removeEventListener("abort", forward);
    }
  }

  #wait(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#late.resolve(undefined), this.#afterMs);
  }

  #detach(work: Promise<Result>): Result {
    const tool = this.#call.calledName ?? textOf(this.#call.params.name) ?? "the call";
    const call = this.#calls.add(this.#call.caller, {
      tool,
      startedAtMs: this.#startedAtMs,
      progress: this.#progress,
      outcome: settled(work),
      cancel: (reason) => this.#controller.abort(reason),
    });
    this.#reportProgress = call.tell;
    const seconds = (Date.now() - this.#startedAtMs) / SECOND_MS;
    const text =
      `${tool} is still running after ${seconds.toFixed(1)} s and goes on. ${progressText(call.progress)}` +
      `Its handle is ${call.handle}. ` +
      `Call ${AWAIT_CALL} with {"handle": "${call.handle}"} to wait for its result, again if need be; ` +
      `with "cancel": true to stop it.`;
    return { result: { ...textResult(text), _meta: { "exai/detached": { handle: call.handle, tool } } } };
  }

  #notify(method: string, params: Call["params"]): void {
    const isProgress = method === "notifications/progress";
    if (isProgress) this.#note(params as unknown as Progress);
    if (!this.#reportProgress) return this.#call.notify(method, params);
    // The request it belongs to has been answered already.
    if (!isProgress) this.#call.caller.notify(method, params);
  }

  #note({ progress, total, message }: Progress): void {
    this.#progress = { progress, total, message };
    if (this.#reportProgress) this.#reportProgress(this.#progress);
    else if (this.#call.progressToken !== undefined) this.#wait();
  }

  async #ask(method: string, params: Call["params"], options?: AskOptions): Promise<Result> {
    if (this.#reportProgress) {
      const asked = askOnce(options, () => this.#call.caller.ask(method, params, options));
      return await waitingFor(this.#call, waitForClient(method), asked);
    }
    // A client that answers a request of the call knows that the call runs.
    clearTimeout(this.#timer);
    this.#asking++;
    try {
      return await this.#call.ask(method, params, options);
    } finally {
      if (--this.#asking === 0) this.#wait();
    }
  }
}
