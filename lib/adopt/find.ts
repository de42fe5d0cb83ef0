import { normalize } from "@std/path";
import type { Json } from "../base/json.ts";
import type { ClientPlaces } from "../config/client_places.ts";
import type { DocumentPath } from "../documents/document.ts";
import type { ClientFile, ClientProfile } from "./client_profile.ts";

/** A file of a client that is there. */
export interface FoundFile {
  client: ClientProfile;
  file: ClientFile;
  path: string;
  /** The project whose file it is; undefined: it is for every project of the user. */
  project: string | undefined;
  /** Whether it belongs to the Windows side of a machine with WSL. */
  isWindowsSide: boolean;
}

/** An entry of a server in a client's file. */
export interface ClientEntry {
  /** Its name in the client. */
  name: string;
  path: DocumentPath;
  value: Json;
  /** The directory it is for; undefined: any. */
  project: string | undefined;
}

/** Where files are looked for. */
export interface SearchScope {
  places: ClientPlaces;
  projects: readonly string[];
  clients: readonly ClientProfile[];
  isWindowsSide?: boolean;
}

/** Every file of the clients that exists, in the order of the table; one file of one client once. */
export async function findFiles(scope: SearchScope): Promise<FoundFile[]> {
  const found = new Map<string, FoundFile>();
  for (const client of scope.clients) {
    for (const file of client.files) {
      if (file.on && !file.on.includes(scope.places.system)) continue;
      for (const { path, project } of await existing(file.path, scope)) {
        const key = `${client.id} ${path}`;
        const isWindowsSide = scope.isWindowsSide ?? false;
        if (!found.has(key)) found.set(key, { client, file, path, project, isWindowsSide });
      }
    }
  }
  return [...found.values()];
}

/** The files that exist at a path of the table. */
export async function existing(
  template: string,
  { places, projects }: Pick<SearchScope, "places" | "projects">,
): Promise<{ path: string; project: string | undefined }[]> {
  const isOfProject = template.startsWith("{project}");
  const found = [];
  for (const project of isOfProject ? projects : [undefined]) {
    for (const path of await matches(pathOf(template, places, project))) found.push({ path, project });
  }
  return found;
}

/** The path that `template` stands for; `*` is left in it. */
export function pathOf(template: string, places: ClientPlaces, project = ""): string {
  const values: Record<string, string> = { ...places, project };
  return normalize(template.replace(/\{(\w+)\}/g, (_, name: string) => values[name] ?? ""));
}

async function matches(pattern: string): Promise<string[]> {
  const star = pattern.indexOf("*");
  if (star < 0) return await isFile(pattern) ? [pattern] : [];
  const before = Math.max(pattern.lastIndexOf("/", star), pattern.lastIndexOf("\\", star));
  const [segment, rest] = cut(pattern.slice(before + 1));
  const dir = pattern.slice(0, before + 1);
  const [start = "", end = ""] = segment.split("*");
  const names = (await namesIn(dir)).filter((name) =>
    name.length >= start.length + end.length && name.startsWith(start) && name.endsWith(end)
  );
  return (await Promise.all(names.sort().map((name) => matches(dir + name + rest)))).flat();
}

/** The first name of a path, and what follows it with the separator. */
function cut(path: string): [string, string] {
  const at = path.search(/[/\\]/);
  return at < 0 ? [path, ""] : [path.slice(0, at), path.slice(at)];
}

async function isFile(path: string): Promise<boolean> {
  const info = await Deno.lstat(path).catch(() => undefined);
  return info !== undefined && !info.isDirectory;
}

async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await Array.fromAsync(Deno.readDir(dir))).map(({ name }) => name);
  } catch {
    // A directory that cannot be listed has no file that can be read.
    return [];
  }
}
