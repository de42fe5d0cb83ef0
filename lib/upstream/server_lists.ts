import { getLogger } from "@logtape/logtape";
import { resolvedWithin, untilAborted } from "../base/abort.ts";
import type { JsonObject } from "../base/json.ts";
import type { ServerConfig } from "../config/server_config.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Call, Caller } from "../call/call.ts";
import { type ListKind, LISTS } from "../call/server.ts";
import type { InitializeResult } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";
import { Semaphore } from "./semaphore.ts";
import type { Instance } from "./instance.ts";
import type { Leases } from "./leases.ts";
import { LIST_KINDS, ListMemory, type Outdated } from "./list_memory.ts";
import type { ListStore } from "./list_store.ts";
import { listChangedMethod } from "./lists.ts";
import type { Pool } from "./pool.ts";
import type { ListPlace } from "./share_key.ts";
import type { ShownLists } from "./shown_lists.ts";
import type { Slot } from "./slot.ts";

const log = getLogger(["exai", "upstream"]);

/** How long a list is waited for when the one before can be shown in its place. */
const MAX_LIST_WAIT_MS = SECOND_MS / 2;

interface ServerListsOptions {
  leases: Leases;
  pool: Pool;
  shown: ShownLists;
  /** Keeps what the server shows beyond the life of the daemon. */
  store?: ListStore;
  /** How many servers are started at once only to see what they show now. */
  visits?: Semaphore;
}

/**
 * The lists of one server. A session is shown what is remembered of its place, without a process that runs for it; a
 * place whose lists another daemon has left, or another place, is visited once to see what it shows now.
 */
export class ServerLists {
  readonly #name: string;
  readonly #leases: Leases;
  readonly #pool: Pool;
  readonly #shown: ShownLists;
  readonly #memory: ListMemory;
  readonly #gate: Semaphore;
  readonly #visits = new Map<string, Promise<void>>();

  constructor(config: ServerConfig, { leases, pool, shown, store, visits }: ServerListsOptions) {
    this.#name = config.name;
    this.#leases = leases;
    this.#pool = pool;
    this.#shown = shown;
    this.#memory = new ListMemory(config, store);
    this.#gate = visits ?? new Semaphore(1);
    leases.onPlaced = (caller, place) => this.#tell(this.#memory.settle(caller, place));
    pool.onStarted = (slot, instance) => {
      for (const capability of this.#memory.askedBy(slot.capabilities)) {
        // What the windows of a place share is told without asking any.
        if (capability !== "roots" || slot.scope === "session") slot.asked.add(capability);
      }
      void this.#learnAll(slot.listed, instance);
    };
    pool.onAsked = ({ asked, capabilities }) => this.#memory.asked(capabilities, asked);
    leases.asksRoots = () => this.#memory.asksRoots;
    pool.onRootsAsked = (slot) => {
      this.#memory.asked(slot.capabilities, ["roots"]);
      if (slot.mixesRoots) leases.partByRoots(slot);
    };
    pool.onListsStale = (kinds, place) => {
      const outdated = this.#memory.changed(kinds, place);
      // Those attached have heard it from the instance itself.
      notify(outdated.filter(([, caller]) => !this.#leases.running(caller)));
    };
  }

  /** What the server said of itself; it is started when nothing is remembered. */
  async describe(caller: Caller, signal: AbortSignal): Promise<InitializeResult> {
    const { description } = this.#memory.viewOf(caller);
    if (description && !this.#leases.running(caller)) {
      this.#visitOnce(caller);
      return description;
    }
    const slot = await untilAborted(this.#leases.lease(caller), signal);
    return (await untilAborted(slot.instance, signal)).description;
  }

  /** The list of `kind` as the merged catalog shows it. */
  async list(kind: ListKind, { caller, signal }: Call): Promise<readonly JsonObject[]> {
    const remembered = this.#remembered(kind, caller);
    if (remembered) return await this.#shown.of(kind, remembered);
    this.#memory.asks(kind, caller);
    const last = this.#memory.viewOf(caller).lists.get(kind);
    const asked = this.#ask(kind, caller);
    const list = last ? await this.#inTime(asked, last, signal) : await untilAborted(asked, signal);
    if (this.#memory.seen(kind, list, caller)) this.#tell([[kind, caller]]);
    return await this.#shown.of(kind, list);
  }

  /** The same, for a window that asks this server alone; undefined: the server has to be asked. */
  rememberedResult({ method, params, caller }: Call): Result | undefined {
    const kind = kindOf(method);
    if (!kind || params.cursor !== undefined) return undefined;
    const list = this.#remembered(kind, caller);
    if (list) return { result: { [LISTS[kind].field]: [...list] } };
    this.#memory.asks(kind, caller);
    return undefined;
  }

  /** The server itself has answered a window that asked it alone: what it has seen is what its instance lists. */
  answered({ method, caller }: Call, { listed, started }: Slot): void {
    const kind = kindOf(method);
    if (!kind || !started) return;
    this.#read(kind, listed, () => started.lists.get(kind)).then((list) => {
      if (this.#memory.seen(kind, list, caller)) this.#tell([[kind, caller]]);
    }).catch(() => {});
  }

  /**
   * Asks what runs for a session for its list of `kind`, for somebody names what is not in it; a place that nobody has
   * asked yet is asked now. Resolves with whether the list is another.
   */
  async refresh(kind: ListKind, { caller }: Call): Promise<boolean> {
    const { listed } = await this.#leases.placeOf(caller);
    const view = this.#memory.viewAt(listed);
    const before = view.lists.get(kind);
    const instance = this.#leases.running(caller) ?? this.#runningAt(listed);
    if (instance) await this.#read(kind, listed, () => instance.lists.refresh(kind));
    else if (!view.isFresh) await this.#visit(listed, caller);
    return before !== view.lists.get(kind);
  }

  /** What is wrong with the lists it shows: entries that clients would refuse, lists without end. */
  get faults(): string[] {
    const faults = Array.from(this.#memory.lists(), ([, list]) => this.#shown.faultsOf(list));
    return [...new Set(faults.flat())];
  }

  /** A session is over. */
  forget(caller: Caller): void {
    this.#memory.forget(caller);
  }

  /** The list a session is shown without asking the server, which need not run for it. */
  #remembered(kind: ListKind, caller: Caller): readonly JsonObject[] | undefined {
    if (this.#leases.running(caller)) return undefined;
    const list = this.#memory.viewOf(caller).current(kind);
    if (!list) return undefined;
    if (this.#memory.seen(kind, list, caller)) this.#tell([[kind, caller]]);
    this.#visitOnce(caller);
    return list;
  }

  async #ask(kind: ListKind, caller: Caller): Promise<readonly JsonObject[]> {
    const slot = await this.#leases.lease(caller);
    const instance = await slot.instance;
    return await this.#read(kind, slot.listed, () => instance.lists.get(kind));
  }

  /** A server that was well before and is not now goes on being shown: its callers hear what is wrong with it. */
  async #inTime<T>(asked: Promise<T>, last: T, signal: AbortSignal): Promise<T> {
    const inTime = resolvedWithin(asked.catch(() => last), MAX_LIST_WAIT_MS);
    return await untilAborted(inTime, signal) ?? last;
  }

  /** What another daemon, or another place, has left is compared with what the server shows a session now. */
  #visitOnce(caller: Caller): void {
    if (this.#memory.isSettled(caller) && this.#memory.viewOf(caller).isFresh) return;
    const visit = async () => {
      const { listed } = await this.#leases.placeOf(caller);
      if (!this.#memory.viewAt(listed).isFresh) await this.#visit(listed, caller);
    };
    visit().catch((thrown) => log.debug("{server}: {thrown}", { server: this.#name, thrown }));
  }

  /** Has a place's server started, if it must be, and asked for its lists; then it may stop again. */
  #visit({ listKey }: ListPlace, caller: Caller): Promise<void> {
    const known = this.#visits.get(listKey);
    if (known) return known;
    const visit = this.#gate.run(async () => {
      const slot = this.#pool.slot(await this.#leases.placeOf(caller));
      slot.beginCall();
      try {
        await this.#learnAll(slot.listed, await slot.instance);
      } finally {
        slot.endCall();
      }
    }).finally(() => this.#visits.delete(listKey));
    this.#visits.set(listKey, visit);
    return visit;
  }

  async #learnAll(place: ListPlace, instance: Instance): Promise<void> {
    const view = this.#memory.viewAt(place);
    view.isFresh = true;
    view.description = instance.description;
    const reading = LIST_KINDS.map((kind) => this.#read(kind, place, () => instance.lists.get(kind)));
    await Promise.allSettled(reading);
  }

  /** Takes over what `ask` says the list of `kind` is, in a place. */
  async #read(
    kind: ListKind,
    place: ListPlace,
    ask: () => Promise<readonly JsonObject[]>,
  ): Promise<readonly JsonObject[]> {
    const asOf = this.#memory.viewAt(place).changes;
    const list = await ask();
    this.#tell(this.#memory.learn(kind, { list, asOf }, place));
    // At once, not when somebody is shown it: what is wrong with it is said when it comes.
    this.#shown.of(kind, list).catch(() => {});
    return list;
  }

  #tell(outdated: Outdated): void {
    if (outdated.length === 0) return;
    this.#pool.listChanged([...new Set(outdated.map(([kind]) => kind))]);
    notify(outdated);
  }

  /** The instance that runs for the windows of a place. */
  #runningAt({ listKey }: ListPlace): Instance | undefined {
    for (const { started, scope, listed } of this.#pool) {
      if (started && scope !== "session" && listed.listKey === listKey) return started;
    }
    return undefined;
  }
}

function kindOf(method: string): ListKind | undefined {
  return LIST_KINDS.find((kind) => LISTS[kind].method === method);
}

function notify(outdated: Outdated): void {
  for (const [kind, caller] of outdated) caller.notify(listChangedMethod(kind));
}
