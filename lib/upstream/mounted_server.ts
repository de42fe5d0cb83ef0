import { untilAborted } from "../base/abort.ts";
import type { JsonObject } from "../base/json.ts";
import type { ServerConfig } from "../config/server_config.ts";
import type { Call, Caller } from "../call/call.ts";
import type { ListKind, Server } from "../call/server.ts";
import { ROOTS_WAIT, waitingFor } from "../call/wait.ts";
import { type InitializeResult, uriOf } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import { runOn } from "./call_run.ts";
import type { Semaphore } from "./semaphore.ts";
import type { Instance } from "./instance.ts";
import { Leases } from "./leases.ts";
import { mayRepeat } from "./outcome.ts";
import type { ListStore } from "./list_store.ts";
import type { Pool } from "./pool.ts";
import { followRoots, ROOTS_CHANGED } from "./roots_change.ts";
import { ServerLists } from "./server_lists.ts";
import { ShownLists } from "./shown_lists.ts";
import type { Slot } from "./slot.ts";
import type { ProcessRecord } from "./process_records.ts";
import { tasksElsewhere } from "./tasks_elsewhere.ts";
import { ToolFilter } from "./tool_choice.ts";
import { doesWork, namesItsTask } from "./work.ts";

export interface MountedServerOptions {
  /** Keeps what the server shows beyond the life of the daemon. */
  lists?: ListStore;
  /** How many servers are started at once only to see what they show now. */
  visits?: Semaphore;
}

/**
 * One server of the configuration. Each session is led to the running instance its share key names; the instance is
 * started when the first needs it and stopped some time after the last has gone.
 */
export class MountedServer implements Server, AsyncDisposable {
  readonly name: string;
  readonly config: ServerConfig;
  readonly startTimeoutMs: number;
  readonly callTimeoutMs: number | undefined;
  readonly detachAfterMs: number | undefined;
  readonly maxInflight: number | undefined;
  readonly memoryLimitBytes: number | undefined;
  readonly admitsItself = true;
  /** The running instances, for `ps`; `retiring`: those that end once what runs on them has finished. */
  readonly slots: Iterable<Slot>;
  readonly retiring: Iterable<Slot>;
  readonly #pool: Pool;
  readonly #tools: ToolFilter;
  readonly #leases: Leases;
  readonly #lists: ServerLists;
  /** The same server under its configuration of now. */
  #successor: MountedServer | undefined;
  /** The same server under its configurations of before, while something runs on it. */
  readonly #before = new Set<MountedServer>();
  /** Calls that have come and are not answered yet. */
  #running = 0;
  /** Resolved when none runs, for a server that is to go. */
  #quiet: PromiseWithResolvers<void> | undefined;

  constructor(config: ServerConfig, pool: Pool, options: MountedServerOptions = {}) {
    this.name = config.name;
    this.config = config;
    this.startTimeoutMs = config.startTimeoutMs;
    this.callTimeoutMs = config.callTimeoutMs;
    this.detachAfterMs = config.detachAfterMs;
    this.maxInflight = config.maxInflight;
    this.memoryLimitBytes = config.memoryLimitBytes;
    this.slots = this.#pool = pool;
    this.retiring = pool.retiring;
    this.#leases = new Leases(config, pool);
    this.#tools = new ToolFilter(config.tools);
    const shown = new ShownLists(config.name, this.#tools);
    const { lists: store, visits } = options;
    this.#lists = new ServerLists(config, { leases: this.#leases, pool, shown, store, visits });
  }

  readonly target = async (call: Call): Promise<Result> => {
    this.#running++;
    try {
      return await this.#serve(call);
    } catch (thrown) {
      return await this.#insteadOf(thrown).target(call);
    } finally {
      if (--this.#running === 0) this.#quiet?.resolve();
    }
  };

  /** The server that is to do in this one's place what could not be begun, because this one is retired. */
  #insteadOf(thrown: unknown): MountedServer {
    if (this.#successor && thrown === this.#pool.retired) return this.#successor;
    throw thrown;
  }

  async #serve(call: Call): Promise<Result> {
    const remembered = this.#lists.rememberedResult(call);
    if (remembered) return this.#tools.offeredOf(remembered);
    const prepared = this.#tools.ownCall(call, this.name);
    const isAboutTask = namesItsTask(call.method);
    const elsewhere = isAboutTask ? this.#taskElsewhere(call) : undefined;
    if (elsewhere) return await elsewhere;
    const isWork = doesWork(call.method);
    for (let isRepeated = false;;) {
      if (isWork) this.#pool.records.crashes.check(prepared);
      const home = isAboutTask ? this.#pool.homeOf(call.caller, call.params.taskId) : undefined;
      const ready = home ?? (call.signal.aborted ? undefined : this.#leases.ready(call.caller));
      const slot = ready ?? await this.#leased(call);
      const why = isWork ? slot.apartFor(call.caller) : undefined;
      if (why !== undefined) {
        this.#leases.moveOut(call.caller, slot, why);
        continue;
      }
      if (isWork) slot.admission.check(call);
      slot.beginCall();
      try {
        const instance = slot.started ?? await this.#startOf(slot, call);
        const result = await runOn(prepared, { slot, instance, isWork });
        if (!result) continue;
        slot.hasAnswered ||= isWork;
        return await this.#finish(call, result, slot);
      } catch (thrown) {
        if (isRepeated || !await mayRepeat(thrown, prepared, slot.started?.lists)) throw thrown;
        isRepeated = true;
      } finally {
        slot.endCall();
      }
    }
  }

  /** What a call about a task comes to where that runs under a configuration of before, or a list needs no process. */
  #taskElsewhere(call: Call): Promise<Result> | undefined {
    const { caller, method, params } = call;
    if (method !== "tasks/list") {
      return [...this.#before].find((old) => old.#pool.homeOf(caller, params.taskId))?.target(call);
    }
    if (this.#successor) return this.#successor.target(call);
    return this.#pool.retired && tasksElsewhere(call, { result: { tasks: [] } }, { slots: this.#allSlots() });
  }

  /** Those of its configurations of before among them. */
  *#allSlots(): Generator<Slot> {
    yield* this.#pool.all();
    for (const old of this.#before) yield* old.#pool.all();
  }

  #leased(call: Call): Promise<Slot> {
    return waitingFor(call, ROOTS_WAIT, untilAborted(this.#leases.lease(call.caller), call.signal));
  }

  readonly waitOf = (caller: Caller): string | undefined => this.#leases.waitOf(caller);

  #startOf(slot: Slot, call: Call): Promise<Instance> {
    return waitingFor(call, `server "${this.name}" to start`, untilAborted(slot.instance, call.signal));
  }

  async describe(caller: Caller, signal: AbortSignal): Promise<InitializeResult> {
    return await this.#lists.describe(caller, signal).catch((thrown) =>
      this.#insteadOf(thrown).describe(caller, signal)
    );
  }

  async list(kind: ListKind, call: Call): Promise<readonly JsonObject[]> {
    return await this.#lists.list(kind, call).catch((thrown) => this.#insteadOf(thrown).list(kind, call));
  }

  async refresh(kind: ListKind, call: Call): Promise<boolean> {
    return await this.#lists.refresh(kind, call);
  }

  /** What is wrong with the lists it shows: entries that clients would refuse, lists without end. */
  get listFaults(): string[] {
    return this.#lists.faults;
  }

  notify(caller: Caller, method: string, params: JsonObject): void {
    if (method === ROOTS_CHANGED) return followRoots(caller, this.#leases, { config: this.config, params });
    if (method !== "notifications/tasks/status") {
      return this.#onInstanceOf(caller, (instance) => instance.notify(caller, method, params));
    }
    // The session may have moved on from the process it runs the task for.
    for (const { instance } of this.#allSlots()) {
      instance.then((its) => its.notify(caller, method, params), () => {});
    }
  }

  logLevelChanged(caller: Caller): void {
    this.#onInstanceOf(caller, (instance) => instance.logLevelChanged());
  }

  detach(caller: Caller): void {
    this.#lists.forget(caller);
    this.#leases.end(caller);
  }

  /** Goes on for the sessions of `old`, this server under its configuration of before. */
  inherit(old: MountedServer): void {
    this.#pool.lostTasks = old.#pool.lostTasks;
    this.#leases.inherit(old.#leases);
    old.#successor = this;
    for (const one of [...old.#before, old]) this.#before.add(one);
  }

  /** What is remembered of its processes, those that do not run among them. */
  get records(): Iterable<ProcessRecord> {
    return this.#pool.records;
  }

  /** What went wrong so far does not count any more: it may be started, and called, at once. */
  forgive(): void {
    this.#pool.records.forgive();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leases.endAll();
    await this.#pool[Symbol.asyncDispose]();
  }

  /** Takes nothing new, lets what runs finish, then stops every instance. */
  async retire(): Promise<void> {
    this.#pool.close();
    // Those that wait for their turn run too.
    this.#quiet = Promise.withResolvers();
    if (this.#running > 0) await this.#quiet.promise;
    this.#leases.endAll("it was taken out of mcp.json");
    await this.#pool.retire();
    for (let next = this.#successor; next; next = next.#successor) next.#before.delete(this);
  }

  /** Stops one running instance; its sessions stay, and get another when they need one. */
  end(slot: Slot): void {
    this.#pool.end(slot);
  }

  /** Stops one running instance once its calls are done, after `graceMs` at the latest; its sessions stay. */
  retireSlot(slot: Slot, graceMs: number): void {
    this.#pool.retireSlot(slot, graceMs);
  }

  /** Whether it is on its way out as a whole: taken out of the configuration, or changed there. */
  get isRetired(): boolean {
    return this.#pool.retired !== undefined;
  }

  #finish(call: Call, result: Result, slot: Slot): Result | Promise<Result> {
    if (namesItsTask(call.method) && !slot.started?.handles.isTaskOf(call.caller, call.params.taskId)) {
      this.#pool.lostTasks.explained(call, result);
    }
    if (result.error) return result;
    this.#lists.answered(call, slot);
    switch (call.method) {
      case "resources/subscribe":
        // What has agreed is on its way out; the session is told what the server of now says.
        if (this.#successor) return this.#successor.target(call);
        this.#leases.subscribed(call.caller, uriOf(call), slot);
        return result;
      case "resources/unsubscribe":
        this.#leases.unsubscribed(call.caller, uriOf(call));
        return this.#successor ? this.#successor.#unsubscribeToo(call) : result;
      case "tasks/list":
        return tasksElsewhere(call, result, { here: slot, slots: this.#allSlots() });
      case "tools/list":
        return this.#tools.offeredOf(result);
      default:
        return result;
    }
  }

  /** The session has unsubscribed from this server as it was before, whose subscriptions this one has taken over. */
  async #unsubscribeToo(call: Call): Promise<Result> {
    const uri = uriOf(call);
    // At once: where it is not subscribed again yet, it must not be later.
    const isKept = this.#leases.unsubscribed(call.caller, uri);
    let result: Result | undefined;
    try {
      return result = await this.target(call);
    } finally {
      if (isKept && (!result || result.error)) this.#leases.goesOn(call.caller, uri);
    }
  }

  /** Does something on the instance a session is attached to, if it is to any. */
  #onInstanceOf(caller: Caller, act: (instance: Instance) => unknown): void {
    this.#leases.current(caller)?.then(async (slot) => await act(await slot.instance)).catch(() => {});
  }
}
