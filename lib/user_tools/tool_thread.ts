import { getLogger } from "@logtape/logtape";
import { abortError, untilAborted } from "../base/abort.ts";
import { ExaiError, messageOf } from "../base/errors.ts";
import type { Json, JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { serveUserTool } from "../tool/user_tool.ts";
import type { ToolContext } from "../tool/tool.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { WORKER_CODE } from "./worker_code.ts";

const log = getLogger(["exai", "tool"]);

const WORKER_URL = `data:text/javascript,${encodeURIComponent(WORKER_CODE)}`;

/** How long a call that is no longer wanted may take to end before its thread is given up. */
const ABORT_GRACE_MS = SECOND_MS;

interface StartOptions {
  /** The module. */
  url: string;
  timeoutMs: number;
  /** Ends the thread while it loads. */
  signal: AbortSignal;
}

/** The thread was given up before the tool saw the call: it can be made again. */
export class NotBegun extends Error {}

interface WorkerRun {
  context: ToolContext;
  begun: boolean;
  resolve(value: Json | undefined): void;
  reject(error: Error): void;
}

/** One thread with one tool of the user's own in it: whatever the tool does, the daemon goes on. */
export class ToolThread implements Disposable {
  /** What the module says of its tool. */
  said: JsonObject = {};
  readonly #tool: string;
  readonly #worker: Worker;
  readonly #loaded = Promise.withResolvers<void>();
  readonly #runs = new Map<number, WorkerRun>();
  /** Calls that are over for their caller, and not for the tool. */
  readonly #overdue = new Map<number, ReturnType<typeof setTimeout>>();
  /** Of those, the ones the thread has heard of: it does not loop. */
  readonly #heard = new Set<number>();
  #calls = 0;
  #isRetired = false;
  #isOver = false;

  private constructor(tool: string) {
    this.#tool = tool;
    this.#worker = new Worker(WORKER_URL, { type: "module", name: `tool ${tool}` });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#handle(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end(`its thread ended: ${event.message}`);
    };
  }

  /**
   * Starts a thread and loads the module at `url` in it.
   *
   * @param tool what it is called in messages
   * @throws {ExaiError} `CONFIG` with what is wrong with the module, or that it took too long
   */
  static async start(tool: string, { url, timeoutMs, signal }: StartOptions): Promise<ToolThread> {
    const thread = new ToolThread(tool);
    const stop = () => thread[Symbol.dispose]();
    const timer = setTimeout(() => {
      thread.#end(`it was not loaded within ${timeoutMs / SECOND_MS} s: something in it waits or loops`);
    }, timeoutMs);
    signal.addEventListener("abort", stop, { once: true });
    try {
      thread.#tell({ kind: "load", url });
      await thread.#loaded.promise;
      return thread;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }

  /** Whether it takes no more calls: the tool does not end one that is no longer wanted, or the thread is gone. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /**
   * Runs the tool.
   *
   * @throws {ExaiError} `INTERNAL` with what the tool threw; the reason the call was aborted with
   * @throws {NotBegun}
   */
  run(args: JsonObject, context: ToolContext): Promise<Json | undefined> {
    const { signal, caller } = context;
    if (signal.aborted) return Promise.reject(abortError(signal));
    const id = ++this.#calls;
    const { promise, ...settle } = Promise.withResolvers<Json | undefined>();
    this.#runs.set(id, { context, begun: false, ...settle });
    signal.addEventListener("abort", () => this.#abandon(id), { once: true });
    this.#tell({ kind: "call", id, args, facts: { cwd: caller.cwd, client: caller.client?.name } });
    return untilAborted(promise, signal);
  }

  /** Takes no more calls, and ends once those that run are over. */
  retire(): void {
    this.#isRetired = true;
    if (this.#runs.size === 0) this.#end("it was replaced");
  }

  [Symbol.dispose](): void {
    this.#end("the daemon is stopping");
  }

  #tell(message: ToWorker): void {
    if (!this.#isOver) this.#worker.postMessage(message);
  }

  #handle(message: FromWorker): void {
    switch (message.kind) {
      case "loaded":
        this.said = JSON.parse(message.text);
        return this.#loaded.resolve();
      case "faulty":
        return this.#end(message.message);
      case "stray":
        return log.error(
          "{tool}: something went wrong beside its calls: {message}",
          this.#facts(message.message),
        );
      case "log":
        return log[message.level]("{tool}: {message}", this.#facts(message.text));
      case "progress":
        return this.#runs.get(message.id)?.context.progress(message.progress);
      case "ask":
        return void this.#serve(message);
      case "begun":
        return this.#note(message.id);
      case "heard":
        return void this.#heard.add(message.id);
      case "done":
        return this.#settle(message.id, (run) => run.resolve(parse(message.text)));
      case "failed":
        if (message.stack) log.error("{tool} failed: {message}", this.#facts(message.stack));
        return this.#settle(message.id, (run) => run.reject(failed(this.#tool, message.message)));
    }
  }

  #note(id: number): void {
    const run = this.#runs.get(id);
    if (run) run.begun = true;
  }

  #facts(message: string) {
    return { tool: this.#tool, message };
  }

  async #serve({ id, ask, method, params }: FromWorker & { kind: "ask" }): Promise<void> {
    try {
      const context = this.#runs.get(id)?.context;
      if (context === undefined) throw new ExaiError("CANCELLED", "the call is over");
      const value = await serveUserTool(method, params, { tool: this.#tool, context });
      this.#tell({ kind: "answer", ask, text: JSON.stringify(value) });
    } catch (thrown) {
      this.#tell({ kind: "answer", ask, fault: messageOf(thrown) });
    }
  }

  #settle(id: number, how: (run: WorkerRun) => void): void {
    clearTimeout(this.#overdue.get(id));
    this.#overdue.delete(id);
    this.#heard.delete(id);
    const run = this.#runs.get(id);
    this.#runs.delete(id);
    if (run) how(run);
    if (this.#isRetired && this.#runs.size === 0) this.#end("it was replaced");
  }

  /** The caller has its answer; the tool is told, and given a moment to end. */
  #abandon(id: number): void {
    const run = this.#runs.get(id);
    if (run === undefined) return;
    this.#tell({ kind: "abort", id, message: messageOf(run.context.signal.reason) });
    this.#overdue.set(id, setTimeout(() => this.#giveUp(id), ABORT_GRACE_MS));
  }

  // Other calls go on where the tool only waits for something; where it loops, nothing in the thread goes on.
  #giveUp(id: number): void {
    log.warning("{tool} goes on with a call that was stopped: its thread is replaced", { tool: this.#tool });
    this.#isRetired = true;
    const loops = !this.#heard.has(id);
    this.#settle(id, () => {});
    if (loops) this.#end("another call of it did not end");
  }

  #end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = this.#isRetired = true;
    this.#worker.terminate();
    for (const timer of this.#overdue.values()) clearTimeout(timer);
    this.#loaded.reject(new ExaiError("CONFIG", why));
    this.#loaded.promise.catch(() => {});
    for (const run of this.#runs.values()) {
      run.reject(run.begun ? failed(this.#tool, why) : new NotBegun(why));
    }
    this.#runs.clear();
  }
}

function parse(text: string | undefined): Json | undefined {
  return text === undefined ? undefined : JSON.parse(text);
}

function failed(tool: string, message: string): ExaiError {
  return new ExaiError("INTERNAL", `${tool} failed: ${message}`);
}
