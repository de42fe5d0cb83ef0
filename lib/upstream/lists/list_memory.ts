import type { JsonObject } from "../../base/json.ts";
import { accountNames } from "../../config/account_choice.ts";
import type { ServerConfig } from "../../config/server_config.ts";
import type { Caller } from "../../call/call.ts";
import type { ListKind } from "../../call/server.ts";
import type { ListKey, ListStore } from "../list_store.ts";
import { digestOf, serverIdentity } from "../server_identity.ts";
import type { ListScope } from "../share_key.ts";
import { isPrivate, isSameList } from "./list_cache.ts";
import { forOthers, LIST_KINDS, ListView, type ListViewer } from "./list_view.ts";

/** Views of one server kept at once. */
const MAX_VIEWS = 64;

/** Sessions to notify that their list of a kind has changed. */
export type OutdatedLists = [ListKind, Caller][];

/**
 * The lists of one server by scope, and what each session has seen of them. A scope that was never read shows what the
 * server listed last in any, but for sessions that come through other daemons: lists of a daemon that is mounted in turn
 * would name them again, in a ring without end. A session is notified when the list of its own scope differs from what it
 * has seen; changes in other scopes do not concern it.
 */
export class ListMemory {
  readonly #store: ListStore | undefined;
  /** By list key. */
  readonly #views = new Map<string, ListView>();
  /** By session id. */
  readonly #viewers = new Map<string, ListViewer>();
  /** Sessions that have ended: nothing more is kept for them. */
  readonly #ended = new WeakSet<Caller>();
  /** What the server listed last, in any scope. */
  readonly #latest: ListView;
  /** The scope that {@linkcode #latest} is of; undefined: left by an earlier daemon. */
  #latestScope: ListScope | undefined;
  /** Client capabilities the server has made use of. */
  readonly #usedCapabilities: Set<string>;
  readonly #key: ListKey;
  /** Of several, it is known with its scope which one a session has. */
  readonly #accounts: readonly string[];
  #varies: boolean;

  constructor(config: ServerConfig, store: ListStore | undefined) {
    this.#store = store;
    this.#key = { server: config.name, config: serverIdentity(config) };
    this.#accounts = accountNames(config);
    const stored = store?.latest(this.#key);
    this.#latest = new ListView(stored);
    this.#usedCapabilities = new Set(stored?.asked);
    this.#varies = store?.varies(this.#key) ?? false;
  }

  /** Whether it is known what tools the server has. */
  get isKnown(): boolean {
    return this.#latest.lists.has("tools");
  }

  /** The view of a session's scope; while that is not known, what the server listed last in any. */
  viewOf(caller: Caller): ListView {
    const scope = this.#viewers.get(caller.id)?.scope;
    if (scope) return this.viewAt(scope);
    const [account, ...others] = this.#accounts;
    return (others.length === 0 && this.#guessFor({ via: caller.via, account })) || new ListView();
  }

  /** The view of a scope. One that was never read shows the lists of another. */
  viewAt(scope: ListScope): ListView {
    let view = this.#views.get(scope.listKey);
    if (!view) {
      const stored = scope.via ? undefined : this.#store?.at(this.#key, digestOf(scope.listKey));
      view = new ListView(stored);
      for (const kind of view.lists.keys()) view.own.add(kind);
      view.account = scope.account;
      this.#makeRoom();
      this.#views.set(scope.listKey, view);
    }
    const guess = this.#guessFor(scope);
    return guess ? view.complete(guess) : view;
  }

  /** What the server listed last in any scope, where that may be shown. */
  #guessFor(scope: Pick<Partial<ListScope>, "via" | "credentials" | "account">): ListView | undefined {
    return !scope.via?.length && this.#latest.isFor(scope) ? this.#latest : undefined;
  }

  /**
   * Whether the lists shown in a scope are to be compared with what the server lists there now. That is done once by each
   * daemon, and once for each directory of a server that depends on it; where scopes were seen to differ, in each.
   */
  isUnverified(scope: ListScope): boolean {
    if (this.viewAt(scope).isFresh) return false;
    return scope.via !== undefined || this.#varies || this.isForeign(scope) || !this.#latest.isFresh ||
      !this.#latest.isOf(scope.account);
  }

  /** Whether the lists shown in a scope were read in another directory, on which they may depend. */
  isForeign(scope: ListScope): boolean {
    return scope.resourcesFor === "directory" && !this.viewAt(scope).own.has("tools");
  }

  /** Whether the scope of a session is known, and {@linkcode isUnverified} not true of it. */
  isSettled(caller: Caller): boolean {
    const scope = this.#viewers.get(caller.id)?.scope;
    return scope !== undefined && !this.isUnverified(scope);
  }

  /** Sets the scope of a session; returns the lists it has seen that differ there. */
  setScope(caller: Caller, scope: ListScope): OutdatedLists {
    const viewer = this.#viewerOf(caller);
    if (viewer.scope?.listKey === scope.listKey) return [];
    viewer.scope = scope;
    const view = this.viewAt(scope);
    // A change that was announced before its scope was known.
    const isStale = (kind: ListKind) => view.stale.has(kind) && viewer.seen.delete(kind);
    return LIST_KINDS.filter((kind) => isStale(kind) || this.#isOutdated(viewer, kind, view))
      .map((kind) => [kind, caller]);
  }

  hasScope(caller: Caller): boolean {
    return this.#viewers.get(caller.id)?.scope !== undefined;
  }

  /** Whether the scope of a session decides what it may be shown of what is known, and is not known yet. */
  awaitsScope(caller: Caller): boolean {
    const decides = this.#varies || this.#latest.privateTo !== undefined || this.#accounts.length > 1;
    return decides && !this.hasScope(caller);
  }

  /** A session has requested the list of `kind`: until it is shown, changes need no notification. */
  listRequested(kind: ListKind, caller: Caller): void {
    const viewer = this.#viewers.get(caller.id);
    viewer?.seen.delete(kind);
    viewer?.missed.delete(kind);
  }

  /** The list of `kind` that a session has requested cannot be read: it is notified when it can. */
  listMissed(kind: ListKind, caller: Caller): void {
    this.#viewerOf(caller).missed.add(kind);
  }

  /** A session is shown `list`; returns whether that is out of date already. */
  listShown(kind: ListKind, list: readonly JsonObject[], caller: Caller): boolean {
    const viewer = this.#viewerOf(caller);
    viewer.seen.set(kind, list);
    viewer.missed.delete(kind);
    return viewer.scope !== undefined && this.#isOutdated(viewer, kind, this.viewAt(viewer.scope));
  }

  /**
   * Stores the list of a scope; returns the sessions that have seen another, and those that requested it in vain.
   *
   * @param asOf `changes` of its view when the server was asked: later changes may not be in the list
   * @param isGuess whether no window is in the scope, so that what windows were shown is more than this
   */
  learn(
    kind: ListKind,
    { list, asOf, isGuess }: { list: readonly JsonObject[]; asOf: number; isGuess?: boolean },
    scope: ListScope,
  ): OutdatedLists {
    if (kind === "resources" && scope.resourcesFor === "session") return [];
    if (isGuess && this.#latestScope && this.#latestScope.listKey !== scope.listKey) return [];
    const view = this.viewAt(scope);
    const before = view.lists.get(kind);
    const isNews = !view.own.has(kind) || !before || before !== list && !isSameList(before, list);
    view.lists.set(kind, list);
    if (isPrivate(list)) view.privateTo = scope.credentials;
    view.own.add(kind);
    if (view.changes === asOf) view.stale.delete(kind);
    if (before !== list && !scope.via) this.#keep(scope, kind, isNews);
    return this.#outdated(scope, kind);
  }

  /** The server has been asked in a scope, and describes itself there as `description`. */
  verified(scope: ListScope, description: ListView["description"]): void {
    const view = this.viewAt(scope);
    view.isFresh = true;
    if (!scope.via && this.#latest.isOf(scope.account)) this.#latest.isFresh = true;
    view.description = description;
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
    yield* this.#latest.lists;
  }

  /** Client capabilities the server has made use of. */
  get usedCapabilities(): ReadonlySet<string> {
    return this.#usedCapabilities;
  }

  /** Remembers client capabilities the server has made use of. */
  addUsedCapabilities(capabilities: Iterable<string>): void {
    const known = this.#usedCapabilities.size;
    for (const capability of capabilities) this.#usedCapabilities.add(capability);
    if (this.#usedCapabilities.size > known && this.#latestScope) this.#save(this.#latestScope);
  }

  /** Forgets what an account was shown: somebody else may be signed in to it now. */
  forgetAccount(account: string): void {
    for (const [listKey, view] of this.#views) if (view.isOf(account)) this.#views.delete(listKey);
    if (this.#latest.isOf(account)) {
      this.#latest.clear();
      this.#latestScope = undefined;
    }
    this.#store?.forget(this.#key, account);
  }

  /** Forgets a session that has ended. */
  forget(caller: Caller): void {
    this.#ended.add(caller);
    this.#viewers.delete(caller.id);
  }

  #viewerOf(caller: Caller): ListViewer {
    let viewer = this.#viewers.get(caller.id);
    if (!viewer) {
      viewer = { caller, scope: undefined, seen: new Map(), missed: new Set() };
      if (!this.#ended.has(caller)) this.#viewers.set(caller.id, viewer);
    }
    return viewer;
  }

  #outdated(scope: ListScope, kind: ListKind): OutdatedLists {
    const view = this.viewAt(scope);
    const outdated: OutdatedLists = [];
    for (const viewer of this.#viewers.values()) {
      const isConcerned = viewer.scope?.listKey === scope.listKey && this.#isOutdated(viewer, kind, view) ||
        this.#isFoundAtLast(viewer, kind);
      if (isConcerned) outdated.push([kind, viewer.caller]);
    }
    return outdated;
  }

  /** Whether there now is a list that a session has requested in vain; true once. */
  #isFoundAtLast({ caller, missed }: ListViewer, kind: ListKind): boolean {
    if (!missed.has(kind)) return false;
    const list = this.viewOf(caller).current(kind);
    return list !== undefined && missed.delete(kind) && list.length > 0;
  }

  /** Whether a session has seen another list than `view` has; true once for each change. */
  #isOutdated({ seen }: ListViewer, kind: ListKind, view: ListView): boolean {
    const known = seen.get(kind);
    const list = view.current(kind);
    if (!known || !list || known === list) return false;
    if (isSameList(known, list)) {
      seen.set(kind, list);
      return false;
    }
    return seen.delete(kind);
  }

  /** Keeps a list for the scope, and as a first guess for others. */
  #keep(scope: ListScope, kind: ListKind, isNews: boolean): void {
    const { description, lists, privateTo } = this.viewAt(scope);
    // What is for others alone goes, and is not mixed with what is not.
    if (this.#latest.privateTo !== privateTo || !this.#latest.isOf(scope.account)) this.#latest.lists.clear();
    this.#latest.privateTo = privateTo;
    this.#latest.account = scope.account;
    this.#latest.description = description && forOthers(description, scope);
    this.#latestScope = scope;
    if (kind === "resources" && scope.resourcesFor !== "everybody") return;
    this.#latest.lists.set(kind, lists.get(kind)!);
    if (isNews) this.#save(scope);
  }

  #save(scope: ListScope): void {
    const stored = this.viewAt(scope).kept(scope, this.#usedCapabilities);
    if (!this.#store || !stored) return;
    this.#store.set(this.#key, digestOf(scope.listKey), stored);
    this.#varies = this.#store.varies(this.#key);
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
}
