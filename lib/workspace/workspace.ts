import type { Whereabouts } from "../call/call.ts";

/** Largest file that is read, in bytes. */
export const MAX_FILE_BYTES = 1_000_000;

/** Something in the caller's directories that may be read. */
export interface WorkspaceEntry {
  /** Absolute, with every symbolic link resolved. */
  path: string;
  /** For people and models: relative to the working directory where it lies in it, with `/`. */
  shownAs: string;
  kind: "file" | "directory";
  sizeBytes: number;
  /** Milliseconds since 1970. */
  modifiedAtMs: number;
}

export interface WalkOptions {
  /** Files given at most. */
  maxFiles: number;
  signal: AbortSignal;
}

/** What {@linkcode Workspace.walk} found. */
export interface Walked {
  /** Last changed first. */
  files: readonly WorkspaceEntry[];
  /** Whether there were more than were wanted. */
  more: boolean;
}

export interface GitOptions {
  signal: AbortSignal;
  /** What is read of the output, in bytes; the rest is dropped. */
  maxBytes: number;
}

/** How a run of git ended. */
export interface GitOutput {
  ok: boolean;
  stdout: string;
  stderr: string;
  /** Whether there was more output than was wanted. */
  cut: boolean;
}

/** A git repository for looking. Nothing it says is run, and nothing is written. */
export interface Repository extends AsyncDisposable {
  /**
   * Runs git in the directory it was opened for, without a shell. Everything in `args` is git's own or checked by the
   * caller.
   *
   * @throws {ExaiError} `TIMEOUT`; `UPSTREAM_UNAVAILABLE` when git cannot be run; the reason `options.signal` was
   * aborted with
   */
  run(args: readonly string[], options: GitOptions): Promise<GitOutput>;
}

/**
 * Files and git as far as one session may see them: its working directory, its roots and `EXAI_ALLOWED_DIRS`, each
 * after its symbolic links are resolved.
 */
export interface Workspace {
  /**
   * What `path` leads to: absolute, relative to the working directory, or a `file:` URI.
   *
   * @throws {ExaiError} `FORBIDDEN` when it leads out of the allowed directories, `RESOURCE_NOT_FOUND` when there is
   * nothing, `INVALID_PARAMS` when it is neither file nor directory
   */
  find(path: string): Promise<WorkspaceEntry>;
  /** The text files below `directory` that are worth reading: what git ignores, builds and secrets are left out. */
  walk(directory: WorkspaceEntry, options: WalkOptions): Promise<Walked>;
  /**
   * The content of a file that {@linkcode find} or {@linkcode walk} gave.
   *
   * @throws {ExaiError} `FORBIDDEN` when it has been replaced by a way out since, `TOO_LARGE` beyond `maxBytes`
   */
  read(file: WorkspaceEntry, options: { maxBytes: number }): Promise<Uint8Array>;
  /**
   * The git repository `directory` lies in, undefined where it lies in none.
   *
   * @throws {ExaiError} `FORBIDDEN` when the repository is outside of what the session may see, `INVALID_PARAMS` when
   * it is damaged, `UPSTREAM_UNAVAILABLE` when git cannot be run; the reason `signal` was aborted with
   */
  openRepository(directory: WorkspaceEntry, signal: AbortSignal): Promise<Repository | undefined>;
}

/** Opens the workspace of one session. Costs nothing until it is used. */
export type OpenWorkspace = (caller: Whereabouts) => Workspace;
