import { basename, isAbsolute, join, relative, SEPARATOR } from "@std/path";
import { ExaiError } from "../base/errors.ts";
import { isWithin } from "../base/directories.ts";
import { foreignOnWindows, pathOfUri } from "../base/file_uri.ts";
import { quoteName } from "../base/text.ts";
import type { Whereabouts } from "../call/call.ts";

export interface BoundaryOptions {
  /** Directories every session may read (`EXAI_ALLOWED_DIRS`). */
  allowedDirs: readonly string[];
  /** Directories no session may read, even within allowed ones: the daemon's own state. */
  deniedDirs: readonly string[];
}

/** The paths a session may read. Built for each call, so that changed roots take effect. */
export class PathBoundary {
  readonly #caller: Whereabouts;
  readonly #options: BoundaryOptions;
  #allowed: Promise<readonly string[]> | undefined;
  #denied: Promise<readonly string[]> | undefined;

  constructor(caller: Whereabouts, options: BoundaryOptions) {
    this.#caller = caller;
    this.#options = options;
  }

  /**
   * The real path of `path`.
   *
   * @throws {ExaiError} `FORBIDDEN` when it may not be read, `RESOURCE_NOT_FOUND`, `INVALID_PARAMS`
   */
  async resolve(path: string): Promise<string> {
    const wanted = this.#absolute(path);
    const allowed = await this.#allowedDirs();
    let real: string;
    try {
      real = await Deno.realPath(wanted);
    } catch (thrown) {
      // Outside the allowed directories a missing file is not distinguished from an existing one.
      if (!isWithinAny(wanted, [...allowed, ...this.#namedDirs()])) throw this.#outside(path, allowed);
      if (thrown instanceof Deno.errors.NotFound) {
        throw new ExaiError("RESOURCE_NOT_FOUND", `there is no file ${quoteName(path)}; correct its path`);
      }
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new ExaiError("FORBIDDEN", `${quoteName(path)} cannot be read: ${why}`, { cause: thrown });
    }
    await this.check(real, path);
    return real;
  }

  /**
   * Checks that a real path may be read; `path` is its name in the error.
   *
   * @throws {ExaiError} `FORBIDDEN` when it may not
   */
  async check(real: string, path = real): Promise<void> {
    const allowed = await this.#allowedDirs();
    if (!isWithinAny(real, allowed)) throw this.#outside(path, allowed);
    this.#denied ??= realPaths(this.#options.deniedDirs);
    if (isWithinAny(real, await this.#denied)) {
      throw new ExaiError("FORBIDDEN", `${quoteName(path)} is part of EXAI's own state, which no tool reads`);
    }
  }

  /** The outermost allowed directory that contains `real`. */
  async homeOf(real: string): Promise<string | undefined> {
    const around = (await this.#allowedDirs()).filter((dir) => isWithin(real, dir));
    return around.sort((a, b) => a.length - b.length)[0];
  }

  /** `real` for people: relative to the first allowed directory that contains it, with `/`. */
  async displayPath(real: string): Promise<string> {
    const allowed = await this.#allowedDirs();
    const home = allowed.find((dir) => isWithin(real, dir));
    if (home === undefined) return real;
    const short = relative(home, real) || basename(real);
    // Only paths in the first directory go without its name, so that no two files are shown alike.
    const shown = home === allowed[0] ? short : join(basename(home), short);
    return shown.replaceAll(SEPARATOR, "/");
  }

  #absolute(path: string): string {
    if (path.includes("\0")) throw new ExaiError("INVALID_PARAMS", "a path cannot hold a NUL character");
    const plain = path.startsWith("file:") ? pathOfUri(path) : { path };
    if (plain.path === undefined) {
      throw new ExaiError(
        "INVALID_PARAMS",
        `${quoteName(path)} is no file URI of this machine: ${plain.why}`,
      );
    }
    const foreign = foreignOnWindows(plain.path);
    // A window may itself work in a directory of another machine.
    const isOwn = foreign === "another machine" && isWithinAny(plain.path, this.#namedDirs());
    if (foreign !== undefined && !isOwn) {
      throw new ExaiError("FORBIDDEN", `${quoteName(path)} names ${foreign}, which no tool reads`);
    }
    if (isAbsolute(plain.path)) return plain.path;
    if (this.#caller.cwd !== undefined) return join(this.#caller.cwd, plain.path);
    throw new ExaiError(
      "INVALID_PARAMS",
      `${quoteName(path)} is relative, and this session told no working directory; give an absolute path`,
    );
  }

  /** The allowed directories before links are resolved, to distinguish a missing file from one outside. */
  #namedDirs(): string[] {
    const { cwd, namedDirs } = this.#caller;
    return [namedDirs === "read" ? cwd : undefined, ...this.#options.allowedDirs]
      .filter((dir) => dir !== undefined).filter((dir) => !isDiskRoot(dir));
  }

  #allowedDirs(): Promise<readonly string[]> {
    return this.#allowed ??= this.#findAllowed();
  }

  async #findAllowed(): Promise<string[]> {
    const own = this.#caller.namedDirs === "read" ? await this.#ownDirs() : [];
    // A window started by the desktop or a service has the root of the disk as its directory, which the user did not choose to
    // share. It can still be named in EXAI_ALLOWED_DIRS.
    const chosen = (await realPaths(own)).filter((dir) => !isDiskRoot(dir));
    return [...new Set([...chosen, ...await realPaths(this.#options.allowedDirs)])];
  }

  /** The working directory and the roots of the client. */
  async #ownDirs(): Promise<string[]> {
    const roots = (await this.#caller.roots() ?? []).map(({ uri }) => pathOfUri(uri).path);
    return [this.#caller.cwd, ...roots].filter((dir) => dir !== undefined);
  }

  #outside(path: string, allowed: readonly string[]): ExaiError {
    const none = this.#caller.namedDirs === "read"
      ? "this session told no working directory and no roots"
      : "a session over HTTP or of another user may read none but those of EXAI_ALLOWED_DIRS, whatever it names";
    const where = allowed.length === 0 ? none : `they are: ${allowed.join(", ")}`;
    return new ExaiError(
      "FORBIDDEN",
      `${
        quoteName(path)
      } lies outside the directories this session may read (${where}); move the file there, or ` +
        "name its directory in EXAI_ALLOWED_DIRS and restart the daemon",
    );
  }
}

function isWithinAny(path: string, dirs: readonly string[]): boolean {
  return dirs.some((dir) => isWithin(path, dir));
}

/** Whether `dir` is the root of a disk. */
function isDiskRoot(dir: string): boolean {
  return join(dir, "..") === join(dir);
}

/** The real paths of those of `dirs` that exist. */
async function realPaths(dirs: readonly string[]): Promise<string[]> {
  const found = await Promise.all(dirs.map((dir) => Deno.realPath(dir).catch(() => undefined)));
  return found.filter((dir) => dir !== undefined);
}
