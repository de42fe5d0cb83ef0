import { isObject, type Json, type JsonObject, textOf } from "../../base/json.ts";

/** One server of a file. */
export interface FoundEntry {
  /** Its name in the file; undefined: it has none. */
  title: string | undefined;
  path: (string | number)[];
  value: Json;
}

/** The servers of a parsed file, by section. */
export function findEntries(
  document: JsonObject,
): { sections: { path: (string | number)[]; entries: FoundEntry[] }[] } {
  const sections = ["mcpServers", "servers"].flatMap((key) => {
    const value = document[key];
    const path = [key];
    if (Array.isArray(value)) {
      const entries = value.map((value, i) => ({
        title: isObject(value) ? textOf(value.name) : undefined,
        path: [key, i],
        value,
      }));
      return [{ path, entries }];
    }
    if (!isObject(value)) return [];
    const entries = Object.entries(value).map(([title, value]) => ({
      title,
      path: [key, title],
      value: value ?? null,
    }));
    return [{ path, entries }];
  });
  return { sections };
}
