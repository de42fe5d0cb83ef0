import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import type { ServerConfig } from "../base/server_config.ts";
import { SECOND_MS } from "../base/units.ts";
import { type Call, type Caller, derive } from "../call/call.ts";
import type { ListKind, Server } from "../call/server.ts";
import type { InitializeResult } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import { namesItsTask } from "./inflight.ts";
import type { Instance } from "./instance.ts";
import { Leases } from "./leases.ts";
import type { Pool } from "./pool.ts";
import type { Slot } from "./slot.ts";
import type { Trouble } from "./supervisor.ts";
import { tasksElsewhere } from "./tasks_elsewhere.ts";
import { ToolFilter } from "./tool_choice.ts";

const log = getLogger(["exai", "upstream"]);

/** How long a call waits for another session's to end before its session gets a process of its own. */
const MAX_TURN_WAIT_MS = SECOND_MS;

/**
 * One server of the configuration. Each session is led to the running instance its share key names; the instance is
 * started when the first needs it and stopped some time after the last has gone.
 */
export class MountedServer implements Server, AsyncDisposable {
  readonly name: string;
  readonly config: ServerConfig;
  readonly callTimeoutMs: number | undefined;
  readonly maxInflight: number | undefined;
  readonly #pool: Pool;
  readonly #tools: ToolFilter;
  readonly #leases: Leases;
  /** What the server showed last, to any session: served while an instance starts. */
  readonly #lastLists = new Map<ListKind, readonly JsonObject[]>();
  /** Calls that have come and are not answered yet. */
  #running = 0;
  /** Resolved when none runs, for a server that is to go. */
  #quiet: PromiseWithResolvers<void> | undefined;
  readonly #shown = new WeakMap<readonly JsonObject[], readonly JsonObject[]>();

  constructor(config: ServerConfig, pool: Pool) {
    this.name = config.name;
    this.config = config;
    this.callTimeoutMs = config.callTimeoutMs;
    this.maxInflight = config.maxInflight;
    this.#pool = pool;
    this.#leases = new Leases(config, pool);
    this.#tools = new ToolFilter(config.tools);
  }

  readonly target = async (call: Call): Promise<Result> => {
    this.#running++;
    try {
      return await this.#serve(call);
    } finally {
      if (--this.#running === 0) this.#quiet?.resolve();
    }
  };

  async #serve(call: Call): Promise<Result> {
    const prepared = this.#prepare(call);
    const isAboutTask = namesItsTask(call.method);
    for (;;) {
      const home = isAboutTask ? this.#pool.homeOf(call.caller, call.params.taskId) : undefined;
      const slot = home ?? await untilAborted(this.#leases.lease(call.caller), call.signal);
      slot.beginCall();
      try {
        const instance = slot.started ?? await untilAborted(slot.instance, call.signal);
        if (!slot.turns || isAboutTask) return await this.#finish(call, await instance.call(prepared), slot);
        const wait = { signal: call.signal, maxWaitMs: slot.mayMove ? MAX_TURN_WAIT_MS : Infinity };
        const asked = slot.turns.acquire(call.caller.id, wait);
        using turn = asked instanceof Promise ? await asked : asked;
        if (turn) return await this.#finish(call, await instance.call(prepared), slot);
      } finally {
        slot.endCall();
      }
      this.#leases.moveOut(call.caller, slot);
    }
  }

  async describe(caller: Caller, signal: AbortSignal): Promise<InitializeResult> {
    const slot = await untilAborted(this.#leases.lease(caller), signal);
    return (await untilAborted(slot.instance, signal)).description;
  }

  async list(kind: ListKind, call: Call): Promise<readonly JsonObject[]> {
    const last = this.#lastLists.get(kind);
    const slot = await untilAborted(this.#leases.lease(call.caller), call.signal);
    if (last && !slot.started) {
      this.#refresh(kind, slot, { caller: call.caller, last });
      return this.#show(kind, last);
    }
    const instance = await untilAborted(slot.instance, call.signal);
    const list = await untilAborted(instance.lists.get(kind), call.signal);
    this.#lastLists.set(kind, list);
    return this.#show(kind, list);
  }

  notify(caller: Caller, method: string, params: JsonObject): void {
    if (method === "notifications/roots/list_changed") return this.#rootsChanged(caller, method, params);
    this.#onInstanceOf(caller, (instance) => instance.notify(method, params));
  }

  logLevelChanged(caller: Caller): void {
    this.#onInstanceOf(caller, (instance) => instance.setLogLevel(caller));
  }

  detach(caller: Caller): void {
    this.#leases.end(caller);
  }

  /** Goes on for the sessions of `old`, this server under its configuration of before. */
  inherit(old: MountedServer): void {
    this.#leases.inherit(old.#leases);
  }

  /** What stands in the way of its next start; undefined when nothing does. */
  get trouble(): Trouble | undefined {
    return this.#pool.supervisor.trouble;
  }

  /** What went wrong so far does not count any more: it may be started at once. */
  forgive(): void {
    this.#pool.supervisor.forgive();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leases.endAll();
    await this.#pool[Symbol.asyncDispose]();
  }

  /** Takes nothing new, lets what runs finish, then stops every instance. */
  async retire(): Promise<void> {
    // Those that wait for their turn run too.
    this.#quiet = Promise.withResolvers();
    if (this.#running > 0) await this.#quiet.promise;
    this.#leases.endAll();
    await this.#pool.retire();
  }

  /** The running instances, for `ps`. */
  get slots(): Iterable<Slot> {
    return this.#pool;
  }

  // The merged catalog shows names of the configuration's making; the server knows its own only.
  #prepare(call: Call): Call {
    if (call.method !== "tools/call") return call;
    const shown = String(call.params.name);
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
        this.#leases.subscribed(call.caller, String(call.params.uri), slot);
        return result;
      case "resources/unsubscribe":
        this.#leases.unsubscribed(call.caller, String(call.params.uri));
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
    const tools = (result.result.tools as JsonObject[]).filter(({ name }) =>
      this.#tools.offers(String(name))
    );
    return { result: { ...result.result, tools } };
  }

  #show(kind: ListKind, list: readonly JsonObject[]): readonly JsonObject[] {
    if (kind !== "tools") return list;
    let shown = this.#shown.get(list);
    if (!shown) this.#shown.set(list, shown = this.#tools.shown(list));
    return shown;
  }

  /** Asks a server that is still starting, and tells the session if what it was shown meanwhile was out of date. */
  #refresh(kind: ListKind, slot: Slot, shown: { caller: Caller; last: readonly JsonObject[] }): void {
    const asked = slot.instance.then((instance) => instance.lists.get(kind));
    asked.then((list) => {
      this.#lastLists.set(kind, list);
      if (JSON.stringify(list) === JSON.stringify(shown.last)) return;
      this.#pool.listChanged([kind]);
      const what = kind === "templates" ? "resources" : kind;
      shown.caller.notify(`notifications/${what}/list_changed`);
    }).catch((thrown) => log.debug("{server}: {thrown}", { server: this.name, thrown }));
  }

  /** Where a session's roots are part of what it shares, other roots mean another process; the others stay put. */
  #rootsChanged(caller: Caller, method: string, params: JsonObject): void {
    this.#leases.current(caller)?.then(async (slot) => {
      if (slot.scope === "machine") return;
      if (slot.scope === "session") return (await slot.instance).notify(method, params);
      this.#leases.move(caller, slot);
    }).catch(() => {});
  }

  /** Does something on the instance a session is attached to, if it is to any. */
  #onInstanceOf(caller: Caller, act: (instance: Instance) => unknown): void {
    this.#leases.current(caller)?.then(async (slot) => await act(await slot.instance)).catch(() => {});
  }
}
