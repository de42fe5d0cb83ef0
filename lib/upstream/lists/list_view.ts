import { isObject, type JsonObject } from "../../base/json.ts";
import type { Caller } from "../../call/call.ts";
import { DEFAULT_ACCOUNT } from "../../config/account_choice.ts";
import { type Freshness, freshnessHints } from "../../call/freshness.ts";
import { type ListKind, LISTS } from "../../call/server.ts";
import type { InitializeResult } from "../../wire/mcp.ts";
import type { Result } from "../../wire/rpc.ts";
import type { StoredView } from "../list_store.ts";
import type { ListScope } from "../share_key.ts";

export const LIST_KINDS = Object.keys(LISTS) as ListKind[];

/** The kind of list that a request of `method` is for. */
export function listKindOf(method: string): ListKind | undefined {
  return LIST_KINDS.find((kind) => LISTS[kind].method === method);
}

/** `list`, of `kind`, as the result of a request for it; `freshness`: how long its server says that it is good. */
export function listResult(kind: ListKind, list: readonly JsonObject[], freshness?: Freshness): Result {
  return { result: { [LISTS[kind].field]: [...list], ...freshness && freshnessHints(freshness) } };
}

/** What one session has seen, and its scope once that is known. */
export interface ListViewer {
  readonly caller: Caller;
  scope: ListScope | undefined;
  /** The last list of each kind it was shown, unless it was notified of a change since. */
  readonly seen: Map<ListKind, readonly JsonObject[]>;
  /** Lists it has requested in vain. */
  readonly missed: Set<ListKind>;
}

/** What a server shows in one scope, as last read. */
export class ListView {
  description: InitializeResult | undefined;
  /** The credentials this is for alone (MCP server/utilities/caching); undefined: nothing of it is private. */
  privateTo: string | undefined;
  /** The account at the server that this is of; undefined: it is of a command, or of the default one. */
  account: string | undefined;
  readonly lists = new Map<ListKind, readonly JsonObject[]>();
  /** Lists the server has announced to have changed and that were not read since. */
  readonly stale = new Set<ListKind>();
  /** Whether this daemon has asked the server itself. */
  isFresh = false;
  /** Lists that were read in this scope, by this daemon or an earlier one, and not in another. */
  readonly own = new Set<ListKind>();
  /** How often the server has announced changes. */
  changes = 0;

  constructor(stored?: StoredView) {
    this.description = stored?.description;
    this.privateTo = stored?.privateTo;
    this.account = stored?.account;
    for (const kind of LIST_KINDS) {
      const list = stored?.lists[kind];
      if (list) this.lists.set(kind, list);
    }
  }

  /** Whether it may be shown to those with `credentials`, in the name of `account`. */
  isFor({ credentials, account }: Pick<Partial<ListScope>, "credentials" | "account">): boolean {
    return this.isOf(account) && (this.privateTo === undefined || this.privateTo === credentials);
  }

  isOf(account = DEFAULT_ACCOUNT): boolean {
    return (this.account ?? DEFAULT_ACCOUNT) === account;
  }

  /** Forgets what was read. */
  clear(): void {
    this.lists.clear();
    this.own.clear();
    this.description = this.privateTo = undefined;
    this.isFresh = false;
  }

  /** Takes from `other`, a view of another scope, what is not known here. */
  complete({ description, lists }: ListView): this {
    this.description ??= description;
    for (const [kind, list] of lists) if (!this.lists.has(kind)) this.lists.set(kind, list);
    return this;
  }

  /** The list of `kind`, unless it is known to be out of date. */
  current(kind: ListKind): readonly JsonObject[] | undefined {
    if (this.stale.has(kind)) return undefined;
    const list = this.lists.get(kind);
    return list ?? (kind === "resources" && this.#hasNoResources ? [] : undefined);
  }

  /**
   * As it is kept for the next daemon, without what was read elsewhere; undefined: it is not.
   *
   * @param asked client capabilities the server has made use of
   */
  kept(scope: ListScope, asked: Iterable<string>): StoredView | undefined {
    const { description, lists, own, privateTo } = this;
    if (!description) return undefined;
    const kept = [...lists].filter(([kind]) =>
      own.has(kind) && (kind !== "resources" || scope.resourcesFor === "everybody")
    );
    return {
      description: forOthers(description, scope),
      lists: Object.fromEntries(kept),
      ...privateTo === undefined ? {} : { privateTo },
      ...scope.account === undefined ? {} : { account: scope.account },
      asked: [...asked],
    };
  }

  get #hasNoResources(): boolean {
    return this.description !== undefined && !isObject(this.description.capabilities.resources);
  }
}

/** `description` as windows elsewhere are shown it: without instructions that name the directory of this scope. */
export function forOthers(
  description: InitializeResult,
  { directory }: Pick<ListScope, "directory">,
): InitializeResult {
  const { instructions, ...rest } = description;
  const isLocal = directory !== undefined && instructions?.includes(directory);
  return isLocal ? rest : description;
}
