import { concat } from "@std/bytes/concat";
import { abortError } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import type { Whereabouts } from "../call/call.ts";
import { SECOND_MS } from "../base/units.ts";
import type {
  OpenWorkspace,
  Repository,
  WalkOptions,
  WalkResult,
  Workspace,
  WorkspaceEntry,
} from "./workspace.ts";
import { type BoundaryOptions, PathBoundary } from "./boundary.ts";
import { openRepository } from "./git/repository.ts";
import { type FileListing, listTracked, listTree } from "./listing.ts";
import { SkippedTally } from "./skipped_tally.ts";
import { NOT_WORTH_READING, notWorthReading } from "./worth_reading.ts";

/** Most files of one directory that are compared to find the newest. */
const MAX_CANDIDATES = 5000;

const GIT_TIMEOUT_MS = 30 * SECOND_MS;

const NESTED_REPOSITORY =
  "a git repository of its own (a submodule); name it to have its files shown, once they are checked out";

interface WorkspaceOptions extends BoundaryOptions {
  /** Time limit of one run of git, in milliseconds; 30 s by default. */
  gitTimeoutMs?: number;
  /** Directory for private git directories; the system's temporary directory by default. */
  gitDir?: string;
}

/** Opens the workspaces of sessions, each within its own {@linkcode PathBoundary}. */
export function sessionWorkspaces(options: WorkspaceOptions): OpenWorkspace {
  return (caller) => new SessionWorkspace(caller, options);
}

class SessionWorkspace implements Workspace {
  readonly #boundary: PathBoundary;
  readonly #gitTimeoutMs: number;
  readonly #gitDir: string | undefined;

  constructor(caller: Whereabouts, options: WorkspaceOptions) {
    this.#gitTimeoutMs = options.gitTimeoutMs ?? GIT_TIMEOUT_MS;
    this.#gitDir = options.gitDir;
    this.#boundary = new PathBoundary(caller, options);
  }

  async find(path: string): Promise<WorkspaceEntry> {
    const real = await this.#boundary.resolve(path);
    const entry = await this.#describe(real);
    if (entry) return entry;
    throw new ExaiError("INVALID_PARAMS", `${quoteName(path)} is neither a file nor a directory`);
  }

  async walk(directory: WorkspaceEntry, { maxFiles, signal }: WalkOptions): Promise<WalkResult> {
    const tally = new SkippedTally((path) => this.#boundary.displayPath(path));
    const listing = await this.#list(directory, { signal, tally });
    const candidates: string[] = [];
    for (const path of listing.paths) {
      const why = notWorthReading(path, directory.path);
      if (why === undefined) candidates.push(path);
      else tally.add(NOT_WORTH_READING[why], path);
    }
    for (const path of listing.skippedDirs) tally.add("directories that are not entered", path);
    const found: WorkspaceEntry[] = [];
    for (const path of candidates.slice(0, MAX_CANDIDATES)) {
      if (signal.aborted) throw abortError(signal);
      const entry = await this.#describe(path);
      if (entry?.kind === "file") found.push(entry);
      else if (entry) tally.add(NESTED_REPOSITORY, path);
      else if (path.includes("\ufffd")) tally.add("a name that is not UTF-8, which cannot be opened", path);
      else if (await isLink(path)) tally.add("symbolic links, which are not followed", path);
    }
    found.sort((a, b) => b.modifiedAtMs - a.modifiedAtMs || (a.path < b.path ? -1 : 1));
    const newest = await Promise.all(found.slice(0, maxFiles).map((entry) => this.#unlessLink(entry)));
    const files = newest.filter((entry) => entry !== undefined);
    const more = found.length > maxFiles || candidates.length > MAX_CANDIDATES || listing.cut;
    return { files, more, skipped: await tally.list() };
  }

  /** Lists by git, so that what it ignores is left out, or else the whole tree. */
  async #list(
    directory: WorkspaceEntry,
    { signal, tally }: { signal: AbortSignal; tally: SkippedTally },
  ): Promise<FileListing> {
    const open = () => this.openRepository(directory, signal);
    const tracked = await listTracked(directory.path, { open, signal });
    if (!("unusable" in tracked)) return tracked;
    if (tracked.unusable !== undefined) {
      tally.add(`listed without git, which would not (${tracked.unusable})`, directory.path);
    }
    return await listTree(directory.path, signal);
  }

  async read({ path, shownAs }: WorkspaceEntry, { maxBytes }: { maxBytes: number }): Promise<Uint8Array> {
    using file = await Deno.open(path);
    // The file could have been replaced by a link since it was checked: the open file must be the one at the path now,
    // and that must not be a link.
    const [opened, named, real] = await Promise.all([file.stat(), Deno.lstat(path), Deno.realPath(path)]);
    if (real !== path || opened.ino !== named.ino || opened.dev !== named.dev || !opened.isFile) {
      throw new ExaiError("FORBIDDEN", `${shownAs} was replaced while it was read; call again`);
    }
    if (opened.size > maxBytes) throw tooLarge(shownAs, opened.size, maxBytes);
    return await readUpTo(file, { maxBytes, shownAs });
  }

  openRepository({ path }: WorkspaceEntry, signal: AbortSignal): Promise<Repository | undefined> {
    const [timeoutMs, privateDirs] = [this.#gitTimeoutMs, this.#gitDir];
    return openRepository(path, { boundary: this.#boundary, signal, timeoutMs, privateDirs });
  }

  async #describe(path: string): Promise<WorkspaceEntry | undefined> {
    const info = await Deno.lstat(path).catch(() => undefined);
    if (info === undefined || !(info.isFile || info.isDirectory)) return undefined;
    return {
      path,
      shownAs: await this.#boundary.displayPath(path),
      kind: info.isFile ? "file" : "directory",
      sizeBytes: info.size,
      modifiedAtMs: info.mtime?.getTime() ?? 0,
    };
  }

  // A file that git tracks may lie behind a directory that has become a link.
  async #unlessLink(entry: WorkspaceEntry): Promise<WorkspaceEntry | undefined> {
    try {
      if (await Deno.realPath(entry.path) !== entry.path) return undefined;
      await this.#boundary.check(entry.path);
      return entry;
    } catch {
      return undefined;
    }
  }
}

async function isLink(path: string): Promise<boolean> {
  return (await Deno.lstat(path).catch(() => undefined))?.isSymlink === true;
}

// The size was checked before, but a file in /proc reports none, and a file that is written to grows.
async function readUpTo(
  file: Deno.FsFile,
  { maxBytes, shownAs }: { maxBytes: number; shownAs: string },
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of file.readable) {
    chunks.push(chunk);
    total += chunk.length;
    if (total > maxBytes) throw tooLarge(shownAs, total, maxBytes);
  }
  return concat(chunks);
}

function tooLarge(name: string, bytes: number, maxBytes: number): ExaiError {
  return new ExaiError(
    "TOO_LARGE",
    `${name} has ${bytes} bytes, and a file may have ${maxBytes}; name a smaller file with the part that matters`,
  );
}
