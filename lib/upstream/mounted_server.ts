import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { type JsonObject, textOf } from "../base/json.ts";
import type { ServerConfig } from "../base/server_config.ts";
import { SECOND_MS } from "../base/units.ts";
import { type Call, type Caller, derive } from "../call/call.ts";
import { type ListKind, LISTS, type Server } from "../call/server.ts";
import { ROOTS_WAIT, waitingFor } from "../call/wait.ts";
import { type InitializeResult, uriOf } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import { doesWork, runOn } from "./call_run.ts";
import { Gate } from "./gate.ts";
import { namesItsTask } from "./inflight.ts";
import type { Instance } from "./instance.ts";
import { Leases } from "./leases.ts";
import { mayRepeat } from "./outcome.ts";
import { LIST_KINDS, ListMemory, type View } from "./list_memory.ts";
import type { ListStore } from "./list_store.ts";
import { listChangedMethod } from "./lists.ts";
import type { Pool } from "./pool.ts";
import { decideShare } from "./share_key.ts";
import { ShownLists } from "./shown_lists.ts";
import type { Slot } from "./slot.ts";
import type { ProcessRecord } from "./process_records.ts";
import { tasksElsewhere } from "./tasks_elsewhere.ts";
import { ToolFilter } from "./tool_choice.ts";

const log = getLogger(["exai", "upstream"]);

/** How long a list is waited for when the one before can be shown in its place. */
const MAX_LIST_WAIT_MS = SECOND_MS / 2;

export interface MountedServerOptions {
  /** Keeps what the server shows beyond the life of the daemon. */
  lists?: ListStore;
  /** How many servers are started at once only to see what they show now. */
  visits?: Gate;
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
  readonly admitsItself = true;
  readonly #pool: Pool;
  readonly #tools: ToolFilter;
  readonly #leases: Leases;
  readonly #memory: ListMemory;
  readonly #visits: Gate;
  /** The same server under its configuration of now. */
  #successor: MountedServer | undefined;
  /** Calls that have come and are not answered yet. */
  #running = 0;
  /** Resolved when none runs, for a server that is to go. */
  #quiet: PromiseWithResolvers<void> | undefined;
  readonly #shown: ShownLists;

  constructor(config: ServerConfig, pool: Pool, options: MountedServerOptions = {}) {
    this.name = config.name;
    this.config = config;
    this.startTimeoutMs = config.startTimeoutMs;
    this.callTimeoutMs = config.callTimeoutMs;
    this.detachAfterMs = config.detachAfterMs;
    this.maxInflight = config.maxInflight;
    this.#pool = pool;
    this.#leases = new Leases(config, pool);
    this.#tools = new ToolFilter(config.tools);
    this.#shown = new ShownLists(config.name, this.#tools);
    this.#memory = new ListMemory(config, options.lists);
    this.#visits = options.visits ?? new Gate(1);
    pool.onStarted = (slot, instance) => {
      const view = this.#memory.view(slot.capabilities);
      for (const capability of view.asked) slot.asked.add(capability);
      void this.#learnAll(view, instance);
    };
    pool.onAsked = ({ asked, capabilities }) => this.#memory.asked(this.#memory.view(capabilities), asked);
    pool.onListsStale = (kinds) => this.#listsAreStale(kinds);
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
    const remembered = this.#rememberedResult(call);
    if (remembered) return this.#offeredOf(remembered);
    const prepared = this.#prepare(call);
    const isAboutTask = namesItsTask(call.method);
    const isWork = doesWork(call.method);
    const isLimited = this.maxInflight !== undefined;
    for (let isRepeated = false;;) {
      const home = isAboutTask ? this.#pool.homeOf(call.caller, call.params.taskId) : undefined;
      const slot = home ?? await this.#leased(call);
      const why = isWork ? slot.apartFor(call.caller) : undefined;
      if (why !== undefined) {
        this.#leases.moveOut(call.caller, slot, why);
        continue;
      }
      if (isWork) slot.admission.check(call);
      slot.beginCall();
      try {
        const instance = slot.started ?? await this.#startOf(slot, call);
        const result = await runOn(prepared, { slot, instance, isWork, isLimited });
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

  #leased(call: Call): Promise<Slot> {
    const slot = untilAborted(this.#leases.lease(call.caller), call.signal);
    return this.#leases.running(call.caller) ? slot : waitingFor(call, ROOTS_WAIT, slot);
  }

  readonly waitOf = (caller: Caller): string | undefined => this.#leases.waitOf(caller);

  #startOf(slot: Slot, call: Call): Promise<Instance> {
    return waitingFor(call, `server "${this.name}" to start`, untilAborted(slot.instance, call.signal));
  }

  async describe(caller: Caller, signal: AbortSignal): Promise<InitializeResult> {
    const view = this.#memory.viewOf(caller);
    if (view.description && !this.#leases.running(caller)) {
      this.#visitOnce(view, caller);
      return view.description;
    }
    try {
      const slot = await untilAborted(this.#leases.lease(caller), signal);
      return (await untilAborted(slot.instance, signal)).description;
    } catch (thrown) {
      return await this.#insteadOf(thrown).describe(caller, signal);
    }
  }

  async list(kind: ListKind, call: Call): Promise<readonly JsonObject[]> {
    return await this.#list(kind, call).catch((thrown) => this.#insteadOf(thrown).list(kind, call));
  }

  async #list(kind: ListKind, call: Call): Promise<readonly JsonObject[]> {
    const { caller, signal } = call;
    const view = this.#memory.viewOf(caller);
    const remembered = this.#remembered(kind, view, caller);
    if (remembered) return await this.#shown.of(kind, remembered);
    const asked = this.#ask(kind, view, caller);
    const last = view.lists.get(kind);
    if (!last) return await this.#shown.of(kind, await untilAborted(asked, signal));
    // A server that was well before and is not now goes on being shown: its callers hear what is wrong with it.
    const { promise: late, resolve: giveUp } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => giveUp(undefined), MAX_LIST_WAIT_MS);
    const first = Promise.race([asked.catch(() => last), late]);
    const list = await untilAborted(first, signal).finally(() => clearTimeout(timer));
    if (!list) asked.then((list) => list !== last && this.#tell(kind, [caller])).catch(() => {});
    return await this.#shown.of(kind, list ?? last);
  }

  async refresh(kind: ListKind, { caller }: Call): Promise<boolean> {
    const instance = this.#leases.running(caller) ?? this.#sharedWith(caller);
    if (!instance) return false;
    const view = this.#memory.viewOf(caller);
    const before = view.lists.get(kind);
    const list = await instance.lists.refresh(kind);
    this.#learn(kind, { view, list });
    return before !== list;
  }

  /** What is wrong with the lists it shows: entries that clients would refuse, lists without end. */
  get listFaults(): string[] {
    const faults = Array.from(this.#memory.lists(), ([, list]) => this.#shown.faultsOf(list));
    return [...new Set(faults.flat())];
  }

  notify(caller: Caller, method: string, params: JsonObject): void {
    if (method === "notifications/roots/list_changed") return this.#rootsChanged(caller, method, params);
    this.#onInstanceOf(caller, (instance) => instance.notify(method, params));
  }

  logLevelChanged(caller: Caller): void {
    this.#onInstanceOf(caller, (instance) => instance.setLogLevel(caller));
  }

  detach(caller: Caller): void {
    this.#memory.forget(caller);
    this.#leases.end(caller);
  }

  /** Goes on for the sessions of `old`, this server under its configuration of before. */
  inherit(old: MountedServer): void {
    this.#leases.inherit(old.#leases);
    old.#successor = this;
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
    this.#leases.endAll();
    await this.#pool.retire();
  }

  /** Stops one running instance; its sessions stay, and get another when they need one. */
  end(slot: Slot): void {
    this.#pool.end(slot);
  }

  /** Stops one running instance once its calls are done, after `graceMs` at the latest; its sessions stay. */
  retireSlot(slot: Slot, graceMs: number): void {
    this.#pool.retireSlot(slot, graceMs);
  }

  get memoryLimitBytes(): number | undefined {
    return this.config.memoryLimitBytes;
  }

  /** The running instances, for `ps`; `retiring`: those that end once what runs on them has finished. */
  get slots(): Iterable<Slot> {
    return this.#pool;
  }

  get retiring(): Iterable<Slot> {
    return this.#pool.retiring;
  }

  // The merged catalog shows names of the configuration's making; the server knows its own only.
  #prepare(call: Call): Call {
    if (call.method !== "tools/call") return call;
    const shown = textOf(call.params.name);
    if (shown === undefined) throw new ExaiError("INVALID_PARAMS", "name must be a text");
    const name = call.caller.server === undefined ? this.#tools.ownName(shown) : shown;
    if (!this.#tools.offers(name)) {
      throw new ExaiError("TOOL_NOT_FOUND", `server "${this.name}" offers no tool ${JSON.stringify(shown)}`);
    }
    return name === shown ? call : derive(call, { params: { ...call.params, name } });
  }

  #finish(call: Call, result: Result, slot: Slot): Result | Promise<Result> {
    if (result.error) return result;
    switch (call.method) {
      case "resources/subscribe":
        this.#leases.subscribed(call.caller, uriOf(call), slot);
        return result;
      case "resources/unsubscribe":
        this.#leases.unsubscribed(call.caller, uriOf(call));
        return result;
      case "tasks/list":
        return tasksElsewhere(call, result, { here: slot, slots: this.#pool });
      case "tools/list":
        return this.#offeredOf(result);
      default:
        return result;
    }
  }

  #offeredOf(result: Result): Result {
    if (!Array.isArray(result.result?.tools)) return result;
    const tools = result.result.tools.filter((tool) => this.#tools.offersEntry(tool));
    return { result: { ...result.result, tools } };
  }

  /** The list a session is shown without asking the server, which need not run for it. */
  #remembered(kind: ListKind, view: View, caller: Caller): readonly JsonObject[] | undefined {
    const list = view.current(kind);
    view.seen(kind, caller);
    if (!list || this.#leases.running(caller)) return undefined;
    this.#visitOnce(view, caller);
    return list;
  }

  /** The same, for a window that asks this server alone. */
  #rememberedResult({ method, params, caller }: Call): Result | undefined {
    const kind = LIST_KINDS.find((kind) => LISTS[kind].method === method);
    if (!kind || params.cursor !== undefined) return undefined;
    const list = this.#remembered(kind, this.#memory.viewOf(caller), caller);
    return list && { result: { [LISTS[kind].field]: [...list] } };
  }

  async #ask(kind: ListKind, view: View, caller: Caller): Promise<readonly JsonObject[]> {
    const slot = await this.#leases.lease(caller);
    const instance = await slot.instance;
    const list = await instance.lists.get(kind);
    this.#learn(kind, { view, list });
    return list;
  }

  /** What an earlier daemon has kept is compared with what the server shows now, once; then it may stop again. */
  #visitOnce(view: View, caller: Caller): void {
    if (view.isFresh) return;
    view.isFresh = true;
    this.#visits.run(async () => {
      const slot = await this.#leases.visit(caller);
      slot.beginCall();
      try {
        await this.#learnAll(view, await slot.instance);
      } finally {
        slot.endCall();
      }
    }).catch((thrown) => log.debug("{server}: {thrown}", { server: this.name, thrown }));
  }

  async #learnAll(view: View, instance: Instance): Promise<void> {
    view.isFresh = true;
    view.description = instance.description;
    const learning = LIST_KINDS.map(async (kind) => {
      this.#learn(kind, { view, list: await instance.lists.get(kind) });
    });
    await Promise.allSettled(learning);
  }

  #learn(kind: ListKind, { view, list }: { view: View; list: readonly JsonObject[] }): void {
    const before = view.lists.get(kind);
    if (view.learn(kind, list)) this.#tell(kind, view.viewers(kind));
    // At once, not when somebody is shown it: what is wrong with it is said when it comes.
    this.#shown.of(kind, list).catch(() => {});
    if (before !== list) this.#memory.keep(view);
  }

  #listsAreStale(kinds: readonly ListKind[]): void {
    this.#memory.changed(kinds);
    // Those attached have heard it from the instance itself.
    for (const [kind, caller] of this.#memory.viewers(kinds)) {
      if (!this.#leases.running(caller)) caller.notify(listChangedMethod(kind));
    }
  }

  #tell(kind: ListKind, callers: Iterable<Caller>): void {
    this.#pool.listChanged([kind]);
    for (const caller of callers) caller.notify(listChangedMethod(kind));
  }

  /** Where a session's roots are part of what it shares, other roots mean another process; the others stay put. */
  #rootsChanged(caller: Caller, method: string, params: JsonObject): void {
    this.#leases.current(caller)?.then(async (slot) => {
      if (slot.scope === "machine") return;
      // The copy a window has of what is one for each directory is as much in a directory as what it is a copy of.
      const isOwn = slot.scope === "session" && decideShare(this.config).scope !== "project";
      if (isOwn) return (await slot.instance).notify(method, params);
      this.#leases.move(caller, slot);
    }).catch(() => {});
  }

  /** The running instance a session would be led to, of a session that has not needed one yet. */
  #sharedWith({ cwd }: Caller): Instance | undefined {
    for (const { started, scope, callers } of this.#pool) {
      if (started === undefined || scope === "session") continue;
      if (scope === "machine" || [...callers].some((caller) => caller.cwd === cwd)) return started;
    }
    return undefined;
  }

  /** Does something on the instance a session is attached to, if it is to any. */
  #onInstanceOf(caller: Caller, act: (instance: Instance) => unknown): void {
    this.#leases.current(caller)?.then(async (slot) => await act(await slot.instance)).catch(() => {});
  }
}
