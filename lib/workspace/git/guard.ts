import { basename } from "@std/path";
import { ExaiError, messageOf } from "../../base/errors.ts";
import { quoteName } from "../../base/text.ts";
import { type Boundary, isWithin } from "../boundary.ts";

/** Keeps what git opens within the directories of a session. */
export class GitGuard {
  readonly #boundary: Boundary;
  readonly #parent: string | undefined;

  /** `parent` is a directory above the session's whose repository the session's directory belongs to. */
  constructor(boundary: Boundary, parent?: string) {
    this.#boundary = boundary;
    this.#parent = parent;
  }

  /**
   * The real path of `path`, if git may open it; `what` is its part in the repository.
   *
   * @throws {ExaiError} `FORBIDDEN`, `RESOURCE_NOT_FOUND`
   */
  async resolve(path: string, what: string): Promise<string> {
    if (this.#parent !== undefined) {
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
   * The real path of the file `path`, undefined where there is none.
   *
   * @throws {ExaiError} also when it is no regular file, or larger than `maxBytes`
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

  /** The content of the file `path` as {@linkcode file} finds it. */
  async bytes(path: string, maxBytes: number): Promise<Uint8Array | undefined> {
    const real = await this.file(path, maxBytes);
    if (real === undefined) return undefined;
    try {
      return await Deno.readFile(real);
    } catch (thrown) {
      throw unusable(path, `cannot be read (${messageOf(thrown)})`);
    }
  }

  /** The text of the file `path` as {@linkcode file} finds it. */
  async text(path: string, maxBytes: number): Promise<string | undefined> {
    const bytes = await this.bytes(path, maxBytes);
    try {
      return bytes && new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      throw unusable(path, "is not UTF-8");
    }
  }
}

/** Undefined for a path where nothing is; anything else that went wrong stays an error. */
export function ifMissing(thrown: unknown): undefined {
  if (thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory) return undefined;
  throw unusable("", messageOf(thrown));
}

/** Says that a part of a repository is not as git makes it. Shows none of its content. */
export function unusable(path: string, why: string): ExaiError {
  const name = path === "" ? "a part of it" : quoteName(path);
  return new ExaiError(
    "INVALID_PARAMS",
    `the repository cannot be used: ${name} ${why}; run git fsck there, or repair it`,
  );
}
