import type { JsonObject } from "../base/json.ts";

/** A list as a client was shown it, or would be shown it now. */
export interface ShownList {
  /** In the order of the servers. */
  entries: readonly ShownEntry[];
  /** What each server lists, whether the client sees it or not. */
  own: ReadonlyMap<string, readonly JsonObject[]>;
  /** Servers whose lists are known, those without entries included. */
  listed: ReadonlySet<string>;
  /** Servers of the catalog, in its order. */
  mounted: ReadonlySet<string>;
}

/** An entry as it is shown, and the server it is of; undefined: of none, as the search tools. */
interface ShownEntry {
  shown: JsonObject;
  server: string | undefined;
  /** As its server describes it. */
  own: JsonObject;
}

/** Why a list is another than the one that a client was shown. */
export type ChangeCause =
  /** The server was mounted, or is no longer. */
  | "mounted"
  | "removed"
  /** The list of the server was not known before. */
  | "known"
  /** The server has changed its list. */
  | "changed"
  /** Another server has changed the names of its entries. */
  | "renamed"
  /** Settings have: what the client sees, or the order. */
  | "settings";

export interface ListChange {
  cause: ChangeCause;
  /** Undefined where it is about no single server. */
  server: string | undefined;
}

/**
 * `now` with what `before` has of servers that cannot be asked just now: they are still mounted, and most likely have it
 * still. A client that is told of their return only would have been told of nothing.
 */
export function completed(now: ShownList, before: ShownList): ShownList {
  const isAway = (server: string | undefined) =>
    server !== undefined && !now.listed.has(server) && before.listed.has(server);
  if (!now.mounted.values().some(isAway)) return now;
  const entries = [...now.mounted, undefined].flatMap((server) =>
    (isAway(server) ? before : now).entries.filter((entry) => entry.server === server)
  );
  const away = [...now.mounted].filter(isAway);
  const own = new Map([...now.own, ...away.map((server) => [server, before.own.get(server) ?? []] as const)]);
  return { ...now, entries, own, listed: new Set([...now.listed, ...away]) };
}

/** How `now` differs from `before`; empty: in nothing that a client sees. */
export function compareLists(before: ShownList, now: ShownList): ListChange[] {
  if (isSame(before.entries, now.entries, isSameEntry)) return [];
  const [was, is] = [before, now].map(({ entries }) => Map.groupBy(entries, ({ server }) => server));
  const servers = new Set([...was!.keys(), ...is!.keys()].filter((server) => server !== undefined));
  const changes = Array.from(servers).flatMap((server): ListChange[] => {
    const [then, here] = [was!.get(server) ?? [], is!.get(server) ?? []];
    if (isSame(then, here, isSameEntry)) return [];
    if (!now.mounted.has(server)) return [{ cause: "removed", server }];
    if (!before.mounted.has(server)) return [{ cause: "mounted", server }];
    if (!before.listed.has(server)) return [{ cause: "known", server }];
    if (!isSame(before.own.get(server) ?? [], now.own.get(server) ?? [], isSameText)) {
      return [{ cause: "changed", server }];
    }
    return then.length === here.length ? [{ cause: "renamed", server }] : [];
  });
  return changes.length > 0 ? changes : [{ cause: "settings", server: undefined }];
}

function isSame<T>(one: readonly T[], other: readonly T[], isEqual: (a: T, b: T) => boolean): boolean {
  return one.length === other.length && one.every((entry, i) => isEqual(entry, other[i]!));
}

function isSameEntry(one: ShownEntry, other: ShownEntry): boolean {
  if (one.server !== other.server) return false;
  if (one.own === other.own && one.shown.name === other.shown.name) return true;
  return isSameText(one.shown, other.shown);
}

function isSameText(one: JsonObject, other: JsonObject): boolean {
  try {
    return one === other || JSON.stringify(one) === JSON.stringify(other);
  } catch {
    // Nested too deeply to be written, which a client is not sent either.
    return false;
  }
}
