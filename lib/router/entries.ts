import { type JsonObject, textOf } from "../base/json.ts";
import type { ListKind, Server } from "../call/server.ts";
import { publicNames } from "./names.ts";

/** One entry of a merged list and the server it leads to. */
export interface CatalogEntry {
  server: Server;
  /** As the server describes it. */
  own: JsonObject;
}

/** The merged tools as one window may see them, by public name. */
export type ShownTools = ReadonlyMap<string, CatalogEntry>;

/** `entry` under the name the merged catalog has for it. */
export function shownAs(name: string, { own }: CatalogEntry): JsonObject {
  return own.name === undefined || own.uri !== undefined || own.uriTemplate !== undefined || own.name === name
    ? own
    : { ...own, name };
}

/** What tells the entries of each list apart. */
export const KEY: Readonly<Record<ListKind, string>> = {
  tools: "name",
  prompts: "name",
  resources: "uri",
  templates: "uriTemplate",
};

/** A merged list: what a client knows by each key, and all there is. */
interface Listing {
  entries: ReadonlyMap<string, CatalogEntry>;
  all: readonly CatalogEntry[];
}

/** The entry of `key`; `server__name` means that server's, also where the name alone is plain. */
export function entryOf(key: string, { entries, all }: Listing): CatalogEntry | undefined {
  return entries.get(key) ??
    all.find(({ server, own }) =>
      own.uri === undefined && own.uriTemplate === undefined && key === `${server.name}__${own.name}`
    );
}

/** The entries that can be asked for, by what a client knows each as. */
export function byKey(kind: ListKind, all: readonly CatalogEntry[]): Map<string, CatalogEntry> {
  const key = KEY[kind];
  // What has no text for a key cannot be asked for.
  const entries = all.filter(({ own }) => textOf(own[key]) !== undefined);
  if (key !== "name") {
    // A URI is what it is; where two servers offer the same one, the first answers for it.
    const first = new Map<string, CatalogEntry>();
    for (const entry of entries) {
      const uri = textOf(entry.own[key])!;
      if (!first.has(uri)) first.set(uri, entry);
    }
    return first;
  }
  const names = publicNames(
    entries.map(({ server, own }) => ({ server: server.name, name: textOf(own.name)! })),
  );
  return new Map(entries.map((entry, i) => [names[i]!, entry]));
}
