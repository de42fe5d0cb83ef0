import { getLogger } from "@logtape/logtape";
import { abortError, untilAborted } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { serveUserTool } from "../tool/user_tool.ts";
import type { ToolContext } from "../tool/tool.ts";
import type { HostMessage, WorkerMessage } from "./protocol.ts";
import { WORKER_CODE } from "./worker_code.ts";

const log = getLogger(["exai", "tool"]);

const WORKER_URL = `data:text/javascript,${encodeURIComponent(WORKER_CODE)}`;

/** How long an aborted call may take to end before its worker is replaced. */
const ABORT_GRACE_MS = SECOND_MS;

interface StartOptions {
  /** The module. */
  url: string;
  /** Time limit of loading the module, in milliseconds. */
  timeoutMs: number;
  /** Terminates the worker while it loads. */
  signal: AbortSignal;
}

/** The worker ended before the tool saw the call, which can be repeated. */
export class NotStarted extends Error {}

/** A call in the worker. */
interface WorkerCall {
  readonly context: ToolContext;
  /** Whether the tool has seen it. */
  isStarted: boolean;
  /** Set once it was aborted: its caller has the error, and the tool may still run. */
  abort?: {
    readonly graceTimer: ReturnType<typeof setTimeout>;
    /** Whether the worker has read the abort message, so that its event loop is not blocked. */
    isReceived: boolean;
  };
  resolve(value: Json | undefined): void;
  reject(error: Error): void;
}

/** A worker that runs one tool of the user. Nothing the tool does can stop the daemon. */
export class ToolWorker implements Disposable {
  readonly #tool: string;
  readonly #worker: Worker;
  readonly #loaded = Promise.withResolvers<JsonObject>();
  readonly #calls = new Map<number, WorkerCall>();
  #lastId = 0;
  /** A retired worker takes no new calls and ends after the last one. */
  #state: "active" | "retired" | "ended" = "active";

  private constructor(tool: string) {
    this.#tool = tool;
    this.#worker = new Worker(WORKER_URL, { type: "module", name: `tool ${tool}` });
    this.#worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => this.#handle(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end(`its thread ended: ${event.message}`);
    };
  }

  /**
   * Starts a worker and loads the module at `url` in it.
   *
   * @param tool its name in messages
   * @returns the worker, and the default export of the module as far as that is JSON
   * @throws {ExaiError} `CONFIG` when the module is faulty or takes too long
   */
  static async start(
    tool: string,
    { url, timeoutMs, signal }: StartOptions,
  ): Promise<{ worker: ToolWorker; definition: JsonObject }> {
    const worker = new ToolWorker(tool);
    const stop = () => worker[Symbol.dispose]();
    const timer = setTimeout(() => {
      worker.#end(`it was not loaded within ${timeoutMs / SECOND_MS} s: something in it waits or loops`);
    }, timeoutMs);
    signal.addEventListener("abort", stop, { once: true });
    try {
      worker.#post({ kind: "load", url });
      return { worker, definition: await worker.#loaded.promise };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  /** Whether it takes no more calls. */
  get isRetired(): boolean {
    return this.#state !== "active";
  }

  /**
   * Runs the tool.
   *
   * @throws {ExaiError} `INTERNAL` with what the tool threw; the abort reason of the call
   * @throws {NotStarted} when the worker ended before
   */
  run(args: JsonObject, context: ToolContext): Promise<Json | undefined> {
    const { signal, caller } = context;
    if (signal.aborted) return Promise.reject(abortError(signal));
    const id = ++this.#lastId;
    const { promise, ...settle } = Promise.withResolvers<Json | undefined>();
    this.#calls.set(id, { context, isStarted: false, ...settle });
    signal.addEventListener("abort", () => this.#abort(id), { once: true });
    this.#post({ kind: "call", id, args, facts: { cwd: caller.cwd, client: caller.client?.name } });
    return untilAborted(promise, signal);
  }

  /** Takes no more calls, and ends after the running ones. */
  retire(): void {
    if (this.#state === "active") this.#state = "retired";
    this.#endIfIdle();
  }

  [Symbol.dispose](): void {
    this.#end("the daemon is stopping");
  }

  #post(message: HostMessage): void {
    if (this.#state !== "ended") this.#worker.postMessage(message);
  }

  #handle(message: WorkerMessage): void {
    switch (message.kind) {
      case "loaded":
        return this.#loaded.resolve(JSON.parse(message.definition));
      case "load_failed":
        return this.#end(message.message);
      case "uncaught":
        return log.error(
          "{tool} failed outside of a call: {message}",
          this.#fields(message.message),
        );
      case "log":
        return log[message.level]("{tool}: {message}", this.#fields(message.text));
      case "progress":
        return this.#calls.get(message.id)?.context.progress(message.progress);
      case "request":
        return void this.#serve(message);
      case "started":
      case "abort_received":
        return this.#acknowledge(message);
      case "succeeded":
        return this.#settle(message.id, (call) => call.resolve(parse(message.result)));
      case "failed":
        if (message.stack) log.error("{tool} failed: {message}", this.#fields(message.stack));
        return this.#settle(message.id, (call) => call.reject(failed(this.#tool, message.message)));
    }
  }

  #acknowledge({ kind, id }: WorkerMessage & { kind: "started" | "abort_received" }): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    if (kind === "started") call.isStarted = true;
    else if (call.abort) call.abort.isReceived = true;
  }

  #fields(message: string) {
    return { tool: this.#tool, message };
  }

  async #serve({ id, request, method, params }: WorkerMessage & { kind: "request" }): Promise<void> {
    try {
      const context = this.#calls.get(id)?.context;
      if (context === undefined) throw new ExaiError("CANCELLED", "the call is over");
      const value = await serveUserTool(method, params, { tool: this.#tool, context });
      this.#post({ kind: "response", request, result: JSON.stringify(value) });
    } catch (thrown) {
      this.#post({ kind: "response", request, error: messageOf(thrown) });
    }
  }

  #settle(id: number, how: (call: WorkerCall) => void): void {
    const call = this.#calls.get(id);
    this.#calls.delete(id);
    if (call) {
      clearTimeout(call.abort?.graceTimer);
      how(call);
    }
    this.#endIfIdle();
  }

  /** The caller has its error already; the tool gets a grace period to end. */
  #abort(id: number): void {
    const call = this.#calls.get(id);
    if (call === undefined) return;
    this.#post({ kind: "abort", id, message: messageOf(call.context.signal.reason) });
    const graceTimer = setTimeout(() => this.#giveUp(id, call), ABORT_GRACE_MS);
    call.abort = { graceTimer, isReceived: false };
  }

  /** Retires the worker; ends it if the tool blocks its event loop, since no other call can make progress then. */
  #giveUp(id: number, call: WorkerCall): void {
    log.warning("{tool} ignored the abort of a call: its worker is replaced", { tool: this.#tool });
    if (this.#state === "active") this.#state = "retired";
    this.#settle(id, () => {});
    if (!call.abort?.isReceived) this.#end("another call of it did not end");
  }

  #endIfIdle(): void {
    if (this.#state === "retired" && this.#calls.size === 0) this.#end("it was replaced");
  }

  #end(why: string): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#worker.terminate();
    this.#loaded.reject(new ExaiError("CONFIG", why));
    this.#loaded.promise.catch(() => {});
    for (const call of this.#calls.values()) {
      clearTimeout(call.abort?.graceTimer);
      call.reject(call.isStarted ? failed(this.#tool, why) : new NotStarted(why));
    }
    this.#calls.clear();
  }
}

function parse(text: string | undefined): Json | undefined {
  return text === undefined ? undefined : JSON.parse(text);
}

function failed(tool: string, message: string): ExaiError {
  return new ExaiError("INTERNAL", `${tool} failed: ${message}`);
}
