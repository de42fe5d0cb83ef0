import { abortError } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { quoteName } from "../base/text.ts";
import type { Whereabouts } from "../call/call.ts";
import { SECOND_MS } from "../base/units.ts";
import type {
  OpenWorkspace,
  Repository,
  Walked,
  WalkOptions,
  Workspace,
  WorkspaceEntry,
} from "./workspace.ts";
import { Boundary, type BoundaryOptions } from "./boundary.ts";
import { openRepository } from "./git/repository.ts";
import { listTracked, worthReading } from "./listing.ts";
import { walkTree } from "./walk.ts";

/** Of the files of one directory, so many are looked at to find the newest. */
const MAX_CANDIDATES = 5000;

const GIT_TIMEOUT_MS = 30 * SECOND_MS;

interface WorkspaceOptions extends BoundaryOptions {
  /** Longest time one run of git may take. */
  gitTimeoutMs?: number;
  /** Where private git directories are made; left out: where the system has its temporary files. */
  gitDir?: string;
}

/** Opens the files and the git of sessions, each within its own {@linkcode Boundary}. */
export function sessionWorkspaces(options: WorkspaceOptions): OpenWorkspace {
  return (caller) => new SessionWorkspace(caller, options);
}

class SessionWorkspace implements Workspace {
  readonly #boundary: Boundary;
  readonly #gitTimeoutMs: number;
  readonly #gitDir: string | undefined;

  constructor(caller: Whereabouts, options: WorkspaceOptions) {
    this.#gitTimeoutMs = options.gitTimeoutMs ?? GIT_TIMEOUT_MS;
    this.#gitDir = options.gitDir;
    this.#boundary = new Boundary(caller, options);
  }

  async find(path: string): Promise<WorkspaceEntry> {
    const real = await this.#boundary.resolve(path);
    const entry = await this.#describe(real);
    if (entry) return entry;
    throw new ExaiError("INVALID_PARAMS", `${quoteName(path)} is neither a file nor a directory`);
  }

  async walk(directory: WorkspaceEntry, { maxFiles, signal }: WalkOptions): Promise<Walked> {
    const open = () => this.openRepository(directory, signal);
    const paths = await listTracked(directory.path, { open, signal }) ??
      await walkTree(directory.path, signal);
    const worthy = paths.filter((path) => worthReading(path.slice(directory.path.length)));
    const found: WorkspaceEntry[] = [];
    for (const path of worthy.slice(0, MAX_CANDIDATES)) {
      if (signal.aborted) throw abortError(signal);
      const entry = await this.#describe(path);
      if (entry?.kind === "file") found.push(entry);
    }
    found.sort((a, b) => b.modifiedAtMs - a.modifiedAtMs || (a.path < b.path ? -1 : 1));
    const newest = await Promise.all(found.slice(0, maxFiles).map((entry) => this.#unlessLink(entry)));
    const files = newest.filter((entry) => entry !== undefined);
    return { files, more: found.length > maxFiles || worthy.length > MAX_CANDIDATES };
  }

  async read({ path, shownAs }: WorkspaceEntry, { maxBytes }: { maxBytes: number }): Promise<Uint8Array> {
    using file = await Deno.open(path);
    // Whoever can write here could have put a link in its place since it was checked: what is open must be what
    // lies there now, and that must be no link.
    const [opened, there, real] = await Promise.all([file.stat(), Deno.lstat(path), Deno.realPath(path)]);
    if (real !== path || opened.ino !== there.ino || opened.dev !== there.dev || !opened.isFile) {
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
      shownAs: await this.#boundary.shorten(path),
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

// The size is asked of the system before, but a file of /proc has none and one that is written to grows.
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
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function tooLarge(name: string, bytes: number, maxBytes: number): ExaiError {
  return new ExaiError(
    "TOO_LARGE",
    `${name} has ${bytes} bytes, and a file may have ${maxBytes}; name a smaller file with the part that matters`,
  );
}
