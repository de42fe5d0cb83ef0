import { getLogger } from "@logtape/logtape";
import { resolvedWithin, untilAborted } from "../../base/abort.ts";
import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import type { ServerConfig } from "../../config/server_config.ts";
import { type Call, type Caller, paramOf } from "../../call/call.ts";
import { notifyCallers } from "../../call/list_changes.ts";
import { type ListKind, type RefreshOptions } from "../../call/server.ts";
import type { InitializeResult } from "../../wire/mcp.ts";
import type { Result } from "../../wire/rpc.ts";
import type { Instance } from "../instance/instance.ts";
import type { Leases } from "../leases.ts";
import { isListReader } from "./list_reader.ts";
import { KnownLists } from "./known_lists.ts";
import { ListMemory, type OutdatedLists } from "./list_memory.ts";
import { LIST_KINDS, listKindOf, listResult } from "./list_view.ts";
import { onNextProcess, settledUnlessStopped } from "../next_process.ts";
import type { ListStore } from "../list_store.ts";
import { steadied, steadyResult } from "./list_cache.ts";
import type { Pool } from "../pool.ts";
import type { ProbeQueue } from "./probe_queue.ts";
import { Probes } from "./probes.ts";
import type { ListScope } from "../share_key.ts";
import type { ShownLists } from "./shown_lists.ts";
import type { Slot } from "../slot.ts";

const log = getLogger(["exai", "upstream"]);

/** How long a current list is waited for when an older one can be shown instead. */
const MAX_LIST_WAIT_MS = 50;

interface ServerListsOptions {
  leases: Leases;
  pool: Pool;
  shown: ShownLists;
  /** Keeps lists across restarts of the daemon. */
  store?: ListStore;
  /** Bounds the servers that are started at once only to read their lists. */
  probes?: ProbeQueue;
}

/**
 * The lists of one server. A session is shown what the server listed last, without starting a process: in the session's
 * own scope, else in any. Lists left by an earlier daemon or taken from another scope are compared once with what the
 * server lists now.
 */
export class ServerLists {
  readonly #config: ServerConfig;
  readonly #leases: Leases;
  readonly #pool: Pool;
  readonly #shown: ShownLists;
  readonly #memory: ListMemory;
  /** What is known without starting the server. */
  readonly known: KnownLists;
  readonly #probes: Probes;

  constructor(config: ServerConfig, { leases, pool, shown, store, probes }: ServerListsOptions) {
    this.#config = config;
    this.#leases = leases;
    this.#pool = pool;
    this.#shown = shown;
    this.#memory = new ListMemory(config, store);
    this.known = new KnownLists(this.#memory, shown);
    this.#probes = new Probes({
      name: config.name,
      leases,
      pool,
      queue: probes,
      read: async (slot) => await this.#readAll(slot.listScope, await slot.instance),
    });
  }

  /** Whether the server is known to ask for roots. */
  get asksRoots(): boolean {
    return this.#memory.usedCapabilities.has("roots");
  }

  /**
   * Makes the lists ready for the windows to come: checks those that are kept, or reads those of a server that was never
   * read. Resolves when that has ended, in whatever way.
   */
  async prepare(caller: Caller): Promise<void> {
    const { lists } = this.#memory.viewOf(caller);
    try {
      if (this.#memory.isKnown) {
        return void await Promise.all(Array.from(lists, ([kind, list]) => this.#shown.of(kind, list)));
      }
      await this.#probes.settled();
      if (!this.#memory.isKnown) await this.#probes.request(caller, false);
    } catch (thrown) {
      log.debug("{server} is not prepared: {thrown}", { server: this.#config.name, thrown });
    }
  }

  /** It is known whose lists a session is shown. */
  scopeKnown(caller: Caller, scope: ListScope): void {
    this.#notify(this.#memory.setScope(caller, scope));
  }

  /** The instance of `slot` has started: reads its lists. */
  instanceStarted(slot: Slot, instance: Instance): void {
    for (const capability of this.#memory.usedCapabilities) {
      // Shared roots are answered without asking a client.
      if (capability !== "roots" || slot.scope === "session") slot.usedCapabilities.add(capability);
    }
    this.#readAll(slot.listScope, instance).catch(() => {});
  }

  /** The server of `slot` has made use of client capabilities: remembers them for the next daemon. */
  capabilitiesUsed({ usedCapabilities }: Slot): void {
    this.#memory.addUsedCapabilities(usedCapabilities);
  }

  /** The server of `slot` has asked for roots: sessions without roots need their own process. */
  rootsAsked(slot: Slot): void {
    this.#memory.addUsedCapabilities(["roots"]);
    if (slot.mixesRoots) this.#leases.splitByRoots(slot);
  }

  /** An instance of `scope` has announced that its lists of `kinds` changed. */
  listsStale(kinds: readonly ListKind[], scope: ListScope): void {
    const outdated = this.#memory.changed(kinds, scope);
    // The instance itself has notified the sessions attached to it.
    notifyCallers(outdated.filter(([, caller]) => !this.#leases.running(caller)));
  }

  /** The server's answer to `initialize`; starts the server when none is remembered. */
  async describe(caller: Caller, signal: AbortSignal, isUnasked = false): Promise<InitializeResult> {
    const { description } = this.#memory.viewOf(caller);
    if (description && !this.#leases.running(caller)) {
      if (!isUnasked) this.#verifyOnce(caller);
      return description;
    }
    return await untilAborted(this.#probes.describe(caller, isUnasked), signal);
  }

  /** What a session that needs a list waits for; undefined: nothing that is to be done first. */
  readonly waitOf = (caller: Caller): string | undefined => this.#probes.waitOf(caller);

  /** Whether {@linkcode list} needs no process that is still to be started. */
  knows(kind: ListKind, caller: Caller): boolean {
    return this.#memory.viewOf(caller).lists.has(kind) || this.#remembered(kind, caller) !== undefined;
  }

  /** The list of `kind` as the merged catalog shows it. */
  async list(kind: ListKind, { caller, signal }: Call): Promise<readonly JsonObject[]> {
    // So that it is shown what it was shown before.
    const placed = this.#memory.awaitsScope(caller) && this.#probes.placeOf(caller).catch(() => {});
    if (placed) await resolvedWithin(placed, MAX_LIST_WAIT_MS);
    this.#listen(caller);
    const remembered = this.#remembered(kind, caller);
    if (remembered) return await this.#shown.of(kind, this.#show(kind, remembered, caller));
    this.#memory.listRequested(kind, caller);
    const last = this.#memory.viewOf(caller).lists.get(kind);
    const current = onNextProcess(() => this.#readFor(kind, caller));
    try {
      const list = last
        ? await this.#unlessLate(current, { last, signal })
        : await untilAborted(current, signal);
      return await this.#shown.of(kind, this.#seen(kind, list, caller));
    } catch (thrown) {
      this.#memory.listMissed(kind, caller);
      throw thrown;
    }
  }

  /** A remembered list as the result of `call`, a list request to this server alone; undefined: ask the server. */
  rememberedResult(call: Call): Result | undefined {
    const kind = listKindOf(call.method);
    if (!kind || paramOf(call, "cursor") !== undefined) return undefined;
    const { caller } = call;
    const list = this.#remembered(kind, caller);
    if (list) return listResult(kind, this.#show(kind, list, caller));
    this.#memory.listRequested(kind, caller);
    const fresh = this.#leases.running(caller)?.lists.fresh(kind);
    return fresh && listResult(kind, this.#seen(kind, fresh.list, caller), fresh.freshness);
  }

  /** The answer to `call` by the server itself: if it is a list, its session has seen it, in the order of the last. */
  listed(call: Call, result: Result, { listScope, started }: Slot): Result {
    const kind = listKindOf(call.method);
    if (!kind || !started) return result;
    const before = this.#memory.viewAt(listScope).lists.get(kind);
    this.#read(kind, listScope, () => started.lists.get(kind)).then((list) => {
      this.#seen(kind, list, call.caller);
    }).catch(() => {});
    return steadyResult(kind, result, { before, cursor: paramOf(call, "cursor") });
  }

  /**
   * Reads the list of `kind` again, as a call names an entry that is not in it. Starts the server only if it was never
   * read, or is the one named. Resolves with whether the list has changed.
   */
  async refresh(kind: ListKind, { caller }: Call, { isNamed }: RefreshOptions): Promise<boolean> {
    const { listScope } = await this.#probes.placeOf(caller);
    const view = this.#memory.viewAt(listScope);
    const before = view.lists.get(kind);
    await onNextProcess(async () => {
      const instance = this.#leases.running(caller) ?? this.#pool.runningIn(listScope);
      if (instance) await this.#read(kind, listScope, () => instance.lists.refresh(kind));
      else if (isNamed && !(view.isFresh && before)) await this.#probes.now(caller);
      else if (before && !this.#memory.isForeign(listScope)) await this.#probes.running(listScope.listKey);
      else await this.#probes.request(caller, false);
    });
    return before !== view.lists.get(kind);
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    this.#memory.forget(caller);
  }

  /** The list a session is shown while no instance runs for it. */
  #remembered(kind: ListKind, caller: Caller): readonly JsonObject[] | undefined {
    return this.#leases.running(caller) ? undefined : this.#memory.viewOf(caller).current(kind);
  }

  /** Keeps a session that lists connected to a remote server, so that it hears of changes: that costs no process. */
  #listen(caller: Caller): void {
    if (this.#config.kind !== "stdio" && !isListReader(caller)) this.#leases.lease(caller).catch(() => {});
  }

  #show(kind: ListKind, remembered: readonly JsonObject[], caller: Caller): readonly JsonObject[] {
    this.#verifyOnce(caller);
    return this.#seen(kind, remembered, caller);
  }

  #seen(kind: ListKind, list: readonly JsonObject[], caller: Caller): readonly JsonObject[] {
    if (this.#memory.listShown(kind, list, caller)) this.#notify([[kind, caller]]);
    return list;
  }

  async #readFor(kind: ListKind, caller: Caller): Promise<readonly JsonObject[]> {
    const { listScope } = await this.#probes.placeOf(caller);
    const isOwn = kind === "resources" && listScope.resourcesFor === "session";
    if (isOwn || this.#leases.running(caller)) {
      const slot = await this.#leases.lease(caller);
      const instance = await slot.instance;
      const list = this.#read(kind, slot.listScope, () => instance.lists.get(kind));
      return await list.catch((thrown) => Promise.reject(slot.putAway?.failsWith ?? thrown));
    }
    const known = () => this.#memory.viewOf(caller).current(kind);
    await this.#probes.settled();
    if (!known()) await this.#probes.request(caller, false);
    return known() ?? await this.#readAgain(kind, listScope);
  }

  /** Reads a list that could not be read when its server was started. */
  async #readAgain(kind: ListKind, scope: ListScope): Promise<readonly JsonObject[]> {
    const instance = this.#pool.runningIn(scope);
    if (instance) return await this.#read(kind, scope, () => instance.lists.get(kind));
    const why = `server "${this.#config.name}" ended before it listed its ${kind}`;
    throw new ExaiError("UPSTREAM_UNAVAILABLE", why, { details: { server: this.#config.name } });
  }

  /** Falls back to the last list when the server fails or is slow: calls of its tools say what is wrong with it. */
  async #unlessLate<T>(current: Promise<T>, { last, signal }: { last: T; signal: AbortSignal }): Promise<T> {
    return await untilAborted(resolvedWithin(current.catch(() => last), MAX_LIST_WAIT_MS), signal) ?? last;
  }

  /** Compares remembered lists with what the server lists now, unless that was done. */
  #verifyOnce(caller: Caller): void {
    if (this.#memory.isSettled(caller)) return;
    const verify = async () => {
      const { listScope } = await this.#probes.placeOf(caller);
      if (this.#memory.isUnverified(listScope)) await this.#probes.request(caller, true);
    };
    verify().catch((thrown) => log.debug("{server}: {thrown}", { server: this.#config.name, thrown }));
  }

  /** Lists that the server does not give are left out. Rejects when the process is stopped meanwhile. */
  async #readAll(scope: ListScope, instance: Instance): Promise<void> {
    this.#memory.verified(scope, instance.description);
    const reading = LIST_KINDS.map((kind) => this.#read(kind, scope, () => instance.lists.get(kind)));
    await settledUnlessStopped(reading);
  }

  /** Stores what `ask` resolves with as the list of `kind` of a scope, and logs its faults. */
  async #read(
    kind: ListKind,
    scope: ListScope,
    ask: () => Promise<readonly JsonObject[]>,
  ): Promise<readonly JsonObject[]> {
    const view = this.#memory.viewAt(scope);
    const [asOf, list] = [view.changes, steadied(await ask(), view.lists.get(kind))];
    // It was forgotten meanwhile: somebody else may be signed in.
    if (this.#memory.viewAt(scope) !== view) return list;
    const isGuess = scope.listKey === this.#probes.readerKey;
    this.#notify(this.#memory.learn(kind, { list, asOf, isGuess }, scope));
    this.#shown.of(kind, list).catch(() => {});
    return list;
  }

  #notify(outdated: OutdatedLists): void {
    if (outdated.length === 0) return;
    this.#pool.listChanged([...new Set(outdated.map(([kind]) => kind))]);
    notifyCallers(outdated);
  }
}
