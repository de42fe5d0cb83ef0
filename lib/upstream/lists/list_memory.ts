import { createHash } from "node:crypto";
import { isObject, type JsonObject } from "../../base/json.ts";
import type { ServerConfig } from "../../config/server_config.ts";
import type { Caller } from "../../call/call.ts";
import { type ListKind, LISTS } from "../../call/server.ts";
import type { InitializeResult } from "../../wire/mcp.ts";
import type { ListStore, StoredView, ViewKey } from "../list_store.ts";
import { isSameList } from "./list_cache.ts";
import {
  advertisedCapabilities,
  decideShare,
  isDirectoryBound,
  type ListScope,
  SHARED_WITH_ROOTS,
} from "../share_key.ts";

export const LIST_KINDS = Object.keys(LISTS) as ListKind[];

/** Views of one server kept at once. */
const MAX_VIEWS = 64;

/** What one place of a server showed last. */
class View {
  description: InitializeResult | undefined;
  readonly lists = new Map<ListKind, readonly JsonObject[]>();
  /** Lists the server says have changed, and has not been asked for since. */
  readonly stale = new Set<ListKind>();
  /** Whether the server itself was asked in the life of this daemon. */
  isFresh = false;
  /** How often the server has said that lists have changed. */
  changes = 0;
  /** The list of `kind`, if it is not known to be out of date. */
  current(kind: ListKind): readonly JsonObject[] | undefined {
    if (this.stale.has(kind)) return undefined;
    const list = this.lists.get(kind);
    return list ?? (kind === "resources" && this.#hasNoResources ? [] : undefined);
  }

  get #hasNoResources(): boolean {
    return this.description !== undefined && !isObject(this.description.capabilities.resources);
  }
}

/** What processes that were told the same showed last, in whichever place: shown where nothing else is known yet. */
interface KeptLists {
  readonly key: ViewKey;
  readonly view: View;
  /** Client capabilities the server has made use of. */
  readonly addUsedCapabilities: Set<string>;
}

/** What one session has seen, and the place it is led to, once that is known. */
interface ListViewer {
  readonly caller: Caller;
  scope: ListScope | undefined;
  /** The list of each kind it was shown last, unless it was told since that there is another. */
  readonly listShown: Map<ListKind, readonly JsonObject[]>;
}

/** Whom to tell that their list of a kind is another now. */
export type OutdatedLists = [ListKind, Caller][];

/**
 * What one server showed last, by place, and what each session has seen of it. A session is told of a change when what
 * its own place shows is other than what it has seen: what processes of other places show is nothing to it.
 */
export class ListMemory {
  readonly #config: ServerConfig;
  readonly #store: ListStore | undefined;
  readonly #kept = new Map<string, KeptLists>();
  readonly #views = new Map<string, View>();
  readonly #viewers = new Map<string, ListViewer>();
  /** Sessions that are over: what comes late for one is kept for nobody. */
  readonly #over = new WeakSet<Caller>();
  #digest: string | undefined;

  constructor(config: ServerConfig, store: ListStore | undefined) {
    this.#config = config;
    this.#store = store;
  }

  /** The view of a session: of its place, or of any place while its own is not known. */
  viewOf(caller: Caller): View {
    const place = this.#viewers.get(caller.id)?.scope;
    return place ? this.viewAt(place) : this.#keptFor(this.#toldTo(caller)).view;
  }

  /** The view of a place; a new one begins with what another place showed. */
  viewAt(place: ListScope): View {
    let view = this.#views.get(place.listKey);
    if (view) return view;
    const kept = this.#keptFor(place.advertised).view;
    view = new View();
    view.description = kept.description;
    for (const [kind, list] of kept.lists) view.lists.set(kind, list);
    this.#makeRoom();
    this.#views.set(place.listKey, view);
    return view;
  }

  /** Where a session is led to is known now. Gives what it has seen and is other there. */
  setScope(caller: Caller, place: ListScope): OutdatedLists {
    const viewer = this.#viewerOf(caller);
    if (viewer.scope?.listKey === place.listKey) return [];
    viewer.scope = place;
    const view = this.viewAt(place);
    return LIST_KINDS.filter((kind) => this.#isOutdated(viewer, kind, view)).map((kind) => [kind, caller]);
  }

  /** Whether it is known where a session is led to. */
  hasScope(caller: Caller): boolean {
    return this.#viewers.get(caller.id)?.scope !== undefined;
  }

  /** A session asks for the list of `kind`: until it has it, it need not be told of another. */
  listRequested(kind: ListKind, caller: Caller): void {
    this.#viewers.get(caller.id)?.listShown.delete(kind);
  }

  /** A session is shown `list`, and wants to hear when there is another; true when there is one by now. */
  seen(kind: ListKind, list: readonly JsonObject[], caller: Caller): boolean {
    const viewer = this.#viewerOf(caller);
    viewer.listShown.set(kind, list);
    return viewer.scope !== undefined && this.#isOutdated(viewer, kind, this.viewAt(viewer.scope));
  }

  /**
   * Takes over what a place shows.
   *
   * @param asOf `changes` of its view when the server was asked: what has changed since may not be in the list
   */
  learn(
    kind: ListKind,
    { list, asOf }: { list: readonly JsonObject[]; asOf: number },
    place: ListScope,
  ): OutdatedLists {
    if (kind === "resources" && place.resourcesFor === "session") return [];
    const view = this.viewAt(place);
    const before = view.lists.get(kind);
    view.lists.set(kind, list);
    if (view.changes === asOf) view.stale.delete(kind);
    if (before !== list) this.#keep(place, kind);
    return this.#outdated(place, kind);
  }

  /** The processes of a place say that their lists of `kinds` have changed. Gives who has seen one. */
  changed(kinds: readonly ListKind[], { listKey }: ListScope): OutdatedLists {
    const view = this.#views.get(listKey);
    if (view) {
      view.changes++;
      for (const kind of kinds) view.stale.add(kind);
    }
    return kinds.flatMap((kind) => {
      const viewers = this.#viewers.values().filter(({ scope: place, listShown: seen }) =>
        place?.listKey === listKey && seen.delete(kind)
      );
      return Array.from(viewers, ({ caller }): [ListKind, Caller] => [kind, caller]);
    });
  }

  /** Every list of every place. */
  *lists(): Iterable<[ListKind, readonly JsonObject[]]> {
    for (const { lists } of this.#views.values()) yield* lists;
    for (const { view } of this.#kept.values()) yield* view.lists;
  }

  /** Client capabilities that processes told `told` have made use of. */
  usedCapabilities(told: JsonObject): ReadonlySet<string> {
    return this.#keptFor(told).addUsedCapabilities;
  }

  /** Processes told `told` have made use of these client capabilities: the next daemon shall know it too. */
  asked(told: JsonObject, capabilities: Iterable<string>): void {
    const kept = this.#keptFor(told);
    const known = kept.addUsedCapabilities.size;
    for (const capability of capabilities) kept.addUsedCapabilities.add(capability);
    if (kept.addUsedCapabilities.size > known) this.#save(kept);
  }

  /** Whether the server asks for roots when it is told that there are some. */
  get asksRoots(): boolean {
    return this.usedCapabilities(SHARED_WITH_ROOTS).has("roots");
  }

  forget(caller: Caller): void {
    this.#over.add(caller);
    this.#viewers.delete(caller.id);
  }

  #viewerOf(caller: Caller): ListViewer {
    let viewer = this.#viewers.get(caller.id);
    if (!viewer) {
      viewer = { caller, scope: undefined, listShown: new Map() };
      if (!this.#over.has(caller)) this.#viewers.set(caller.id, viewer);
    }
    return viewer;
  }

  #outdated(place: ListScope, kind: ListKind): OutdatedLists {
    const view = this.viewAt(place);
    const outdated: OutdatedLists = [];
    for (const viewer of this.#viewers.values()) {
      if (viewer.scope?.listKey !== place.listKey || !this.#isOutdated(viewer, kind, view)) continue;
      outdated.push([kind, viewer.caller]);
    }
    return outdated;
  }

  /** Whether what a session has seen is not what `view` shows; it is told then, and once. */
  #isOutdated({ listShown: seen }: ListViewer, kind: ListKind, view: View): boolean {
    const known = seen.get(kind);
    const list = view.current(kind);
    if (!known || !list || known === list) return false;
    if (isSameList(known, list)) {
      seen.set(kind, list);
      return false;
    }
    return seen.delete(kind);
  }

  #keptFor(told: JsonObject): KeptLists {
    const capabilities = JSON.stringify(told);
    let kept = this.#kept.get(capabilities);
    if (!kept) {
      const key = { server: this.#config.name, config: this.#configDigest(), capabilities };
      kept = readKept(key, this.#store?.get(key));
      // Clients say of themselves what they like; what is dropped is read again when it is wanted.
      if (this.#kept.size >= MAX_VIEWS) this.#kept.delete(this.#kept.keys().next().value!);
      this.#kept.set(capabilities, kept);
    }
    return kept;
  }

  /** What one place shows is what another one is likely to show. */
  #keep(place: ListScope, kind: ListKind): void {
    const { description, lists } = this.viewAt(place);
    const kept = this.#keptFor(place.advertised);
    kept.view.description = description;
    if (kind === "resources" && place.resourcesFor !== "everybody") return;
    kept.view.lists.set(kind, lists.get(kind)!);
    this.#save(kept);
  }

  #save({ key, view: { description, lists }, addUsedCapabilities: asked }: KeptLists): void {
    if (!description) return;
    this.#store?.set(key, { description, lists: Object.fromEntries(lists), asked: [...asked] });
  }

  #toldTo(caller: Caller): JsonObject {
    const { scope } = decideShare(this.#config);
    const rootless = this.asksRoots && !isObject(caller.capabilities.roots);
    return advertisedCapabilities({ scope, placed: isDirectoryBound(this.#config, scope), rootless }, caller);
  }

  /** A view nobody looks at is made anew when it is wanted. */
  #makeRoom(): void {
    if (this.#views.size < MAX_VIEWS) return;
    const inUse = new Set(this.#viewers.values().map(({ scope: place }) => place?.listKey));
    for (const listKey of this.#views.keys()) {
      if (inUse.has(listKey)) continue;
      this.#views.delete(listKey);
      return;
    }
  }

  // A digest, not the text: an environment may hold secrets.
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
  return { key, view, addUsedCapabilities: new Set(stored?.asked) };
}

/** What of a configuration decides which server runs, and how. */
function identityOf(config: ServerConfig): unknown[] {
  const { kind, share, cwdFree } = config;
  return kind === "stdio"
    ? [kind, share, cwdFree, config.command, config.args, config.env, config.cwd]
    : [kind, share, cwdFree, config.url, config.headers];
}
