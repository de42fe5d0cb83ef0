import { untilAborted } from "../base/abort.ts";
import type { JsonObject } from "../base/json.ts";
import { MAX_TIMER_MS } from "../base/time.ts";
import type { ServerConfig } from "../config/server_config.ts";
import { type Call, type Caller, paramOf } from "../call/call.ts";
import type { KnownServerFacts, ListKind, RefreshOptions, Server } from "../call/server.ts";
import { withAdvice } from "../call/server_trouble.ts";
import { ROOTS_WAIT, waitingFor } from "../call/wait.ts";
import { type InitializeResult, uriOf } from "../wire/mcp.ts";
import type { Params } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import { mayRepeat } from "./repeatable_call.ts";
import type { Instance } from "./instance/instance.ts";
import { type Leases, ROOTS_CHANGED } from "./leases.ts";
import { isTaskMethod, isWorkMethod } from "./method_kind.ts";
import { mountedParts } from "./mounted_parts.ts";
import { HaltedError } from "./next_process.ts";
import type { Pool } from "./pool.ts";
import type { MountedServerOptions } from "./server_options.ts";
import type { KnownLists } from "./lists/known_lists.ts";
import type { ServerLists } from "./lists/server_lists.ts";
import type { ToolFilter } from "./lists/tool_filter.ts";
import { decideShare, type ShareDecision } from "./sharing/decide_share.ts";
import type { Slot } from "./slot.ts";
import type { ProcessRecord } from "./process_records.ts";
import { mergeTaskLists } from "./tasks/merged_task_list.ts";

/**
 * One server of the configuration. Each session is served by the running instance its share key names, which is started
 * for the first session that needs it and stopped some time after the last has gone.
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
  readonly toolNaming: ServerConfig["tools"];
  /** The instances that take calls. */
  readonly slots: Iterable<Slot>;
  /** The instances that end once their calls have finished. */
  readonly retiring: Iterable<Slot>;
  readonly #pool: Pool;
  readonly #tools: ToolFilter;
  readonly #leases: Leases;
  readonly #lists: ServerLists;
  /** The same server under its new configuration. */
  #successor: MountedServer | undefined;
  /** The same server under earlier configurations, while calls or tasks run there. */
  readonly #predecessors = new Set<MountedServer>();
  /** Calls that are not answered yet. */
  #running = 0;
  /** Resolved when no call runs, once the server is being retired. */
  #drained: PromiseWithResolvers<void> | undefined;

  constructor(config: ServerConfig, options: MountedServerOptions) {
    this.name = config.name;
    this.config = config;
    this.toolNaming = config.tools;
    this.startTimeoutMs = config.startTimeoutMs;
    this.callTimeoutMs = config.callTimeoutMs;
    this.detachAfterMs = config.detachAfterMs;
    this.maxInflight = config.maxInflight;
    this.memoryLimitBytes = config.memoryLimitBytes;
    const { pool, leases, tools, lists } = mountedParts(config, options);
    this.slots = this.#pool = pool;
    this.retiring = pool.retiring;
    this.#leases = leases;
    this.#tools = tools;
    this.#lists = lists;
    this.lists = this.#lists.known;
  }

  readonly target = async (call: Call): Promise<Result> => {
    this.#running++;
    try {
      return await this.#serve(call);
    } catch (thrown) {
      return await this.#successorFor(thrown).target(call);
    } finally {
      if (--this.#running === 0) this.#drained?.resolve();
    }
  };

  /** The server to use instead, if `thrown` says that this one is retired; throws any other error, with advice. */
  #successorFor(thrown: unknown): MountedServer {
    const isRetired = thrown === this.#pool.retiredError;
    if (isRetired && this.#successor) return this.#successor;
    throw isRetired ? thrown : withAdvice(thrown, this.config);
  }

  async #serve(call: Call): Promise<Result> {
    const remembered = this.#lists.rememberedResult(call);
    if (remembered) return this.#tools.offeredOf(remembered);
    this.#tools.check(call, this.name);
    const isAboutTask = isTaskMethod(call.method);
    const elsewhere = isAboutTask ? this.#taskElsewhere(call) : undefined;
    if (elsewhere) return await elsewhere;
    const isWork = isWorkMethod(call.method);

    let last: Slot | undefined;
    for (let isRepeated = false;;) {
      if (last?.putAway?.failsWith) throw last.putAway.failsWith;
      if (isWork) this.#pool.records.crashes.check(call);
      const home = isAboutTask ? this.#pool.slotOfTask(call.caller, paramOf(call, "taskId")) : undefined;
      const ready = home ?? (call.signal.aborted ? undefined : this.#leases.ready(call.caller));
      const slot = last = ready ??
        await waitingFor(call, ROOTS_WAIT, untilAborted(this.#leases.lease(call.caller), call.signal));
      using turn = isWork && slot.takesTurns(call.caller) ? await slot.turnOf(call) : undefined;
      if (turn?.is === "apart") this.#leases.isolate(call.caller, slot, turn.why);
      if (turn && turn.is !== "granted") continue;
      if (isWork) slot.admission.check(call);
      slot.beginCall();
      try {
        const instance = slot.started ??
          await waitingFor(call, `server "${this.name}" to start`, untilAborted(slot.instance, call.signal));
        if (isAboutTask) call.begin?.({ inTurn: true });
        const result = await (isWork ? slot.admission.run(call, instance) : instance.call(call));
        if (!result) continue;
        if (isWork) this.#pool.records.answered(slot, call, result);
        return await this.#finish(call, result, slot);
      } catch (thrown) {
        if (!await mayRepeat(thrown, call, { lists: slot.started?.lists, isRepeated })) throw thrown;
        isRepeated = true;
      } finally {
        slot.endCall();
      }
    }
  }

  /** Answers a task call whose task runs under an earlier configuration, or a list that needs no process. */
  #taskElsewhere(call: Call): Promise<Result> | undefined {
    const { caller, method } = call;
    if (method !== "tasks/list") {
      const taskId = paramOf(call, "taskId");
      return [...this.#predecessors].find((old) => old.#pool.slotOfTask(caller, taskId))?.target(call);
    }
    if (this.#successor) return this.#successor.target(call);
    return this.#pool.retiredError &&
      mergeTaskLists(call, { result: { tasks: [] } }, { slots: this.#allSlots() });
  }

  /** Every slot, including those under earlier configurations. */
  *#allSlots(): Generator<Slot> {
    yield* this.#pool.allSlots();
    for (const old of this.#predecessors) yield* old.#pool.allSlots();
  }

  readonly known = (caller: Caller): KnownServerFacts => this.lists.factsFor(caller);
  /** What serves a session; started, and attached to it, unless it is. */
  readonly slotFor = (caller: Caller): Promise<Slot> => this.#leases.lease(caller);
  readonly waitOf = (caller: Caller) => this.#leases.waitOf(caller) ?? this.#lists.waitOf(caller);

  describe(...asked: Parameters<Server["describe"]>): Promise<InitializeResult> {
    return this.#lists.describe(...asked)
      .catch((thrown) => this.#successorFor(thrown).describe(...asked));
  }

  list(kind: ListKind, call: Call): Promise<readonly JsonObject[]> {
    return this.#lists.list(kind, call).catch((thrown) => this.#successorFor(thrown).list(kind, call));
  }

  readonly refresh = (...asked: [ListKind, Call, RefreshOptions]): Promise<boolean> =>
    this.#lists.refresh(...asked).catch((thrown) => this.#successorFor(thrown).refresh(...asked));

  readonly knows = (kind: ListKind, caller: Caller) => this.#lists.knows(kind, caller);
  readonly freshness = (kind: ListKind, by: Caller) => this.#leases.running(by)?.lists.freshness(kind);
  readonly prepare = (caller: Caller) => this.#lists.prepare(caller);

  /** Its lists, as the daemon's owner is shown them. */
  readonly lists: KnownLists;

  notify(caller: Caller, method: string, params: Params): void {
    if (method === ROOTS_CHANGED) return this.#leases.rootsChanged(caller, params);
    if (method !== "notifications/tasks/status") {
      return this.#onInstanceOf(caller, (instance) => instance.notify(caller, method, params));
    }
    // The session may have moved to another process than the one it runs the task for.
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

  /** Takes over the sessions of `old`, this server under its earlier configuration. */
  inherit(old: MountedServer): void {
    this.#pool.inherit(old.#pool);
    this.#leases.inherit(old.#leases);
    old.#successor = this;
    for (const server of [...old.#predecessors, old]) this.#predecessors.add(server);
  }

  /** How far it is shared by what is known now. */
  get sharing(): ShareDecision {
    return decideShare(this.config);
  }

  /** What is remembered of its processes, whether they run or not. */
  get records(): Iterable<ProcessRecord> {
    return this.#pool.records;
  }

  /** Forgets past failures, of one process or all: it may be started, and called, at once. */
  readonly resetBackoff = (keyHash?: string): void => this.#pool.records.resetBackoff(keyHash);

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leases.endAll();
    await this.#pool[Symbol.asyncDispose]();
  }

  /** Stops every instance once its calls have finished; takes no new sessions. */
  async retire(): Promise<void> {
    this.#pool.stopAccepting();
    // Calls that wait for admission are counted too.
    this.#drained = Promise.withResolvers();
    if (this.#running > 0) await this.#drained.promise;
    this.#leases.endAll("it was taken out of mcp.json");
    await this.#pool.retire();
    for (let next = this.#successor; next; next = next.#successor) next.#predecessors.delete(this);
  }

  /** Stops one running instance; its sessions get another when they need one. Resolves when it has ended. */
  end(slot: Slot): Promise<void> {
    return this.#pool.end(slot);
  }

  /** As {@linkcode end}, for a person: its calls fail, and only one that comes later starts another. */
  halt(slot: Slot): Promise<void> {
    return this.#pool.end(slot, new HaltedError(this.name));
  }

  /** Stops one running instance once its calls have finished, after `graceMs` at the latest. */
  retireSlot(slot: Slot, graceMs: number): void {
    this.#pool.retireSlot(slot, graceMs);
  }

  /** As {@linkcode retireSlot} without a limit, for a person: only a call starts another. */
  park(slot: Slot): void {
    slot.putAway ??= {};
    this.#pool.retireSlot(slot, MAX_TIMER_MS);
  }

  /** Whether it was taken out of mcp.json or changed there. */
  get isRetired(): boolean {
    return this.#pool.retiredError !== undefined;
  }

  #finish(call: Call, result: Result, slot: Slot): Result | Promise<Result> {
    if (isTaskMethod(call.method) && !slot.started?.handles.isTaskOf(call.caller, paramOf(call, "taskId"))) {
      this.#pool.orphaned.explain(call, result);
    }
    if (result.error) return result;
    result = this.#lists.listed(call, result, slot);
    switch (call.method) {
      case "resources/subscribe":
        // This one is being retired: the answer of the current server counts.
        if (this.#successor) return this.#successor.target(call);
        this.#leases.subscribed(call.caller, uriOf(call), slot);
        return result;
      case "resources/unsubscribe":
        this.#leases.unsubscribed(call.caller, uriOf(call));
        return this.#successor ? this.#successor.#unsubscribeToo(call) : result;
      case "tasks/list":
        return mergeTaskLists(call, result, { here: slot, slots: this.#allSlots() });
      case "tools/list":
        return this.#tools.offeredOf(result);
      default:
        return result;
    }
  }

  /** Ends a subscription taken over from an earlier configuration, where the session has just ended it. */
  async #unsubscribeToo(call: Call): Promise<Result> {
    const uri = uriOf(call);
    // Before the server is asked, so that it is not subscribed again meanwhile.
    const isKept = this.#leases.unsubscribed(call.caller, uri);
    let result: Result | undefined;
    try {
      return result = await this.target(call);
    } finally {
      if (isKept && (!result || result.error)) this.#leases.keepSubscription(call.caller, uri);
    }
  }

  /** With the instance a session is attached to, if any. */
  #onInstanceOf(caller: Caller, act: (instance: Instance) => unknown): void {
    this.#leases.current(caller)?.then(async (slot) => await act(await slot.instance)).catch(() => {});
  }
}
