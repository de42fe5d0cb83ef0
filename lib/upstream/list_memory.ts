import { createHash } from "node:crypto";
import { isObject, type JsonObject } from "../base/json.ts";
import { type ServerConfig, usesWorkspace } from "../base/server_config.ts";
import type { Caller } from "../call/call.ts";
import { type ListKind, LISTS } from "../call/server.ts";
import type { InitializeResult } from "../wire/mcp.ts";
import type { KeptView, ListStore, ViewKey } from "./list_store.ts";
import { isSameList } from "./lists.ts";
import { decideShare, isPlaced, toldCapabilities } from "./share_key.ts";

export const LIST_KINDS = Object.keys(LISTS) as ListKind[];

/** Views of one server kept at once. */
const MAX_VIEWS = 64;

/** What one server showed last to clients of the same capabilities, and who has seen it. */
export class View {
  description: InitializeResult | undefined;
  readonly lists = new Map<ListKind, readonly JsonObject[]>();
  /** Lists the server says have changed, and has not been asked for since. */
  readonly stale = new Set<ListKind>();
  /** Client capabilities the server has made use of. */
  readonly asked: Set<string>;
  /** Whether the server itself was asked in the life of this daemon. */
  isFresh = false;
  /** Whether resources are not remembered: a process in one directory lists what no other may see. */
  #isLocal = false;
  readonly key: ViewKey;
  readonly #viewers = new Map<ListKind, Map<string, Caller>>();

  constructor(key: ViewKey, kept: KeptView | undefined) {
    this.key = key;
    this.description = kept?.description;
    this.asked = new Set(kept?.asked);
    for (const kind of LIST_KINDS) {
      const list = kept?.lists[kind];
      if (list) this.lists.set(kind, list);
    }
  }

  /** Of what the server lists of one directory nothing is remembered for windows in others. */
  forgetResources(): void {
    this.#isLocal = true;
    this.lists.delete("resources");
  }

  /** The list of `kind`, if it is not known to be out of date. */
  current(kind: ListKind): readonly JsonObject[] | undefined {
    if (kind === "resources" && this.#isLocal) return this.#hasNoResources ? [] : undefined;
    return this.stale.has(kind) ? undefined : this.lists.get(kind);
  }

  /** A session is shown the list of `kind`, and wants to hear when it changes. */
  seen(kind: ListKind, caller: Caller): void {
    const viewers = this.#viewers.get(kind);
    if (viewers) viewers.set(caller.id, caller);
    else this.#viewers.set(kind, new Map([[caller.id, caller]]));
  }

  viewers(kind: ListKind): Iterable<Caller> {
    return this.#viewers.get(kind)?.values() ?? [];
  }

  /** Takes over what the server shows now; true when those who saw the list before have to be told. */
  learn(kind: ListKind, list: readonly JsonObject[]): boolean {
    if (kind === "resources" && this.#isLocal) return false;
    const before = this.lists.get(kind);
    this.lists.set(kind, list);
    // Of a list that the server itself said has changed they have been told.
    if (this.stale.delete(kind) || before === undefined || before === list) return false;
    return !isSameList(before, list);
  }

  get #hasNoResources(): boolean {
    return this.description !== undefined && !isObject(this.description.capabilities.resources);
  }

  get hasViewers(): boolean {
    return this.#viewers.values().some(({ size }) => size > 0);
  }

  forget(caller: Caller): void {
    for (const viewers of this.#viewers.values()) viewers.delete(caller.id);
  }
}

/** What one server showed last, by the client capabilities it was told of; begun with what `store` has kept. */
export class ListMemory {
  readonly #config: ServerConfig;
  readonly #store: ListStore | undefined;
  readonly #views = new Map<string, View>();
  #digest: string | undefined;

  constructor(config: ServerConfig, store: ListStore | undefined) {
    this.#config = config;
    this.#store = store;
  }

  /** The view of a session. */
  viewOf(caller: Caller): View {
    const { scope } = decideShare(this.#config);
    const hasRoots = isObject(caller.capabilities.roots);
    return this.view(toldCapabilities({ scope, placed: isPlaced(this.#config, scope), hasRoots }, caller));
  }

  /** The view of clients that have `capabilities`. */
  view(capabilities: JsonObject): View {
    const told = JSON.stringify(capabilities);
    let view = this.#views.get(told);
    if (!view) {
      const key = { server: this.#config.name, config: this.#configDigest(), capabilities: told };
      view = new View(key, this.#store?.get(key));
      if (this.#isLocal(capabilities)) view.forgetResources();
      this.#makeRoom();
      this.#views.set(told, view);
    }
    return view;
  }

  /** Whether the resources of a process may be other than those of another process of this server. */
  #isLocal(capabilities: JsonObject): boolean {
    const { scope } = decideShare(this.#config);
    return scope === "session" || isPlaced(this.#config, scope) || usesWorkspace(this.#config) ||
      "roots" in capabilities;
  }

  /** Clients say of themselves what they like; a view nobody looks at is made anew when it is wanted. */
  #makeRoom(): void {
    if (this.#views.size < MAX_VIEWS) return;
    for (const [told, view] of this.#views) {
      if (view.hasViewers) continue;
      this.#views.delete(told);
      return;
    }
  }

  /** The server says that its lists of `kinds` have changed. */
  changed(kinds: readonly ListKind[]): void {
    for (const view of this.#views.values()) for (const kind of kinds) view.stale.add(kind);
  }

  /** Every session that was shown a list of one of `kinds`, with that kind. */
  *viewers(kinds: readonly ListKind[]): Iterable<[ListKind, Caller]> {
    for (const view of this.#views.values()) {
      for (const kind of kinds) for (const caller of view.viewers(kind)) yield [kind, caller];
    }
  }

  /** Every list that is shown to somebody, with its kind. */
  *lists(): Iterable<[ListKind, readonly JsonObject[]]> {
    for (const { lists } of this.#views.values()) yield* lists;
  }

  /** A server that shows `view` has made use of these client capabilities: the next daemon shall know it too. */
  asked(view: View, capabilities: Iterable<string>): void {
    const known = view.asked.size;
    for (const capability of capabilities) view.asked.add(capability);
    if (view.asked.size > known) this.keep(view);
  }

  keep({ key, description, lists, asked }: View): void {
    if (!description) return;
    this.#store?.set(key, { description, lists: Object.fromEntries(lists), asked: [...asked] });
  }

  forget(caller: Caller): void {
    for (const view of this.#views.values()) view.forget(caller);
  }

  // A digest, not the text: an environment may hold secrets.
  #configDigest(): string {
    return this.#digest ??= createHash("sha256").update(JSON.stringify(whatMatters(this.#config))).digest(
      "hex",
    );
  }
}

/** What of a configuration decides which server runs, and how. */
function whatMatters(config: ServerConfig): unknown[] {
  const { kind, share, cwdFree } = config;
  return kind === "stdio"
    ? [kind, share, cwdFree, config.command, config.args, config.env, config.cwd]
    : [kind, share, cwdFree, config.url, config.headers];
}
