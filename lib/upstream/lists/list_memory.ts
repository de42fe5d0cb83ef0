import { createHash } from "node:crypto";
import { isObject, type JsonObject } from "../../base/json.ts";
import type { ServerConfig } from "../../config/server_config.ts";
import type { Caller } from "../../call/call.ts";
import { type ListKind, LISTS } from "../../call/server.ts";
import type { InitializeResult } from "../../wire/mcp.ts";
import type { ListStore, StoredView, ViewKey } from "../list_store.ts";
import { BoundedMap } from "../bounded_map.ts";
import { isSameList } from "./list_cache.ts";
import { advertisedCapabilities, isDirectoryBound, type ListScope, SHARED_WITH_ROOTS } from "../share_key.ts";
import { decideShare } from "../sharing/decide_share.ts";

export const LIST_KINDS = Object.keys(LISTS) as ListKind[];

/** Views of one server kept at once. */
const MAX_VIEWS = 64;

/** The lists of one scope, as last read. */
class View {
  description: InitializeResult | undefined;
  readonly lists = new Map<ListKind, readonly JsonObject[]>();
  /** Lists the server has announced to have changed and that were not read since. */
  readonly stale = new Set<ListKind>();
  /** Whether this daemon has asked the server itself. */
  isFresh = false;
  /** How often the server has announced changes. */
  changes = 0;

  /** The list of `kind`, unless it is known to be out of date. */
  current(kind: ListKind): readonly JsonObject[] | undefined {
    if (this.stale.has(kind)) return undefined;
    const list = this.lists.get(kind);
    return list ?? (kind === "resources" && this.#hasNoResources ? [] : undefined);
  }

  get #hasNoResources(): boolean {
    return this.description !== undefined && !isObject(this.description.capabilities.resources);
  }
}

/** The lists last read from processes that were advertised the same capabilities, in any scope. */
interface KeptLists {
  readonly key: ViewKey;
  readonly view: View;
  /** Client capabilities the server has made use of. */
  readonly usedCapabilities: Set<string>;
}

/** What one session has seen, and its scope once that is known. */
interface ListViewer {
  readonly caller: Caller;
  scope: ListScope | undefined;
  /** The last list of each kind it was shown, unless it was notified of a change since. */
  readonly seen: Map<ListKind, readonly JsonObject[]>;
}

/** Sessions to notify that their list of a kind has changed. */
export type OutdatedLists = [ListKind, Caller][];

/**
 * The lists of one server by scope, and what each session has seen of them. A session is notified when the list of its
 * own scope differs from what it has seen; changes in other scopes do not concern it.
 */
export class ListMemory {
  readonly #config: ServerConfig;
  readonly #store: ListStore | undefined;
  /** By advertised capabilities. */
  readonly #kept = new BoundedMap<string, KeptLists>(MAX_VIEWS);
  /** By list key. */
  readonly #views = new Map<string, View>();
  /** By session id. */
  readonly #viewers = new Map<string, ListViewer>();
  /** Sessions that have ended: nothing more is kept for them. */
  readonly #ended = new WeakSet<Caller>();
  #digest: string | undefined;

  constructor(config: ServerConfig, store: ListStore | undefined) {
    this.#config = config;
    this.#store = store;
  }

  /** The view of a session's scope; while that is not known, a view of any scope with the same capabilities. */
  viewOf(caller: Caller): View {
    const scope = this.#viewers.get(caller.id)?.scope;
    return scope ? this.viewAt(scope) : this.#keptFor(this.#advertisedTo(caller)).view;
  }

  /** The view of a scope. A new one starts with the lists of another scope. */
  viewAt(scope: ListScope): View {
    let view = this.#views.get(scope.listKey);
    if (view) return view;
    const kept = this.#keptFor(scope.advertised).view;
    view = new View();
    view.description = kept.description;
    for (const [kind, list] of kept.lists) view.lists.set(kind, list);
    this.#makeRoom();
    this.#views.set(scope.listKey, view);
    return view;
  }

  /** Sets the scope of a session; returns the lists it has seen that differ there. */
  setScope(caller: Caller, scope: ListScope): OutdatedLists {
    const viewer = this.#viewerOf(caller);
    if (viewer.scope?.listKey === scope.listKey) return [];
    viewer.scope = scope;
    const view = this.viewAt(scope);
    return LIST_KINDS.filter((kind) => this.#isOutdated(viewer, kind, view)).map((kind) => [kind, caller]);
  }

  hasScope(caller: Caller): boolean {
    return this.#viewers.get(caller.id)?.scope !== undefined;
  }

  /** A session has requested the list of `kind`: until it is shown, changes need no notification. */
  listRequested(kind: ListKind, caller: Caller): void {
    this.#viewers.get(caller.id)?.seen.delete(kind);
  }

  /** A session is shown `list`; returns whether that is out of date already. */
  listShown(kind: ListKind, list: readonly JsonObject[], caller: Caller): boolean {
    const viewer = this.#viewerOf(caller);
    viewer.seen.set(kind, list);
    return viewer.scope !== undefined && this.#isOutdated(viewer, kind, this.viewAt(viewer.scope));
  }

  /**
   * Stores the list of a scope; returns the sessions that have seen another.
   *
   * @param asOf `changes` of its view when the server was asked: later changes may not be in the list
   */
  learn(
    kind: ListKind,
    { list, asOf }: { list: readonly JsonObject[]; asOf: number },
    scope: ListScope,
  ): OutdatedLists {
    if (kind === "resources" && scope.resourcesFor === "session") return [];
    const view = this.viewAt(scope);
    const before = view.lists.get(kind);
    view.lists.set(kind, list);
    if (view.changes === asOf) view.stale.delete(kind);
    if (before !== list) this.#keep(scope, kind);
    return this.#outdated(scope, kind);
  }

  /** A server has announced that the lists of `kinds` changed in its scope; returns the sessions that have seen one. */
  changed(kinds: readonly ListKind[], { listKey }: ListScope): OutdatedLists {
    const view = this.#views.get(listKey);
    if (view) {
      view.changes++;
      for (const kind of kinds) view.stale.add(kind);
    }
    return kinds.flatMap((kind) => {
      const viewers = this.#viewers.values().filter(({ scope, seen }) =>
        scope?.listKey === listKey && seen.delete(kind)
      );
      return Array.from(viewers, ({ caller }): [ListKind, Caller] => [kind, caller]);
    });
  }

  /** Every list of every scope. */
  *lists(): Iterable<[ListKind, readonly JsonObject[]]> {
    for (const { lists } of this.#views.values()) yield* lists;
    for (const { view } of this.#kept.values()) yield* view.lists;
  }

  /** Client capabilities made use of by processes that were advertised `advertised`. */
  usedCapabilities(advertised: JsonObject): ReadonlySet<string> {
    return this.#keptFor(advertised).usedCapabilities;
  }

  /** Remembers client capabilities made use of by processes that were advertised `advertised`. */
  addUsedCapabilities(advertised: JsonObject, capabilities: Iterable<string>): void {
    const kept = this.#keptFor(advertised);
    const known = kept.usedCapabilities.size;
    for (const capability of capabilities) kept.usedCapabilities.add(capability);
    if (kept.usedCapabilities.size > known) this.#save(kept);
  }

  /** Whether the server asks for roots when the capability is advertised to it. */
  get asksRoots(): boolean {
    return this.usedCapabilities(SHARED_WITH_ROOTS).has("roots");
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    this.#ended.add(caller);
    this.#viewers.delete(caller.id);
  }

  #viewerOf(caller: Caller): ListViewer {
    let viewer = this.#viewers.get(caller.id);
    if (!viewer) {
      viewer = { caller, scope: undefined, seen: new Map() };
      if (!this.#ended.has(caller)) this.#viewers.set(caller.id, viewer);
    }
    return viewer;
  }

  #outdated(scope: ListScope, kind: ListKind): OutdatedLists {
    const view = this.viewAt(scope);
    const outdated: OutdatedLists = [];
    for (const viewer of this.#viewers.values()) {
      if (viewer.scope?.listKey !== scope.listKey || !this.#isOutdated(viewer, kind, view)) continue;
      outdated.push([kind, viewer.caller]);
    }
    return outdated;
  }

  /** Whether a session has seen another list than `view` has; true once for each change. */
  #isOutdated({ seen }: ListViewer, kind: ListKind, view: View): boolean {
    const known = seen.get(kind);
    const list = view.current(kind);
    if (!known || !list || known === list) return false;
    if (isSameList(known, list)) {
      seen.set(kind, list);
      return false;
    }
    return seen.delete(kind);
  }

  #keptFor(advertised: JsonObject): KeptLists {
    const capabilities = JSON.stringify(advertised);
    let kept = this.#kept.get(capabilities);
    if (!kept) {
      const key = { server: this.#config.name, config: this.#configDigest(), capabilities };
      kept = readKept(key, this.#store?.get(key));
      // Clients choose their capabilities freely; what is dropped here is read from the store again.
      this.#kept.set(capabilities, kept);
    }
    return kept;
  }

  /** Keeps a list as a first guess for other scopes. */
  #keep(scope: ListScope, kind: ListKind): void {
    const { description, lists } = this.viewAt(scope);
    const kept = this.#keptFor(scope.advertised);
    kept.view.description = description;
    if (kind === "resources" && scope.resourcesFor !== "everybody") return;
    kept.view.lists.set(kind, lists.get(kind)!);
    this.#save(kept);
  }

  #save({ key, view: { description, lists }, usedCapabilities }: KeptLists): void {
    if (!description) return;
    this.#store?.set(key, { description, lists: Object.fromEntries(lists), asked: [...usedCapabilities] });
  }

  #advertisedTo(caller: Caller): JsonObject {
    const { scope } = decideShare(this.#config);
    const isRootless = this.asksRoots && !isObject(caller.capabilities.roots);
    const isBound = isDirectoryBound(this.#config, scope);
    return advertisedCapabilities({ scope, isBound, isRootless }, caller);
  }

  /** Drops the oldest view that no session uses, when there are too many. */
  #makeRoom(): void {
    if (this.#views.size < MAX_VIEWS) return;
    const inUse = new Set(this.#viewers.values().map(({ scope }) => scope?.listKey));
    for (const listKey of this.#views.keys()) {
      if (inUse.has(listKey)) continue;
      this.#views.delete(listKey);
      return;
    }
  }

  // A digest rather than the text: the environment may hold secrets.
  #configDigest(): string {
    return this.#digest ??= createHash("sha256").update(JSON.stringify(identityOf(this.#config))).digest(
      "hex",
    );
  }
}

function readKept(key: ViewKey, stored: StoredView | undefined): KeptLists {
  const view = new View();
  view.description = stored?.description;
  for (const kind of LIST_KINDS) {
    const list = stored?.lists[kind];
    if (list) view.lists.set(kind, list);
  }
  return { key, view, usedCapabilities: new Set(stored?.asked) };
}

/** The parts of a configuration that decide which server runs, and how. */
function identityOf(config: ServerConfig): unknown[] {
  const { kind, share, cwdFree } = config;
  return kind === "stdio"
    ? [kind, share, cwdFree, config.command, config.args, config.env, config.cwd]
    : [kind, share, cwdFree, config.url, config.headers];
}
