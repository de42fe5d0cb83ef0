import { delay } from "@std/async/delay";
import { isObject, type JsonObject } from "../base/json.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import { allPages } from "../call/pages.ts";
import { type ListKind, LISTS } from "../call/server.ts";
import type { InitializeResult } from "../wire/mcp.ts";
import type { Result } from "../wire/rpc.ts";

/** How long a list is good for that the upstream has not promised to announce, or that was cut short. */
const UNANNOUNCED_MS = 30 * SECOND_MS;

/** A list is asked for again at most this often because somebody named what is not in it. */
const REFRESH_GAP_MS = SECOND_MS;

interface ListCacheOptions {
  /** Asks the upstream one thing on the daemon's own behalf. */
  ask(method: string, params: JsonObject): Promise<Result>;
  /** Whether the upstream has lists of `kind` at all. */
  has(kind: ListKind): boolean;
  /** Whether the upstream has promised to say when its list of `kind` changes. */
  isAnnounced(kind: ListKind): boolean;
}

interface CachedList {
  list: Promise<readonly JsonObject[]>;
  askedAtMs: number;
  /** The same, once it is there. */
  came?: readonly JsonObject[];
}

/** Why a list ends early, of those that do. */
const cuts = new WeakMap<readonly JsonObject[], string>();

/** Why `list` is not the whole of what its server has; undefined when it is. */
export function cutOf(list: readonly JsonObject[]): string | undefined {
  return cuts.get(list);
}

/** Whether two lists say the same; false as well where that cannot be told, as they are nested too deeply. */
export function isSameList(one: readonly JsonObject[], other: readonly JsonObject[]): boolean {
  try {
    return one.length === other.length && JSON.stringify(one) === JSON.stringify(other);
  } catch {
    return false;
  }
}

/** The lists of one upstream: each is kept until the upstream says that it has changed, or for a short time. */
export class ListCache {
  readonly #kept = new Map<ListKind, CachedList>();
  readonly #next = new Map<ListKind, Promise<readonly JsonObject[]>>();
  readonly #options: ListCacheOptions;

  constructor(options: ListCacheOptions) {
    this.#options = options;
  }

  /** The whole list, page after page; the same array for as long as what is in it is the same. */
  get(kind: ListKind): Promise<readonly JsonObject[]> {
    const kept = this.#kept.get(kind);
    return kept && this.#isGood(kind, kept) ? kept.list : this.#askAnew(kind);
  }

  /** The list as it was asked for last, which is not asked for again. */
  async known(kind: ListKind): Promise<readonly JsonObject[] | undefined> {
    return await this.#kept.get(kind)?.list.catch(() => undefined);
  }

  /** The upstream's list of `kind` has changed. */
  forget(kind: ListKind): void {
    this.#kept.delete(kind);
  }

  /** Asks for every list that is known again; gives those that are others now. One that cannot be had is left out. */
  async catchUp(): Promise<ListKind[]> {
    const known = Array.from(this.#kept, ([kind, { came }]) => ({ kind, came }));
    const changed = await Promise.all(known.map(async ({ kind, came }) => {
      const now = await this.#askAnew(kind).catch(() => came);
      return now !== came;
    }));
    return known.filter((_, i) => changed[i]).map(({ kind }) => kind);
  }

  /**
   * The list as it is after now, though no change was announced: somebody knows a name that is not in it. All who ask
   * for it before it is asked for share one request, and each follows the last after a while.
   */
  refresh(kind: ListKind): Promise<readonly JsonObject[]> {
    const kept = this.#kept.get(kind);
    if (!kept) return this.get(kind);
    const next = this.#next.get(kind);
    if (next) return next;
    const refreshed = this.#afterGap(kept).then(() => {
      this.#next.delete(kind);
      return this.#askAnew(kind);
    });
    this.#next.set(kind, refreshed);
    return refreshed;
  }

  #isGood(kind: ListKind, { askedAtMs, came }: CachedList): boolean {
    if (came === undefined) return true;
    const isLasting = this.#options.isAnnounced(kind) && cutOf(came) === undefined;
    return isLasting || monotonicNow() - askedAtMs < UNANNOUNCED_MS;
  }

  async #afterGap({ askedAtMs, list }: CachedList): Promise<void> {
    await list.catch(() => {});
    const waitMs = askedAtMs + REFRESH_GAP_MS - monotonicNow();
    if (waitMs > 0) await delay(waitMs, { persistent: false });
  }

  #askAnew(kind: ListKind): Promise<readonly JsonObject[]> {
    const before = this.#kept.get(kind)?.came;
    const kept: CachedList = { list: this.#askAll(kind, before), askedAtMs: monotonicNow() };
    this.#kept.set(kind, kept);
    kept.list.then((list) => kept.came = list, () => {
      // A failure is not kept: the next one who asks tries again.
      if (this.#kept.get(kind) === kept) this.#kept.delete(kind);
    });
    return kept.list;
  }

  async #askAll(kind: ListKind, before: readonly JsonObject[] | undefined): Promise<readonly JsonObject[]> {
    if (!this.#options.has(kind)) return before ?? [];
    const { method } = LISTS[kind];
    const { entries, fault } = await allPages((params) => this.#options.ask(method, params), LISTS[kind]);
    if (before && fault === cutOf(before) && isSameList(before, entries)) return before;
    if (fault !== undefined) cuts.set(entries, fault);
    return entries;
  }
}

/** The lists a `list_changed` notification speaks of. */
export function changedLists(method: string): ListKind[] {
  switch (method) {
    case "notifications/tools/list_changed":
      return ["tools"];
    case "notifications/prompts/list_changed":
      return ["prompts"];
    case "notifications/resources/list_changed":
      return ["resources", "templates"];
    default:
      return [];
  }
}

/** The notification that says that the list of `kind` has changed. */
export function listChangedMethod(kind: ListKind): string {
  return `notifications/${kind === "templates" ? "resources" : kind}/list_changed`;
}

/** What the server said of its lists of `kind`; undefined when it has none. */
export function capabilityOf(
  description: InitializeResult | undefined,
  kind: ListKind,
): JsonObject | undefined {
  const capability = description?.capabilities[kind === "templates" ? "resources" : kind];
  return isObject(capability) ? capability : undefined;
}
