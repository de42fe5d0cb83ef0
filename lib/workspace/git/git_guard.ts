import { basename } from "@std/path";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { quoteName } from "../../base/text.ts";
import { isWithin } from "../../base/directories.ts";
import { foreignOnWindows } from "../../base/file_uri.ts";
import type { PathBoundary } from "../boundary.ts";

/** Restricts the files that git opens to the directories of a session. */
export class GitGuard {
  readonly #boundary: PathBoundary;
  readonly #parent: string | undefined;

  /** `parent` is the top of a repository that contains the session's directory. */
  constructor(boundary: PathBoundary, parent?: string) {
    this.#boundary = boundary;
    this.#parent = parent;
  }

  /**
   * The real path of `path`; `what` names it in the error.
   *
   * @throws {ExaiError} `FORBIDDEN` when git may not open it, `RESOURCE_NOT_FOUND`
   */
  async resolve(path: string, what: string): Promise<string> {
    // Only asking for a file of another machine would tell that machine who the user is: refused below.
    if (this.#parent !== undefined && foreignOnWindows(path) === undefined) {
      const real = await Deno.realPath(path).catch(() => undefined);
      if (real !== undefined && isWithin(real, this.#parent)) return real;
    }
    try {
      return await this.#boundary.resolve(path);
    } catch (thrown) {
      const { code } = ExaiError.from(thrown);
      throw new ExaiError(code, `the repository's ${what} cannot be used: ${messageOf(thrown)}`, {
        cause: thrown,
      });
    }
  }

  /**
   * The real path of the file `path`; undefined when it does not exist.
   *
   * @throws {ExaiError} as {@linkcode resolve}; `INVALID_PARAMS` when it is not a regular file, or larger than `maxBytes`
   */
  async file(path: string, maxBytes: number): Promise<string | undefined> {
    const info = await Deno.lstat(path).catch(ifMissing);
    if (info === undefined) return undefined;
    const real = info.isSymlink ? await this.resolve(path, `file ${basename(path)}`) : path;
    const { isFile, size } = info.isSymlink ? await Deno.stat(real) : info;
    if (!isFile) throw unusable(path, "is no regular file");
    if (size > maxBytes) throw unusable(path, `has ${size} bytes, and ${maxBytes} are read at most`);
    return real;
  }

  /** The content of the file `path`, checked as by {@linkcode file}. */
  async bytes(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const real = await this.file(path, maxBytes);
    if (real === undefined) return undefined;
    try {
      return await Deno.readFile(real);
    } catch (thrown) {
      throw unusable(path, `cannot be read (${messageOf(thrown)})`);
    }
  }

  /** The text of the file `path`, checked as by {@linkcode file}. */
  async text(path: string, maxBytes: number): Promise<string | undefined> {
    const bytes = await this.bytes(path, maxBytes);
    try {
      return bytes && new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw unusable(path, "is not UTF-8");
    }
  }
}

/** For `catch`: undefined for a missing file; any other error is thrown. */
export function ifMissing(thrown: unknown): undefined {
  if (thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory) return undefined;
  throw unusable("", messageOf(thrown));
}

/** An error for a part of a repository that git did not make so. It shows none of its content. */
export function unusable(path: string, why: string): ExaiError {
  const name = path === "" ? "a part of it" : quoteName(path);
  return new ExaiError(
    "INVALID_PARAMS",
    `the repository cannot be used: ${name} ${why}; run git fsck there, or repair it`,
  );
}
