import type { Whereabouts } from "../call/call.ts";

/** Largest file that is read, in bytes. */
export const MAX_FILE_BYTES = 1_000_000;

/** A file or directory that the caller may read. */
export interface WorkspaceEntry {
  /** Absolute, with every symbolic link resolved. */
  path: string;
  /** For people and models: relative to the working directory if it lies there, with `/`. */
  shownAs: string;
  kind: "file" | "directory";
  sizeBytes: number;
  /** Milliseconds since 1970. */
  modifiedAtMs: number;
}

export interface WalkOptions {
  /** Most files in the result. */
  maxFiles: number;
  signal: AbortSignal;
}

/** Why a file or a directory is left out. */
export interface WhySkipped {
  reason: string;
  /** Secrets are the more important to name. */
  kind: "secret" | "skipped";
}

/** What {@linkcode Workspace.walk} left out for one reason. */
export interface Skipped extends WhySkipped {
  count: number;
  /** The first few, as {@linkcode WorkspaceEntry.shownAs}. */
  examples: readonly string[];
}

/** The result of {@linkcode Workspace.walk}. */
export interface WalkResult {
  /** Last changed first. */
  files: readonly WorkspaceEntry[];
  /** Whether there are more than `maxFiles`. */
  more: boolean;
  skipped: readonly Skipped[];
}

export interface GitOptions {
  signal: AbortSignal;
  /** Limit of the output, in bytes; the rest is dropped. */
  maxBytes: number;
}

/** The result of a run of git. */
export interface GitOutput {
  ok: boolean;
  /** The output read as UTF-8. */
  readonly stdout: string;
  /** The output as it is: a diff has the encodings of its files. */
  bytes: Uint8Array;
  stderr: string;
  /** Whether output beyond `maxBytes` was dropped. */
  cut: boolean;
}

/** Read-only access to a git repository. No program that it names is run, and nothing in it is written. */
export interface Repository extends AsyncDisposable {
  /**
   * The submodules below the directory it was opened for, relative to that, with `/`. Changes within them are not looked
   * at.
   */
  readonly submodules: readonly string[];
  /**
   * Runs git in the directory the repository was opened for, without a shell. The caller has checked `args`.
   *
   * @throws {ExaiError} `TIMEOUT`; `UPSTREAM_UNAVAILABLE` when git cannot be run; the abort reason of `options.signal`
   */
  run(args: readonly string[], options: GitOptions): Promise<GitOutput>;
}

/**
 * The files and the git repositories that one session may read: those in its working directory, its roots and
 * `EXAI_ALLOWED_DIRS`, after symbolic links are resolved.
 */
export interface Workspace {
  /**
   * The file or directory at `path`: absolute, relative to the working directory, or a `file:` URI.
   *
   * @throws {ExaiError} `FORBIDDEN` when it is outside the allowed directories, `RESOURCE_NOT_FOUND` when it does not
   * exist, `INVALID_PARAMS` when it is neither a file nor a directory
   */
  find(path: string): Promise<WorkspaceEntry>;
  /**
   * The text files below `directory`, without files that git ignores, build output, secrets, and repositories within
   * (submodules).
   */
  walk(directory: WorkspaceEntry, options: WalkOptions): Promise<WalkResult>;
  /**
   * The content of a file from {@linkcode find} or {@linkcode walk}.
   *
   * @throws {ExaiError} `FORBIDDEN` when it was replaced since, `TOO_LARGE` beyond `maxBytes`
   */
  read(file: WorkspaceEntry, options: { maxBytes: number }): Promise<Uint8Array>;
  /**
   * The git repository that contains `directory`; undefined when there is none.
   *
   * @throws {ExaiError} `FORBIDDEN` when a part of the repository is outside the allowed directories, `INVALID_PARAMS`
   * when it is damaged, `UPSTREAM_UNAVAILABLE` when git cannot be run; the abort reason of `signal`
   */
  openRepository(directory: WorkspaceEntry, signal: AbortSignal): Promise<Repository | undefined>;
}

/** Opens the workspace of one session. The file system is not read until it is used. */
export type OpenWorkspace = (caller: Whereabouts) => Workspace;
