import { delay } from "@std/async/delay";
import { isObject, type JsonObject } from "../../base/json.ts";
import { monotonicNow } from "../../base/time.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { Freshness } from "../../call/freshness.ts";
import { allPages } from "../../call/pages.ts";
import { type ListKind, LISTS } from "../../call/server.ts";
import type { InitializeResult } from "../../wire/mcp.ts";
import { steadyList } from "./steady_list.ts";
import { exactResult } from "../../wire/raw_message.ts";
import type { Result } from "../../wire/rpc.ts";

/** Lifetime of a list whose changes the server does not announce, or that is truncated. */
const UNANNOUNCED_MS = 30 * SECOND_MS;

/** Shortest time between requests for a list made because a call named an entry that is not in it. */
const REFRESH_GAP_MS = SECOND_MS;

interface ListCacheOptions {
  /** Sends a request of the daemon itself. */
  ask(method: string, params: JsonObject): Promise<Result>;
  /** Whether the server has a list of `kind`. */
  has(kind: ListKind): boolean;
  /** Whether the server announces changes of its list of `kind` (`listChanged`). */
  isAnnounced(kind: ListKind): boolean;
}

interface CachedList {
  list: Promise<readonly JsonObject[]>;
  askedAtMs: number;
  /** The same, once it has resolved. */
  resolved?: readonly JsonObject[];
  /** What the server says of how long it may be kept; undefined: nothing. */
  freshness?: Freshness;
}

/** Why a list is incomplete, by list. */
const truncations = new WeakMap<readonly JsonObject[], string>();

/** Why `list` is incomplete; undefined when it is complete. */
export function truncationOf(list: readonly JsonObject[]): string | undefined {
  return truncations.get(list);
}

/** Lists that their servers keep for those with the same credentials. */
const privates = new WeakSet<readonly JsonObject[]>();

/** Whether a server said that `list` is for those with the same credentials alone (MCP server/utilities/caching). */
export function isPrivate(list: readonly JsonObject[]): boolean {
  return privates.has(list);
}

/** Whether two lists hold the same entries in whatever order; also false if they are nested too deeply to compare. */
export function isSameList(one: readonly JsonObject[], other: readonly JsonObject[]): boolean {
  return one.length === other.length && steadyList(one, other) === one;
}

/** `list` as {@linkcode steadyList} has it after `before`, if that is as complete. */
export function steadied(
  list: readonly JsonObject[],
  before: readonly JsonObject[] | undefined,
): readonly JsonObject[] {
  if (!before || truncationOf(before) !== truncationOf(list)) return list;
  const steady = steadyList(before, list);
  const fault = truncationOf(list);
  if (fault !== undefined) truncations.set(steady, fault);
  if (isPrivate(list)) privates.add(steady);
  return steady;
}

/** `result` with its list of `kind` as {@linkcode steadied} has it; a page of a list is left as it is. */
export function steadyResult(
  kind: ListKind,
  result: Result,
  { before, cursor }: { before: readonly JsonObject[] | undefined; cursor?: unknown },
): Result {
  if (result.error || cursor !== undefined) return result;
  const page = exactResult(result);
  const { field } = LISTS[kind];
  const list = page[field];
  if (page.nextCursor !== undefined || !Array.isArray(list) || !list.every(isObject)) return result;
  const steady = steadied(list, before);
  return steady === list ? result : { result: { ...page, [field]: [...steady] } };
}

/** The lists of one server, each cached until the server announces a change, or for {@linkcode UNANNOUNCED_MS}. */
export class ListCache {
  readonly #kept = new Map<ListKind, CachedList>();
  readonly #next = new Map<ListKind, Promise<readonly JsonObject[]>>();
  readonly #options: ListCacheOptions;

  constructor(options: ListCacheOptions) {
    this.#options = options;
  }

  /** The list of all pages; the same array while its content is the same. */
  get(kind: ListKind): Promise<readonly JsonObject[]> {
    const kept = this.#kept.get(kind);
    return kept && this.#isCurrent(kind, kept) ? kept.list : this.#request(kind);
  }

  /** The cached list, whatever its age; makes no request. */
  async known(kind: ListKind): Promise<readonly JsonObject[] | undefined> {
    return await this.#kept.get(kind)?.list.catch(() => undefined);
  }

  /** The list of `kind` has changed: drops it. */
  forget(kind: ListKind): void {
    this.#kept.delete(kind);
  }

  /** Requests every cached list again; resolves with the kinds that have changed. Failed requests are left out. */
  async catchUp(): Promise<ListKind[]> {
    const known = Array.from(this.#kept, ([kind, { resolved }]) => ({ kind, resolved }));
    const changed = await Promise.all(known.map(async ({ kind, resolved }) => {
      const now = await this.#request(kind).catch(() => resolved);
      return now !== resolved;
    }));
    return known.filter((_, i) => changed[i]).map(({ kind }) => kind);
  }

  /**
   * Requests a list again although no change was announced. Concurrent callers share one request, made at most once in
   * {@linkcode REFRESH_GAP_MS}.
   */
  refresh(kind: ListKind): Promise<readonly JsonObject[]> {
    const kept = this.#kept.get(kind);
    if (!kept) return this.get(kind);
    const next = this.#next.get(kind);
    if (next) return next;
    const refreshed = this.#afterGap(kept).then(() => {
      this.#next.delete(kind);
      return this.#request(kind);
    });
    this.#next.set(kind, refreshed);
    return refreshed;
  }

  /** How long the cached list may be kept by others; undefined when there is none. */
  freshness(kind: ListKind): Freshness | undefined {
    const kept = this.#kept.get(kind);
    if (!kept?.resolved) return undefined;
    const { freshness, resolved, askedAtMs } = kept;
    if (freshness) return freshness;
    const isLasting = this.#options.isAnnounced(kind) && truncationOf(resolved) === undefined;
    return { untilMs: (isLasting ? monotonicNow() : askedAtMs) + UNANNOUNCED_MS, scope: "private" };
  }

  /** The cached list with what its server says of how long it is good, while it is and is whole. */
  fresh(kind: ListKind): { list: readonly JsonObject[]; freshness: Freshness } | undefined {
    const { resolved: list, freshness } = this.#kept.get(kind) ?? {};
    const isGood = list && freshness && monotonicNow() < freshness.untilMs &&
      truncationOf(list) === undefined;
    return isGood ? { list, freshness } : undefined;
  }

  #isCurrent(kind: ListKind, { askedAtMs, resolved, freshness }: CachedList): boolean {
    if (resolved === undefined) return true;
    // A server that says how long is believed (MCP server/utilities/caching).
    if (freshness) return monotonicNow() < freshness.untilMs;
    const isLasting = this.#options.isAnnounced(kind) && truncationOf(resolved) === undefined;
    return isLasting || monotonicNow() - askedAtMs < UNANNOUNCED_MS;
  }

  async #afterGap({ askedAtMs, list }: CachedList): Promise<void> {
    await list.catch(() => {});
    const waitMs = askedAtMs + REFRESH_GAP_MS - monotonicNow();
    if (waitMs > 0) await delay(waitMs, { persistent: false });
  }

  #request(kind: ListKind): Promise<readonly JsonObject[]> {
    const before = this.#kept.get(kind)?.resolved;
    const kept: CachedList = {
      list: this.#requestAll(kind, before, (freshness) => kept.freshness = freshness),
      askedAtMs: monotonicNow(),
    };
    this.#kept.set(kind, kept);
    kept.list.then((list) => kept.resolved = list, () => {
      // A failure is not cached.
      if (this.#kept.get(kind) === kept) this.#kept.delete(kind);
    });
    return kept.list;
  }

  async #requestAll(
    kind: ListKind,
    before: readonly JsonObject[] | undefined,
    onFreshness: (freshness: Freshness | undefined) => void,
  ): Promise<readonly JsonObject[]> {
    if (!this.#options.has(kind)) return before ?? [];
    const { method } = LISTS[kind];
    const ask = (params: JsonObject) => this.#options.ask(method, params);
    const { entries, fault, freshness } = await allPages(ask, LISTS[kind]);
    // A part of a list is not kept for as long as its server says of the whole.
    const partUntilMs = fault === undefined ? Infinity : monotonicNow() + UNANNOUNCED_MS;
    onFreshness(freshness && { ...freshness, untilMs: Math.min(freshness.untilMs, partUntilMs) });
    if (fault !== undefined) truncations.set(entries, fault);
    if (freshness?.scope === "private") privates.add(entries);
    return steadied(entries, before);
  }
}

/** The server capability for lists of `kind`; undefined when it has none. */
export function capabilityOf(
  description: InitializeResult | undefined,
  kind: ListKind,
): JsonObject | undefined {
  const capability = description?.capabilities[kind === "templates" ? "resources" : kind];
  return isObject(capability) ? capability : undefined;
}
