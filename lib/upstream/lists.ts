import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { formatBytes, MIB } from "../base/units.ts";
import { type ListKind, LISTS } from "../call/server.ts";
import { jsonChars } from "../transport/json_size.ts";
import type { Result } from "../wire/rpc.ts";

/** A list without end is cut here: no real server has a thousand pages. */
const MAX_PAGES = 1000;
/** A list is kept as long as its server is mounted. */
const MAX_ENTRIES = 50_000;
const MAX_LIST_CHARS = 32 * MIB;

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

  /** The list as it was asked for last, which is not asked for again. */
  async known(kind: ListKind): Promise<readonly JsonObject[] | undefined> {
    return await this.#lists.get(kind)?.catch(() => undefined);
  }

  /** The upstream's list of `kind` has changed. */
  forget(kind: ListKind): void {
    this.#lists.delete(kind);
  }

  /** Asks for every list that is known again; gives those that are others now. One that cannot be had stays. */
  async refresh(): Promise<ListKind[]> {
    const known = [...this.#lists];
    const changed = await Promise.all(known.map(async ([kind, asked]) => {
      try {
        const [before, now] = [await asked, await this.#askAll(kind)];
        return JSON.stringify(before) !== JSON.stringify(now) && this.#lists.get(kind) === asked;
      } catch {
        return false;
      }
    }));
    return known.filter((_, i) => changed[i]).map(([kind]) => kind);
  }

  async #askAll(kind: ListKind): Promise<readonly JsonObject[]> {
    const { method, field } = LISTS[kind];
    const entries: JsonObject[] = [];
    let chars = 0;
    let params: JsonObject = {};
    for (let pages = 0; pages < MAX_PAGES; pages++) {
      const { result, error } = await this.#ask(method, params);
      if (error) throw new Error(`${method}: ${error.message}`);
      const page = result[field];
      if (!Array.isArray(page)) {
        throw new Error(`${method}: its answer is malformed: it has no list "${field}"`);
      }
      chars += jsonChars(page, MAX_LIST_CHARS);
      // One by one: the arguments of a call stand on the stack, and a server chooses how many there are.
      for (const entry of page as JsonObject[]) entries.push(entry);
      if (entries.length > MAX_ENTRIES || chars > MAX_LIST_CHARS) throw tooLong(method, entries.length);
      if (typeof result.nextCursor !== "string") break;
      params = { cursor: result.nextCursor };
    }
    return entries;
  }
}

function tooLong(method: string, entries: number): ExaiError {
  return new ExaiError(
    "TOO_LARGE",
    `${method}: the list goes on after ${entries} entries; at most ${MAX_ENTRIES}, with ${
      formatBytes(MAX_LIST_CHARS)
    } of text, are taken`,
  );
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
