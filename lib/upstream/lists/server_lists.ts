import { getLogger } from "@logtape/logtape";
import { resolvedWithin, untilAborted } from "../../base/abort.ts";
import { isObject, type JsonObject } from "../../base/json.ts";
import type { ServerConfig } from "../../config/server_config.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { Call, Caller } from "../../call/call.ts";
import { listChangedMethod } from "../../call/list_changes.ts";
import { type ListKind, LISTS } from "../../call/server.ts";
import type { InitializeResult } from "../../wire/mcp.ts";
import type { Result } from "../../wire/rpc.ts";
import { Semaphore } from "../semaphore.ts";
import type { Instance } from "../instance/instance.ts";
import type { Leases } from "../leases.ts";
import { LIST_KINDS, ListMemory, type OutdatedLists } from "./list_memory.ts";
import type { ListStore } from "../list_store.ts";
import { steadied } from "./list_cache.ts";
import type { Pool } from "../pool.ts";
import type { ListScope } from "../share_key.ts";
import type { ShownLists } from "./shown_lists.ts";
import type { Slot } from "../slot.ts";

const log = getLogger(["exai", "upstream"]);

/** How long a current list is waited for when an older one can be shown instead. */
const MAX_LIST_WAIT_MS = SECOND_MS / 2;

interface ServerListsOptions {
  leases: Leases;
  pool: Pool;
  shown: ShownLists;
  /** Keeps lists across restarts of the daemon. */
  store?: ListStore;
  /** Bounds the servers that are started at once only to read their lists. */
  probes?: Semaphore;
}

/**
 * The lists of one server. A session is shown the remembered lists of its scope without starting a process. Lists left
 * by an earlier daemon or taken from another scope are compared once with what the server lists now.
 */
export class ServerLists {
  readonly #name: string;
  readonly #leases: Leases;
  readonly #pool: Pool;
  readonly #shown: ShownLists;
  readonly #memory: ListMemory;
  readonly #semaphore: Semaphore;
  /** Probes in progress by list key. */
  readonly #probes = new Map<string, Promise<void>>();

  constructor(config: ServerConfig, { leases, pool, shown, store, probes }: ServerListsOptions) {
    this.#name = config.name;
    this.#leases = leases;
    this.#pool = pool;
    this.#shown = shown;
    this.#memory = new ListMemory(config, store);
    this.#semaphore = probes ?? new Semaphore(1);
  }

  /** Whether the server is known to ask for roots. */
  get asksRoots(): boolean {
    return this.#memory.asksRoots;
  }

  /** It is known whose lists a session is shown. */
  scopeKnown(caller: Caller, scope: ListScope): void {
    this.#notify(this.#memory.setScope(caller, scope));
  }

  /** The instance of `slot` has started: reads its lists. */
  instanceStarted(slot: Slot, instance: Instance): void {
    for (const capability of this.#memory.usedCapabilities(slot.advertised)) {
      // Shared roots are answered without asking a client.
      if (capability !== "roots" || slot.scope === "session") slot.usedCapabilities.add(capability);
    }
    void this.#readAll(slot.listScope, instance);
  }

  /** The server of `slot` has made use of client capabilities: remembers them for the next daemon. */
  capabilitiesUsed({ advertised, usedCapabilities }: Slot): void {
    this.#memory.addUsedCapabilities(advertised, usedCapabilities);
  }

  /** The server of `slot` has asked for roots: sessions without roots need their own process. */
  rootsAsked(slot: Slot): void {
    this.#memory.addUsedCapabilities(slot.advertised, ["roots"]);
    if (slot.mixesRoots) this.#leases.splitByRoots(slot);
  }

  /** An instance of `scope` has announced that its lists of `kinds` changed. */
  listsStale(kinds: readonly ListKind[], scope: ListScope): void {
    const outdated = this.#memory.changed(kinds, scope);
    // The instance itself has notified the sessions attached to it.
    notifyCallers(outdated.filter(([, caller]) => !this.#leases.running(caller)));
  }

  /** The server's answer to `initialize`; starts the server when none is remembered. */
  async describe(caller: Caller, signal: AbortSignal): Promise<InitializeResult> {
    const { description } = this.#memory.viewOf(caller);
    if (description && !this.#leases.running(caller)) {
      this.#probeOnce(caller);
      return description;
    }
    const slot = await untilAborted(this.#leases.lease(caller), signal);
    return (await untilAborted(slot.instance, signal)).description;
  }

  /** The list of `kind` as the merged catalog shows it. */
  async list(kind: ListKind, { caller, signal }: Call): Promise<readonly JsonObject[]> {
    const remembered = this.#remembered(kind, caller);
    if (remembered) return await this.#shown.of(kind, remembered);
    this.#memory.listRequested(kind, caller);
    const last = this.#memory.viewOf(caller).lists.get(kind);
    const current = this.#readFor(kind, caller);
    const list = last
      ? await this.#unlessLate(current, { last, signal })
      : await untilAborted(current, signal);
    if (this.#memory.listShown(kind, list, caller)) this.#notify([[kind, caller]]);
    return await this.#shown.of(kind, list);
  }

  /** A remembered list as the result of `call`, a list request to this server alone; undefined: ask the server. */
  rememberedResult({ method, params, caller }: Call): Result | undefined {
    const kind = kindOf(method);
    if (!kind || params.cursor !== undefined) return undefined;
    const list = this.#remembered(kind, caller);
    if (list) return { result: { [LISTS[kind].field]: [...list] } };
    this.#memory.listRequested(kind, caller);
    return undefined;
  }

  /** The server has answered `call` itself: if it was a list request, its session has seen the instance's list. */
  listed({ method, caller }: Call, { listScope, started }: Slot): void {
    const kind = kindOf(method);
    if (!kind || !started) return;
    this.#read(kind, listScope, () => started.lists.get(kind)).then((list) => {
      if (this.#memory.listShown(kind, list, caller)) this.#notify([[kind, caller]]);
    }).catch(() => {});
  }

  /** The answer of the server to a list request of one session alone, in the order and the bytes of the last one. */
  steadyResult({ method, params }: Call, result: Result, { listScope }: Slot): Result {
    const kind = kindOf(method);
    const list = kind && result.result?.[LISTS[kind].field];
    // Pages are not compared.
    const isWhole = params.cursor === undefined && result.result?.nextCursor === undefined;
    if (!kind || result.error || !isWhole || !isListOfObjects(list)) return result;
    const steady = [...steadied(this.#memory.viewAt(listScope).lists.get(kind), list)];
    return { result: { ...result.result, [LISTS[kind].field]: steady } };
  }

  /**
   * Reads the list of `kind` again, as a call names an entry that is not in it. Only a scope that was never read starts
   * its server for that. Resolves with whether the list has changed.
   */
  async refresh(kind: ListKind, { caller }: Call): Promise<boolean> {
    const { listScope } = await this.#leases.requestOf(caller);
    const view = this.#memory.viewAt(listScope);
    const before = view.lists.get(kind);
    const instance = this.#leases.running(caller) ?? this.#runningIn(listScope);
    if (instance) await this.#read(kind, listScope, () => instance.lists.refresh(kind));
    else if (!view.isFresh) await this.#probe(listScope, caller);
    return before !== view.lists.get(kind);
  }

  /** What is wrong with the lists: entries that clients would reject, lists without end. */
  get faults(): string[] {
    const faults = Array.from(this.#memory.lists(), ([, list]) => this.#shown.faultsOf(list));
    return [...new Set(faults.flat())];
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    this.#memory.forget(caller);
  }

  /** The list a session is shown while no instance runs for it. */
  #remembered(kind: ListKind, caller: Caller): readonly JsonObject[] | undefined {
    if (this.#leases.running(caller)) return undefined;
    const list = this.#memory.viewOf(caller).current(kind);
    if (!list) return undefined;
    if (this.#memory.listShown(kind, list, caller)) this.#notify([[kind, caller]]);
    this.#probeOnce(caller);
    return list;
  }

  async #readFor(kind: ListKind, caller: Caller): Promise<readonly JsonObject[]> {
    const slot = await this.#leases.lease(caller);
    const instance = await slot.instance;
    return await this.#read(kind, slot.listScope, () => instance.lists.get(kind));
  }

  /** Falls back to the last list when the server fails or is slow: calls of its tools say what is wrong with it. */
  async #unlessLate<T>(current: Promise<T>, { last, signal }: { last: T; signal: AbortSignal }): Promise<T> {
    const inTime = resolvedWithin(current.catch(() => last), MAX_LIST_WAIT_MS);
    return await untilAborted(inTime, signal) ?? last;
  }

  /** Compares remembered lists with what the server lists now, unless that was done. */
  #probeOnce(caller: Caller): void {
    if (this.#memory.hasScope(caller) && this.#memory.viewOf(caller).isFresh) return;
    const probe = async () => {
      const { listScope } = await this.#leases.requestOf(caller);
      if (!this.#memory.viewAt(listScope).isFresh) await this.#probe(listScope, caller);
    };
    probe().catch((thrown) => log.debug("{server}: {thrown}", { server: this.#name, thrown }));
  }

  /** Reads the lists of a scope, starting its server if none runs; the server may stop again afterwards. */
  #probe({ listKey }: ListScope, caller: Caller): Promise<void> {
    const known = this.#probes.get(listKey);
    if (known) return known;
    const probe = this.#semaphore.run(async () => {
      const slot = this.#pool.slot(await this.#leases.requestOf(caller));
      slot.beginCall();
      try {
        await this.#readAll(slot.listScope, await slot.instance);
      } finally {
        slot.endCall();
      }
    }).finally(() => this.#probes.delete(listKey));
    this.#probes.set(listKey, probe);
    return probe;
  }

  async #readAll(scope: ListScope, instance: Instance): Promise<void> {
    const view = this.#memory.viewAt(scope);
    view.isFresh = true;
    view.description = instance.description;
    const reading = LIST_KINDS.map((kind) => this.#read(kind, scope, () => instance.lists.get(kind)));
    await Promise.allSettled(reading);
  }

  /** Stores what `ask` resolves with as the list of `kind` of a scope. */
  async #read(
    kind: ListKind,
    scope: ListScope,
    ask: () => Promise<readonly JsonObject[]>,
  ): Promise<readonly JsonObject[]> {
    const asOf = this.#memory.viewAt(scope).changes;
    const asked = await ask();
    const list = steadied(this.#memory.viewAt(scope).lists.get(kind), asked);
    this.#notify(this.#memory.learn(kind, { list, asOf }, scope));
    // Now rather than when it is shown, so that its faults are logged at once.
    this.#shown.of(kind, list).catch(() => {});
    return list;
  }

  #notify(outdated: OutdatedLists): void {
    if (outdated.length === 0) return;
    this.#pool.listChanged([...new Set(outdated.map(([kind]) => kind))]);
    notifyCallers(outdated);
  }

  /** A shared instance that runs in a scope. */
  #runningIn({ listKey }: ListScope): Instance | undefined {
    for (const { started, scope, listScope } of this.#pool) {
      if (started && scope !== "session" && listScope.listKey === listKey) return started;
    }
    return undefined;
  }
}

function isListOfObjects(value: unknown): value is JsonObject[] {
  return Array.isArray(value) && value.every(isObject);
}

function kindOf(method: string): ListKind | undefined {
  return LIST_KINDS.find((kind) => LISTS[kind].method === method);
}

function notifyCallers(outdated: OutdatedLists): void {
  for (const [kind, caller] of outdated) caller.notify(listChangedMethod(kind));
}
