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
  /** Silence towards the caller after which its call is detached, in milliseconds. */
  afterMs: number;
  /** Time limit of calls that may be detached: it includes what they take afterwards. */
  whole: Policy;
  /** Time limit of those that may not. */
  short: Policy;
}

/**
 * Detaches `tools/call`s that leave their caller without a word for too long: it gets a handle for a result, and the
 * call goes on. Progress is a word, so a caller that is told of it waits on.
 */
export function detaching(calls: DetachedCalls, options: DetachOptions): Policy {
  return (next) => {
    const [whole, short] = [options.whole(next), options.short(next)];
    return (call) => mayDetach(call) ? new Running(call, calls, options.afterMs).run(whole) : short(call);
  };
}

/**
 * A window that shows one server alone has no `await_call`, and a client that speaks of tasks has something better (MCP
 * basic/utilities/tasks).
 */
function mayDetach({ method, params, caller }: Call): boolean {
  return method === "tools/call" && caller.server === undefined && params.task === undefined;
}

class Running {
  readonly #call: Call;
  readonly #calls: DetachedCalls;
  readonly #afterMs: number;
  readonly #startedAtMs = Date.now();
  readonly #controller = new AbortController();
  readonly #late = Promise.withResolvers<undefined>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = 0;
  #progress: Progress | undefined;
  #tell: ((progress: Progress) => void) | undefined;

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
    const tool = textOf(this.#call.params.name) ?? "the call";
    const call = this.#calls.add(this.#call.caller, {
      tool,
      startedAtMs: this.#startedAtMs,
      progress: this.#progress,
      outcome: settled(work),
      cancel: (reason) => this.#controller.abort(reason),
    });
    this.#tell = call.tell;
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
    if (!this.#tell) return this.#call.notify(method, params);
    // The request it would belong to has been answered.
    if (!isProgress) this.#call.caller.notify(method, params);
  }

  #note({ progress, total, message }: Progress): void {
    this.#progress = { progress, total, message };
    if (this.#tell) this.#tell(this.#progress);
    else if (this.#call.progressToken !== undefined) this.#wait();
  }

  async #ask(method: string, params: Call["params"], options?: AskOptions): Promise<Result> {
    if (this.#tell) {
      const asked = askOnce(options, () => this.#call.caller.ask(method, params, options));
      return await waitingFor(this.#call, waitForClient(method), asked);
    }
    // The client is busy with the call itself: it has not been left alone.
    clearTimeout(this.#timer);
    this.#asking++;
    try {
      return await this.#call.ask(method, params, options);
    } finally {
      if (--this.#asking === 0) this.#wait();
    }
  }
}
