import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { bindToSession, type ServerConfig } from "../base/server_config.ts";
import { SECOND_MS } from "../base/units.ts";
import { type Call, type Caller, derive } from "../call/call.ts";
import type { ListKind, Server } from "../call/server.ts";
import type { InitializeResult } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import { namesItsTask } from "./inflight.ts";
import { Pool, type Slot } from "./pool.ts";
import { scopeOf, shareKey, type Tenant } from "./share_key.ts";
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
  /** The slot each session is attached to. */
  readonly #leases = new Map<string, Promise<Slot>>();
  readonly #private = new Set<string>();
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
    const slot = await untilAborted(this.#lease(call.caller), call.signal);
    const instance = await untilAborted(slot.instance, call.signal);
    if (!slot.turns || namesItsTask(call.method)) {
      return this.#finish(call, await instance.call(prepared));
    }
    const wait = { signal: call.signal, maxWaitMs: slot.mayMove ? MAX_TURN_WAIT_MS : Infinity };
    const asked = slot.turns.acquire(call.caller.id, wait);
    using turn = asked instanceof Promise ? await asked : asked;
    if (turn) return this.#finish(call, await instance.call(prepared));
    this.#moveOut(call.caller, slot);
    return await this.#serve(call);
  }

  async describe(caller: Caller, signal: AbortSignal): Promise<InitializeResult> {
    const slot = await untilAborted(this.#lease(caller), signal);
    return (await untilAborted(slot.instance, signal)).description;
  }

  async list(kind: ListKind, call: Call): Promise<readonly JsonObject[]> {
    const last = this.#lastLists.get(kind);
    const slot = await untilAborted(this.#lease(call.caller), call.signal);
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
    this.#leases.get(caller.id)?.then(async (slot) => (await slot.instance).notify(method, params)).catch(
      () => {},
    );
  }

  logLevelChanged(caller: Caller): void {
    this.#leases.get(caller.id)?.then(async (slot) => (await slot.instance).setLogLevel(caller)).catch(
      () => {},
    );
  }

  detach(caller: Caller): void {
    const lease = this.#leases.get(caller.id);
    this.#leases.delete(caller.id);
    this.#private.delete(caller.id);
    lease?.then((slot) => slot.release(caller)).catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#leases.clear();
    await this.#pool[Symbol.asyncDispose]();
  }

  /** Takes nothing new, lets what runs finish, then stops every instance. */
  async retire(): Promise<void> {
    // Those that wait for their turn run too.
    this.#quiet = Promise.withResolvers();
    if (this.#running > 0) await this.#quiet.promise;
    this.#leases.clear();
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

  #finish(call: Call, result: Result): Result {
    if (call.method !== "tools/list" || !result.result || !Array.isArray(result.result.tools)) return result;
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

  #lease(caller: Caller): Promise<Slot> {
    const known = this.#leases.get(caller.id);
    if (known) return known.then((slot) => slot.alive ? slot : this.#renew(caller, known));
    const lease = this.#attach(caller);
    this.#leases.set(caller.id, lease);
    lease.catch(() => this.#leases.get(caller.id) === lease && this.#leases.delete(caller.id));
    return lease;
  }

  /** The instance of `stale` has ended: the first who notices gets a new one for all. */
  #renew(caller: Caller, stale: Promise<Slot>): Promise<Slot> {
    if (this.#leases.get(caller.id) === stale) this.#leases.delete(caller.id);
    return this.#lease(caller);
  }

  async #attach(caller: Caller): Promise<Slot> {
    const roots = await caller.roots();
    const workspace = workspaceOf(roots?.[0]?.uri) ?? caller.cwd;
    const tenant: Tenant = { caller, workspace, roots };
    const isPrivate = this.#private.has(caller.id);
    const bound = bindToSession(
      isPrivate ? { ...this.config, share: "session" as const } : this.config,
      workspace,
    );
    const key = shareKey(bound, tenant);
    const slot = this.#pool.slot({ key, config: bound, tenant, scope: scopeOf(bound, tenant) });
    slot.lease(caller);
    return slot;
  }

  /** Another session has had the floor for too long: this one goes on in a process of its own. */
  #moveOut(caller: Caller, slot: Slot): void {
    log.info("{server}: session {id} gets a process of its own", { server: this.name, id: caller.id });
    this.#private.add(caller.id);
    this.#leases.delete(caller.id);
    slot.release(caller);
  }

  /** Where a session's roots are part of what it shares, other roots mean another process; the others stay put. */
  #rootsChanged(caller: Caller, method: string, params: JsonObject): void {
    const lease = this.#leases.get(caller.id);
    lease?.then(async (slot) => {
      if (slot.scope === "machine") return;
      if (slot.scope === "session") return (await slot.instance).notify(method, params);
      if (this.#leases.get(caller.id) === lease) this.#leases.delete(caller.id);
      slot.release(caller);
    }).catch(() => {});
  }
}

/** The path a `file:` URI names. */
function workspaceOf(uri: string | undefined): string | undefined {
  if (uri === undefined || !URL.canParse(uri)) return undefined;
  const url = new URL(uri);
  if (url.protocol !== "file:") return undefined;
  const path = decodeURIComponent(url.pathname);
  return /^\/[A-Za-z]:/.test(path) ? path.slice(1) : path;
}
