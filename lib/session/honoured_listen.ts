import { resolvedWithin } from "../base/abort.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import { changedLists } from "../call/list_changes.ts";
import { type ListKind, LISTS } from "../call/server.ts";
import type { CallTrace } from "../call/trace.ts";
import { LIST_FLAGS, type ListFlag, offeredFlags } from "../wire/list_flags.ts";
import type { Result } from "../wire/rpc.ts";
import type { ListenFilter } from "./listen_filter.ts";
import type { ListenSubscriptions } from "./listen_subscriptions.ts";
import type { ModernTenant } from "./modern_tenant.ts";

/**
 * How long an acknowledgement waits for servers that say nothing of its subscriptions, which may be starting; and for all
 * of many. What no server has taken by then is not acknowledged (MCP basic/patterns/subscriptions, acknowledgment).
 */
const SILENCE_MS = 10 * SECOND_MS;
const MAX_WAIT_MS = 3 * SILENCE_MS;

/** Tasks whose changes a listen is told until they are disposed. */
interface TaskWatch extends Disposable {
  /** Those of the asked ones that the caller may see. */
  readonly taskIds: readonly string[];
}

/** Has the changes of tasks that `viewer` may see told by its `notify`, as `notifications/tasks` with a `taskId`. */
export type WatchTasks = (
  viewer: Pick<Caller, "identity" | "notify">,
  taskIds: readonly string[],
) => Promise<TaskWatch>;

/** Where what a listen asks for comes from. */
export interface HonourSources {
  subscriptions: ListenSubscriptions;
  /** Makes a call of the daemon's on behalf of `tenant`. Never rejects. */
  call(tenant: ModernTenant, method: string, params: JsonObject, trace?: CallTrace): Promise<Result>;
  /** Has the changes of tasks told to the listen. Default: there are no tasks. */
  watchTasks?(taskIds: readonly string[]): Promise<TaskWatch>;
}

/** What is honoured of one listen, until it is disposed. */
export class Honoured implements Disposable {
  readonly #tenant: ModernTenant;
  readonly #sources: HonourSources;
  readonly #uris = new Set<string>();
  #tasks: Promise<TaskWatch> | undefined;
  #isOver = false;

  constructor(tenant: ModernTenant, sources: HonourSources) {
    this.#tenant = tenant;
    this.#sources = sources;
  }

  /** What is honoured of `asked`: what the servers behind it offer. */
  async of({ lists, uris, taskIds }: ListenFilter): Promise<ListenFilter> {
    const offered = await this.#offered();
    if (this.#isOver) return { lists: new Map(), uris: new Set(), taskIds: new Set() };
    const honoured = new Map([...lists].filter(([flag]) => offered.has(flag)));
    for (const method of honoured.values()) this.#beginComparing(changedLists(method));
    const [taken, watched] = await Promise.all([
      offered.has("resourceSubscriptions") ? this.#subscribe([...uris]) : [],
      this.#watch([...taskIds]),
    ]);
    return { lists: honoured, uris: new Set(taken), taskIds: new Set(watched) };
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    this.#release([...this.#uris]);
    this.#tasks?.then((tasks) => tasks[Symbol.dispose](), () => {});
  }

  /** What can be listened to. The merged catalog has everything; one server may not. */
  async #offered(): Promise<ReadonlySet<ListFlag | "resourceSubscriptions">> {
    if (this.#tenant.server === undefined) {
      return new Set([...LIST_FLAGS.map(({ flag }) => flag), "resourceSubscriptions"]);
    }
    const { result } = await this.#sources.call(this.#tenant, "initialize", {});
    const given = isObject(result?.capabilities) ? result.capabilities : {};
    const offered = new Set<ListFlag | "resourceSubscriptions">(offeredFlags(given));
    if (isObject(given.resources) && given.resources.subscribe === true) offered.add("resourceSubscriptions");
    return offered;
  }

  /** A list is told to have changed from what was shown: one that was not shown yet is looked at now. */
  #beginComparing(kinds: readonly ListKind[]): void {
    for (const [kind, { method }] of Object.entries(LISTS)) {
      if (!kinds.includes(kind as ListKind) || this.#tenant.listed.has(method)) continue;
      void this.#sources.call(this.#tenant, method, {});
    }
  }

  /** @throws {ExaiError} what the quota of subscriptions throws */
  async #subscribe(uris: readonly string[]): Promise<string[]> {
    const held = new Set<string>();
    let heard = 0;
    const asked = Promise.all(uris.map((uri) => {
      const added = this.#sources.subscriptions.add(uri);
      this.#uris.add(uri);
      return added.then((error) => (heard++, error ?? held.add(uri)));
    }));
    for (let before = -1, waitedMs = 0; heard > before && waitedMs < MAX_WAIT_MS; waitedMs += SILENCE_MS) {
      before = heard;
      if (await resolvedWithin(asked, SILENCE_MS)) break;
    }
    const taken = uris.filter((uri) => held.has(uri));
    this.#release(uris.filter((uri) => !held.has(uri)));
    return taken;
  }

  /** Ends the subscriptions to `uris`, or has them end when they have begun. */
  #release(uris: Iterable<string>): void {
    for (const uri of uris) if (this.#uris.delete(uri)) this.#sources.subscriptions.remove(uri);
  }

  async #watch(taskIds: string[]): Promise<readonly string[]> {
    if (taskIds.length === 0 || !this.#sources.watchTasks) return [];
    this.#tasks = this.#sources.watchTasks(taskIds);
    return (await this.#tasks).taskIds;
  }
}
