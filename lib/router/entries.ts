import { type JsonObject, textOf } from "../base/json.ts";
import type { ListKind, Server } from "../call/server.ts";
import { publicNames } from "./names.ts";

/** One entry of a merged list, and the server it is from. */
export interface CatalogEntry {
  server: Server;
  /** Its name before collisions between servers are resolved, for tools and prompts. */
  name: string;
  /** As the server describes it. */
  own: JsonObject;
}

/** The merged tools that one client may see, by public name. */
export type ShownTools = ReadonlyMap<string, CatalogEntry>;

/** The definition of `entry` with its public name. */
export function shownAs(name: string, { own }: Pick<CatalogEntry, "own">): JsonObject {
  return own.name === undefined || own.uri !== undefined || own.uriTemplate !== undefined || own.name === name
    ? own
    : { ...own, name };
}

/** The field that identifies the entries of each list. */
export const KEY: Readonly<Record<ListKind, string>> = {
  tools: "name",
  prompts: "name",
  resources: "uri",
  templates: "uriTemplate",
};

/** A merged list: the entry of each key, and all entries. */
interface Listing {
  entries: ReadonlyMap<string, CatalogEntry>;
  all: readonly CatalogEntry[];
}

/** The entry of `key`. `server__name` is always accepted, also for a name that is unique. */
export function entryOf(key: string, { entries, all }: Listing): CatalogEntry | undefined {
  return entries.get(key) ??
    all.find(({ server, name, own }) =>
      own.uri === undefined && own.uriTemplate === undefined && key === `${server.name}__${name}`
    );
}

/** The entries by key: their public name or URI. */
export function byKey(kind: ListKind, all: readonly CatalogEntry[]): Map<string, CatalogEntry> {
  const key = KEY[kind];
  // An entry without a text as its key cannot be requested.
  const entries = all.filter(({ own }) => textOf(own[key]) !== undefined);
  if (key !== "name") {
    // URIs are not renamed; the first server that offers one answers for it.
    const first = new Map<string, CatalogEntry>();
    for (const entry of entries) {
      const uri = textOf(entry.own[key])!;
      if (!first.has(uri)) first.set(uri, entry);
    }
    return first;
  }
  const names = publicNames(entries.map(({ server, name }) => ({ server: server.name, name })));
  return new Map(entries.map((entry, i) => [names[i]!, entry]));
}
