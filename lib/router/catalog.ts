import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { untilAborted } from "../base/abort.ts";
import type { JsonObject } from "../base/json.ts";
import { type Call, type Caller, derive } from "../call/call.ts";
import type { ListKind, Server } from "../call/server.ts";
import { waitingFor } from "../call/wait.ts";
import {
  type CatalogEntry,
  entriesOf,
  KEY,
  type Listed,
  NamedEntries,
  type ShownCatalog,
  type ShownTools,
} from "./entries.ts";
import type { PublicNames } from "./public_names.ts";
import { LateLists, type WantedList } from "./late_lists.ts";
import { ListNotices } from "./list_notices.ts";
import { ALL_LISTS, type Missing, reasonOf, waitOf } from "./missing.ts";
import { NameSearch } from "./name_search.ts";

const log = getLogger(["exai", "router"]);

export interface CatalogOptions {
  servers: () => readonly Server[];
  /** How long a list waits for a server whose own is not known before it is given without, in milliseconds. */
  deadlineMs: number;
  /** How long a server may take for other answers before others are tried, in milliseconds; as above by default. */
  answerMs?: number;
  /** Whether results of the server may not match their output schemas, so that the schemas are not shown. */
  hidesOutputSchemas?(server: Server): boolean;
  /** The names of tools and prompts. Default: kept as long as the catalog. */
  names?: PublicNames;
}

/** How long a list that is cached may take. */
const CACHED_LIST_MS = 100;

const NEVER = new AbortController().signal;

/** The merged lists of all servers, as each session sees them. */
export class Catalog {
  readonly #options: CatalogOptions;
  readonly #named: NamedEntries;
  /** Keyed by the object, not by the id: a later session may have the same id. */
  readonly #shown = new WeakMap<Caller, Map<ListKind, ShownCatalog>>();
  /** Ended sessions: lists that arrive for them are dropped. */
  readonly #ended = new WeakSet<Caller>();
  readonly #late = new LateLists();
  readonly #notices = new ListNotices();
  /** Number of changes of the lists so far. */
  #generation = 0;

  constructor(options: CatalogOptions) {
    this.#options = options;
    this.#named = new NamedEntries(options);
  }

  /** Marks the lists that sessions were shown as outdated. */
  invalidate(): void {
    this.#generation++;
  }

  /** Drops the state of a session that has ended. */
  forget(caller: Caller): void {
    this.#ended.add(caller);
    this.#shown.delete(caller);
    this.#notices.forget(caller);
  }

  /** The merged list of `kind` for the caller of `call`, in the order of the servers, by public name or URI. */
  async list(kind: ListKind, call: Call): Promise<Map<string, CatalogEntry>> {
    return (await this.#listAll(kind, call)).entries;
  }

  /** As {@linkcode list}, with the servers that are left out. */
  listed(kind: ListKind, call: Call): Promise<Listed> {
    return this.#listAll(kind, call);
  }

  /** The list that the caller would be shown now; what it was shown before still counts. */
  async preview(kind: ListKind, call: Call): Promise<Listed> {
    return await this.#merge(kind, call);
  }

  async #listAll(
    kind: ListKind,
    call: Call,
    onList?: (server: Server, list: CatalogEntry[] | Missing) => void,
  ): Promise<ShownCatalog> {
    return this.#keep(call.caller, kind, await this.#merge(kind, call, onList));
  }

  async #merge(
    kind: ListKind,
    call: Call,
    onList?: (server: Server, list: CatalogEntry[] | Missing) => void,
  ): Promise<ShownCatalog> {
    // A change while the lists are requested makes the result outdated.
    const generation = this.#generation;
    const lists = await Promise.all(
      this.#options.servers().map(async (server) => {
        const list = await this.#listOf(server, kind, call);
        onList?.(server, list);
        return list;
      }),
    );
    const all = lists.flatMap((list) => Array.isArray(list) ? list : []);
    const missing = lists.filter((list): list is Missing => !Array.isArray(list));
    const confirmed = { keys: new Set<string>(), generation };
    return { entries: this.#named.byKey(kind, all), all, missing, generation, confirmed };
  }

  /** Lists may arrive after their session has ended. */
  #keep(caller: Caller, kind: ListKind, shown: ShownCatalog): ShownCatalog {
    if (this.#ended.has(caller)) return shown;
    const byKind = this.#shown.get(caller) ?? new Map<ListKind, ShownCatalog>();
    this.#shown.set(caller, byKind.set(kind, shown));
    return shown;
  }

  /** The servers that offer an entry of `kind` whose key passes `test`, in their order; several may offer the same. */
  async offering(kind: ListKind, test: (key: string) => boolean, call: Call): Promise<Server[]> {
    const { all } = await this.#listAll(kind, call);
    return [...new Set(all.filter(({ own }) => test(String(own[KEY[kind]]))).map(({ server }) => server))];
  }

  /**
   * Looks for a name that {@linkcode find} did not find: requests the lists again, since some servers do not announce
   * changes, and waits for servers whose lists are not known yet, each within its start limit. The name is looked for as
   * soon as one of them has answered. Without an entry the result names the servers whose lists are missing.
   */
  async search(
    kind: ListKind,
    name: string,
    call: Call,
  ): Promise<{ entry?: CatalogEntry; missing: readonly Missing[]; renamed: ShownTools }> {
    let shown = this.#shown.get(call.caller)?.get(kind);
    if (shown?.generation !== this.#generation) shown = await this.#listAll(kind, call);
    const { servers, deadlineMs, answerMs = deadlineMs } = this.#options;
    const search = new NameSearch({ servers, answerMs }, {
      kind,
      name,
      call: this.#lasting(call),
      signal: call.signal,
    });
    for (;;) {
      const entry = this.#named.entryOf(kind, name, shown);
      if (entry) return { entry, missing: [], renamed: new Map() };
      const missing = search.failuresOf(shown.missing);
      const isNews = await waitingFor(call, () => search.wait, search.next(missing));
      if (isNews === undefined) {
        return { missing, renamed: new Map([...shown.entries].filter(([, entry]) => entry.name === name)) };
      }
      if (isNews || shown.generation !== this.#generation) shown = await this.#listAll(kind, call);
    }
  }

  /** As {@linkcode list}, or the last list the caller was shown if it is not outdated. */
  async current(kind: ListKind, call: Call): Promise<Map<string, CatalogEntry>> {
    const shown = this.#shown.get(call.caller)?.get(kind);
    return shown?.generation === this.#generation ? shown.entries : await this.list(kind, call);
  }

  /** The entry the caller knows as `key`; requests the lists if it was not shown one. */
  find(
    kind: ListKind,
    key: string,
    call: Call,
  ): CatalogEntry | undefined | Promise<CatalogEntry | undefined> {
    const shown = this.#shown.get(call.caller)?.get(kind);
    const known = shown?.entries.get(key);
    if (shown && known && this.#isCurrent(shown, key)) return known;
    const named = shown?.generation === this.#generation ? this.#named.entryOf(kind, key, shown) : undefined;
    return named ?? this.#findAnew(kind, key, { call, shown });
  }

  #isCurrent({ generation, confirmed }: ShownCatalog, key: string): boolean {
    if (generation === this.#generation) return true;
    return confirmed.generation === this.#generation && confirmed.keys.has(key);
  }

  // Asks first the server that had the entry. A client need not list again after a change.
  async #findAnew(kind: ListKind, key: string, from: { call: Call; shown: ShownCatalog | undefined }) {
    const { call, shown } = from;
    const known = shown?.entries.get(key);
    if (shown && known && this.#options.servers().includes(known.server)) {
      const generation = this.#generation;
      const entries = await this.#listOf(known.server, kind, call);
      // The list is unavailable: the call itself will report why.
      if (!Array.isArray(entries)) return known;
      const still = entries.find(({ own }) => own[KEY[kind]] === known.own[KEY[kind]]);
      if (still) {
        if (shown.confirmed.generation !== generation) shown.confirmed = { keys: new Set(), generation };
        shown.confirmed.keys.add(key);
        shown.entries.set(key, still);
        return still;
      }
    }
    return await this.#findAmongAll(kind, key, call);
  }

  /**
   * The entry of `key` as soon as one server has it, without waiting for slow servers. Cached lists of the others are
   * taken into account, since several servers may use the name.
   */
  async #findAmongAll(kind: ListKind, key: string, call: Call): Promise<CatalogEntry | undefined> {
    const out = new Set(this.#options.servers());
    const seen: CatalogEntry[] = [];
    const found = Promise.withResolvers<void>();
    const onList = (server: Server, list: CatalogEntry[] | Missing) => {
      out.delete(server);
      if (!Array.isArray(list)) return;
      seen.push(...list);
      if (KEY[kind] === "name" && list.some(({ name }) => name === key)) found.resolve();
    };
    // Without the trace: the call does not wait for the remaining lists.
    const whole = this.#listAll(kind, derive(call, { trace: undefined }), onList);
    whole.catch(() => {});
    const settling = new AbortController();
    const { signal } = settling;
    const early = found.promise.then(() => delay(CACHED_LIST_MS, { signal })).catch(() => {});
    const wait = () => Array.from(out, (server) => waitOf(server, kind, call.caller)).join(", ") || ALL_LISTS;
    await waitingFor(call, wait, Promise.race([whole, early]));
    settling.abort();
    const entry = out.size > 0 ? this.#named.byKey(kind, seen).get(key) : undefined;
    return entry ?? this.#named.entryOf(kind, key, await waitingFor(call, wait, whole));
  }

  /** The name under which the caller was shown `entry`, if it was. */
  nameOf(kind: ListKind, { server, own }: CatalogEntry, caller: Caller): string | undefined {
    const entries = this.#shown.get(caller)?.get(kind)?.entries ?? [];
    for (const [name, one] of entries) if (one.server === server && one.own.name === own.name) return name;
    return undefined;
  }

  // A slow or failing server is left out; the session is notified when its list arrives.
  async #listOf(server: Server, kind: ListKind, call: Call): Promise<CatalogEntry[] | Missing> {
    const asked = this.#ask(server, kind, call);
    const late = Symbol("late");
    const { promise: tooLate, resolve } = Promise.withResolvers<typeof late>();
    const by = { server, kind, caller: call.caller };
    // What is remembered takes no longer than it takes to check it.
    const isKnown = server.knows?.(kind, call.caller);
    const waitMs = this.#late.has(by) ? 0 : this.#options.deadlineMs;
    const timer = isKnown ? undefined : setTimeout(() => resolve(late), waitMs);
    try {
      const list = await waitingFor(
        call,
        () => waitOf(server, kind, call.caller),
        untilAborted(Promise.race([asked, tooLate]), call.signal),
      );
      if (list !== late) {
        this.#late.arrived(by);
        return entriesOf(kind, list, { server, hidesSchemas: this.#options.hidesOutputSchemas?.(server) });
      }
      const sinceMs = this.#late.await(by, asked, (list) => this.#onArrival(by, list));
      return { server, why: "its list has not come yet", coming: asked, sinceMs };
    } catch (thrown) {
      if (call.signal.aborted) throw thrown;
      const reason = reasonOf(thrown);
      const { why: message } = reason;
      log.warning("{server} is left out of {kind}: {message}", { server: server.name, kind, message });
      return { server, ...reason };
    } finally {
      clearTimeout(timer);
    }
  }

  #onArrival({ kind, caller }: WantedList, list: readonly JsonObject[]): void {
    this.invalidate();
    // A client that was shown no entries of the server has missed none.
    if (list.length > 0 && !this.#ended.has(caller)) this.#notices.add(caller, kind);
  }

  // Not cancelled with the call: the list is cached for others.
  #ask(server: Server, kind: ListKind, call: Call): Promise<readonly JsonObject[]> {
    const lasting = this.#lasting(call);
    return Promise.resolve().then(() => server.list(kind, lasting));
  }

  #lasting(call: Call): Call {
    return derive(call, { signal: NEVER, progressToken: undefined });
  }
}
