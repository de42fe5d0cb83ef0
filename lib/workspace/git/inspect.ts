import { isAbsolute, join } from "@std/path";
import { abortError } from "../../base/abort.ts";
import { messageOf } from "../../base/errors.ts";
import { type GitGuard, unusable } from "./git_guard.ts";

/** Most entries in references and objects; `git gc` packs them into a few files. */
const MAX_ENTRIES = 500_000;
const MAX_DEPTH = 40;
const MAX_ALTERNATES = 20;
const MAX_LIST_BYTES = 65_536;

/** Checks the directories that git reads for links that lead out of the session's, and for special files. */
export class DirectoryInspector {
  readonly #guard: GitGuard;
  readonly #signal: AbortSignal;
  readonly #seen = new Set<string>();
  #left = MAX_ENTRIES;

  constructor(guard: GitGuard, signal: AbortSignal) {
    this.#guard = guard;
    this.#signal = signal;
  }

  /**
   * The real path of the directory `path`, checked with all its entries.
   *
   * @throws {ExaiError} `FORBIDDEN`, `INVALID_PARAMS`, `RESOURCE_NOT_FOUND`
   */
  async directory(path: string, what: string): Promise<string> {
    const real = await this.#guard.resolve(path, what);
    await this.#inspect(real, what, 0);
    return real;
  }

  /**
   * The real path of the object store `path`, checked together with its alternates.
   *
   * @throws {ExaiError} as {@linkcode directory}
   */
  async objects(path: string): Promise<string> {
    const first = await this.directory(path, "directory of objects");
    const stores = [first];
    for (let i = 0; i < stores.length; i++) {
      if (i > MAX_ALTERNATES) throw unusable(path, `borrows from more than ${MAX_ALTERNATES} object stores`);
      for (const named of await this.#alternatesOf(stores[i]!)) {
        const real = await this.directory(named, "object store named in objects/info/alternates");
        if (!stores.includes(real)) stores.push(real);
      }
    }
    return first;
  }

  async #alternatesOf(store: string): Promise<string[]> {
    const list = join(store, "info", "alternates");
    const lines = (await this.#guard.text(list, MAX_LIST_BYTES))?.split("\n") ?? [];
    return lines.filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      // Git would open the path without quotes and escapes.
      if (line.startsWith('"')) throw unusable(list, "quotes a path; write it without quotes");
      // As git does: "a/.." is removed before links are followed.
      return isAbsolute(line) ? join(line) : join(store, line);
    });
  }

  async #inspect(dir: string, what: string, depth: number): Promise<void> {
    if (this.#seen.has(dir)) return;
    this.#seen.add(dir);
    if (this.#signal.aborted) throw abortError(this.#signal);
    if (depth > MAX_DEPTH) throw unusable(dir, "lies too deep");
    const entries = await this.#list(dir);
    if (entries === undefined) return;
    const directories: string[] = [];
    for (const { name, isFile, isDirectory, isSymlink } of entries) {
      const path = join(dir, name);
      if (isDirectory) directories.push(path);
      else if (isSymlink) directories.push(...await this.#follow(path, what));
      else if (!isFile) throw unusable(path, "is no regular file");
    }
    for (const path of directories) await this.#inspect(path, what, depth + 1);
  }

  /** The target of a link if it is a directory, or none. */
  async #follow(path: string, what: string): Promise<string[]> {
    const real = await this.#guard.resolve(path, what);
    const { isFile, isDirectory } = await Deno.stat(real);
    if (!isFile && !isDirectory) throw unusable(path, "leads to no regular file");
    return isDirectory ? [real] : [];
  }

  async #list(dir: string): Promise<Deno.DirEntry[] | undefined> {
    const entries: Deno.DirEntry[] = [];
    try {
      for await (const entry of Deno.readDir(dir)) {
        if (--this.#left < 0) break;
        entries.push(entry);
      }
    } catch (thrown) {
      // Git removes the directory of loose objects when it packs them. A directory that cannot be listed is an error,
      // since git could still read a file in it by name.
      if (thrown instanceof Deno.errors.NotFound) return undefined;
      throw unusable(dir, `cannot be listed (${messageOf(thrown)})`);
    }
    if (this.#left < 0) throw unusable(dir, `is one of too many: more than ${MAX_ENTRIES} files; run git gc`);
    return entries;
  }
}
