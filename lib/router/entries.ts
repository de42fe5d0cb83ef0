import { type JsonObject, textOf } from "../base/json.ts";
import { withPublicUris } from "../call/scoped_uris.ts";
import type { ListKind, Server } from "../call/server.ts";
import type { Missing } from "./missing.ts";
import { qualifiedName } from "./names.ts";
import { type NameHistory, PublicNames } from "./public_names.ts";
import { configuredName, namingOf, wishedNames } from "./tool_names.ts";

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

/** A merged list, by public name or URI, and the servers whose lists are not in it. */
export interface Listed {
  entries: Map<string, CatalogEntry>;
  missing: readonly Missing[];
}

/** The last list of one kind that a session was shown, and the generation it is from. */
export interface ShownCatalog extends Listed {
  /** All entries, those hidden by another with the same key included. */
  all: readonly CatalogEntry[];
  generation: number;
  /** Entries verified to exist still after a change, and in which generation. */
  confirmed: { keys: Set<string>; generation: number };
}

/** The definition of `entry` with its public name. */
export function shownAs(name: string, { own }: Pick<CatalogEntry, "own">): JsonObject {
  return own.name === undefined || own.uri !== undefined || own.uriTemplate !== undefined || own.name === name
    ? own
    : { ...own, name };
}

/** The entries of a list of `server`. */
export function entriesOf(
  kind: ListKind,
  list: readonly JsonObject[],
  { server, hidesSchemas = false }: { server: Server; hidesSchemas?: boolean },
): CatalogEntry[] {
  return list.map((definition) => {
    const name = textOf(definition.name) ?? "";
    return {
      server,
      name: kind === "tools" ? configuredName(name, server) : name,
      own: withPublicUris(kind, hidesSchemas ? withoutOutputSchema(definition) : definition, server.name),
    };
  });
}

function withoutOutputSchema({ outputSchema: _, ...definition }: JsonObject): JsonObject {
  return definition;
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
  /** Servers whose lists are not in it. */
  missing?: readonly { server: Server }[];
}

/**
 * The entry of `key`. `server__name` is always accepted, also for a name that is unique, and so is a name without the
 * server's that the entry had before, or that no other entry has. A name that is kept for a server which is not mounted
 * now leads to no other: a client that has not listed again means the tool of that server.
 */
export function entryOf(
  key: string,
  { entries, all, missing = [] }: Listing,
  { server: former, isContested = true, isKept = false }: NameHistory & { isKept?: boolean } = {},
): CatalogEntry | undefined {
  const known = entries.get(key);
  if (known) return known;
  const named = all.filter(({ own }) => own.uri === undefined && own.uriTemplate === undefined);
  const qualified = named.find(({ server, name }) => key === qualifiedName({ server: server.name, name }));
  if (qualified) return qualified;
  const alike = named.filter(({ name }) => name === key);
  const before = alike.find(({ server }) => server.name === former);
  if (before || isKept || alike.length !== 1) return before;
  // A server that is not known now may have it as well.
  const hasMoved = former !== undefined && !missing.some(({ server }) => server.name === former);
  return hasMoved || !isContested ? alike[0] : undefined;
}

/** The entries by key: their public name or URI. */
export function byKey(
  kind: ListKind,
  all: readonly CatalogEntry[],
  { names = new PublicNames(), servers = [] }: { names?: PublicNames; servers?: readonly Server[] } = {},
): Map<string, CatalogEntry> {
  const key = KEY[kind];
  // An entry without a text as its key cannot be requested.
  const entries = all.filter(({ own }) => textOf(own[key]) !== undefined);
  if (kind !== "tools" && kind !== "prompts") {
    // URIs are not renamed; the first server that offers one answers for it.
    const first = new Map<string, CatalogEntry>();
    for (const entry of entries) {
      const uri = textOf(entry.own[key])!;
      if (!first.has(uri)) first.set(uri, entry);
    }
    return first;
  }
  const offers = entries.map(({ server, name, own }) => ({
    server: server.name,
    name,
    naming: namingOf(kind, textOf(own.name)!, server),
  }));
  const publicNames = names.assign(kind, offers, kind === "tools" ? wishedNames(servers) : undefined);
  return new Map(entries.map((entry, i) => [publicNames[i]!, entry]));
}

/** The entries of merged lists by the names that were given to them. */
export class NamedEntries {
  readonly #names: PublicNames;
  readonly #servers: () => readonly Server[];

  /** `servers`: those of the catalog, those without a list included. */
  constructor({ names, servers }: { names?: PublicNames; servers: () => readonly Server[] }) {
    this.#names = names ?? new PublicNames();
    this.#servers = servers;
  }

  byKey(kind: ListKind, all: readonly CatalogEntry[]): Map<string, CatalogEntry> {
    return byKey(kind, all, { names: this.#names, servers: this.#servers() });
  }

  entryOf(kind: ListKind, key: string, listing: Listing): CatalogEntry | undefined {
    if (kind !== "tools" && kind !== "prompts") return entryOf(key, listing);
    const history = this.#names.historyOf(kind, key);
    const isKept = history.server !== undefined &&
      !this.#servers().some(({ name }) => name === history.server);
    return entryOf(key, listing, { ...history, isKept });
  }
}
