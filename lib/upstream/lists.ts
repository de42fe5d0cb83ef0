import type { JsonObject } from "../base/json.ts";
import { type ListKind, LISTS } from "../call/server.ts";
import type { Result } from "../wire/rpc.ts";

/** A list without end is cut here: no real server has a thousand pages. */
const MAX_PAGES = 1000;

/** Asks an upstream one thing on the daemon's own behalf. */
export type Asker = (method: string, params: JsonObject) => Promise<Result>;

/** The lists of one upstream, each asked for once until the upstream says that it has changed. */
export class ListCache {
  readonly #lists = new Map<ListKind, Promise<readonly JsonObject[]>>();
  readonly #ask: Asker;

  constructor(ask: Asker) {
    this.#ask = ask;
  }

  /** The whole list, page after page; the same array until {@linkcode forget}. */
  get(kind: ListKind): Promise<readonly JsonObject[]> {
    const known = this.#lists.get(kind);
    if (known) return known;
    const asked = this.#askAll(kind);
    this.#lists.set(kind, asked);
    // A failure is not kept: the next one who asks tries again.
    asked.catch(() => this.#lists.get(kind) === asked && this.#lists.delete(kind));
    return asked;
  }

  /** The upstream's list of `kind` has changed. */
  forget(kind: ListKind): void {
    this.#lists.delete(kind);
  }

  async #askAll(kind: ListKind): Promise<readonly JsonObject[]> {
    const { method, field } = LISTS[kind];
    const entries: JsonObject[] = [];
    let params: JsonObject = {};
    for (let page = 0; page < MAX_PAGES; page++) {
      const { result, error } = await this.#ask(method, params);
      if (error) throw new Error(`${method}: ${error.message}`);
      if (Array.isArray(result[field])) entries.push(...result[field] as JsonObject[]);
      if (typeof result.nextCursor !== "string") break;
      params = { cursor: result.nextCursor };
    }
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
