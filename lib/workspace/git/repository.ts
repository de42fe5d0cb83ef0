import { Buffer } from "node:buffer";
import { isAbsolute, join, relative, SEPARATOR } from "@std/path";
import { isWithin } from "../../base/directories.ts";
import { ExaiError } from "../../base/errors.ts";
import { foreignOnWindows } from "../../base/file_uri.ts";
import { MIB } from "../../base/units.ts";
import type { GitOptions, GitOutput, Repository } from "../workspace.ts";
import type { PathBoundary } from "../boundary.ts";
import {
  type ConfigEntry,
  lastValue,
  parseEntries,
  renderConfig,
  repositoryValues,
  userValues,
} from "./config_values.ts";
import { unusable } from "./git_guard.ts";
import { gitEnvironment, PRIVATE_CONFIG, userEnvironment } from "./hardening.ts";
import { DirectoryInspector } from "./inspect.ts";
import { checkOwner, locate, type RepositoryLocation } from "./locate.ts";
import { type BorrowedPaths, fillPrivateDir } from "./private_dir.ts";
import { runGit } from "./run.ts";
import { checkSubmodules, LIST_STAGED, MAX_STAGED_BYTES } from "./submodules.ts";

interface OpenOptions {
  boundary: PathBoundary;
  signal: AbortSignal;
  timeoutMs: number;
  /** Directory for private git directories; the system's temporary directory by default. */
  privateDirs?: string;
}

interface ConfigOptions {
  env: Record<string, string>;
  signal: AbortSignal;
  stdin?: Uint8Array;
  /** The owner of the configuration, for messages: "the repository's". */
  whose: string;
}

const MAX_CONFIG_BYTES = MIB;
const NEWLINE = new Uint8Array([10]);

/**
 * Opens the repository that contains the real path `dir`; undefined when there is none. Dispose removes its private git
 * directory.
 *
 * @throws {ExaiError} `FORBIDDEN` when a part of it is outside the session's directories or another user owns it,
 * `INVALID_PARAMS` when it is damaged, `UPSTREAM_UNAVAILABLE` without git, `TIMEOUT`
 */
export async function openRepository(dir: string, options: OpenOptions): Promise<Repository | undefined> {
  const at = await locate(dir, options.boundary);
  if (at === undefined) return undefined;
  const privateDir = await makePrivateDir(options.privateDirs);
  try {
    const repository = new PrivateRepository(privateDir, at, options.timeoutMs);
    await repository.fill(options.signal);
    await repository.openAt(dir, options.signal);
    return repository;
  } catch (thrown) {
    await remove(privateDir);
    throw thrown;
  }
}

async function makePrivateDir(dir: string | undefined): Promise<string> {
  if (dir !== undefined) await Deno.mkdir(dir, { recursive: true, mode: 0o700 });
  return await Deno.makeTempDir({ dir, prefix: "exai-git-" });
}

/** A repository that git reads through a private git directory. */
class PrivateRepository implements Repository {
  readonly #dir: string;
  readonly #at: RepositoryLocation;
  readonly #timeoutMs: number;
  readonly #base = Deno.env.toObject();
  #cwd: string;
  #submodules: readonly string[] = [];
  #env: Record<string, string>;

  constructor(dir: string, at: RepositoryLocation, timeoutMs: number) {
    this.#dir = dir;
    this.#at = at;
    this.#timeoutMs = timeoutMs;
    this.#cwd = dir;
    this.#env = gitEnvironment(dir, this.#base);
  }

  get submodules(): readonly string[] {
    return this.#submodules;
  }

  run(args: readonly string[], options: GitOptions): Promise<GitOutput> {
    return runGit(args, { cwd: this.#cwd, env: this.#env, timeoutMs: this.#timeoutMs }, options);
  }

  /** Fills the private git directory. */
  async fill(signal: AbortSignal): Promise<void> {
    const [repository, user] = await Promise.all([this.#repositoryConfig(signal), this.#userConfig(signal)]);
    const home = this.#base.HOME ?? "";
    const trusted = user.filter(([key]) => key === "safe.directory").map(([, value]) =>
      value.startsWith("~/") ? join(home, value.slice(2)) : value
    );
    await checkOwner(this.#at, trusted);
    if (isBare(repository, this.#at)) {
      throw new ExaiError(
        "INVALID_PARAMS",
        `the repository ${this.#at.gitDir} is bare (core.bare), so it has no work tree; name a clone of it, or a work ` +
          "tree made with git worktree add",
      );
    }
    await this.#checkWorkTree(lastValue(repository, "core.worktree"));
    const borrowed = await fillPrivateDir(
      this.#dir,
      this.#at,
      new DirectoryInspector(this.#at.guard, signal),
    );
    const config = [...userValues(user, this.#base), ...repositoryValues(repository), ...PRIVATE_CONFIG];
    await Deno.writeTextFile(join(this.#dir, "config"), renderConfig(config));
    this.#use(borrowed);
  }

  /**
   * Sets the working directory of runs to `dir`. A repository above the session's directory may be used only if it
   * tracks a file there: a home directory that is a repository, for example, does not track a download in it.
   *
   * @throws {ExaiError} `FORBIDDEN` when it tracks none
   */
  async openAt(dir: string, signal: AbortSignal): Promise<void> {
    const { below, top } = this.#at;
    this.#cwd = top;
    const staged = await this.run(LIST_STAGED, { signal, maxBytes: MAX_STAGED_BYTES });
    if (staged.cut) throw unusable(top, "has too many files");
    // An unreadable index fails later runs too, which report it.
    const submodules = await checkSubmodules(staged.stdout, this.#at);
    this.#submodules = submodules.filter((path) => isWithin(path, dir) && path !== dir)
      .map((path) => relative(dir, path).replaceAll(SEPARATOR, "/"));
    this.#cwd = dir;
    if (below === undefined) return;
    this.#cwd = below;
    const { ok, stdout } = await this.run(["ls-files", "-z", "--cached", "--", "."], {
      signal,
      maxBytes: 8192,
    });
    this.#cwd = dir;
    if (ok && stdout !== "") return;
    throw new ExaiError(
      "FORBIDDEN",
      `the git repository ${top} lies above this session's directory ${below} and tracks nothing in it; run git ` +
        `init there, or name ${top} in EXAI_ALLOWED_DIRS and restart the daemon`,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await remove(this.#dir);
  }

  #use({ objects, index }: BorrowedPaths): void {
    this.#env = {
      ...this.#env,
      GIT_WORK_TREE: this.#at.top,
      GIT_OBJECT_DIRECTORY: objects,
      GIT_INDEX_FILE: index,
    };
  }

  /** The configuration of the repository, without included files, which could be anywhere. */
  async #repositoryConfig(signal: AbortSignal): Promise<ConfigEntry[]> {
    const { gitDir, commonDir, guard } = this.#at;
    const files = [join(commonDir, "config"), join(gitDir, "config.worktree")];
    const texts = await Promise.all(files.map((file) => guard.bytes(file, MAX_CONFIG_BYTES)));
    const stdin = Buffer.concat(texts.flatMap((text) => text ? [text, NEWLINE] : []));
    const args = ["--file", "-", "--no-includes"];
    return await this.#listConfig(args, { env: this.#env, signal, stdin, whose: "the repository's" });
  }

  #userConfig(signal: AbortSignal): Promise<ConfigEntry[]> {
    const env = userEnvironment(this.#dir, this.#base);
    return this.#listConfig([], { env, signal, whose: "the user's or the system's" });
  }

  async #listConfig(
    args: readonly string[],
    { env, whose, ...options }: ConfigOptions,
  ): Promise<ConfigEntry[]> {
    const start = { cwd: this.#dir, env, timeoutMs: this.#timeoutMs };
    const more = { ...options, maxBytes: 4 * MAX_CONFIG_BYTES };
    const { ok, stdout, stderr, cut } = await runGit(["config", ...args, "--list", "-z"], start, more);
    if (ok && !cut) return parseEntries(stdout);
    const why = cut ? "it is too large" : stderr.trim().slice(0, 200);
    throw new ExaiError("INVALID_PARAMS", `git cannot read ${whose} configuration (${why}); correct it`);
  }

  /** Rejects `core.worktree` with another directory. A submodule's names the directory in which it was found. */
  async #checkWorkTree(named: string | undefined): Promise<void> {
    if (named === undefined) return;
    const { gitDir, top } = this.#at;
    const path = isAbsolute(named) ? named : join(gitDir, named);
    const isForeign = foreignOnWindows(path) !== undefined && foreignOnWindows(top) === undefined;
    if (!isForeign && await Deno.realPath(path).catch(() => undefined) === top) return;
    throw new ExaiError(
      "FORBIDDEN",
      `the repository ${top} sets core.worktree to another directory than the one it lies in, which is not followed; ` +
        "use git worktree add, or remove the setting",
    );
  }
}

function isBare(config: readonly ConfigEntry[], { gitDir, commonDir }: RepositoryLocation): boolean {
  // A linked work tree may belong to a bare repository.
  return gitDir === commonDir && /^(?:true|yes|on|1)$/i.test(lastValue(config, "core.bare") ?? "");
}

async function remove(dir: string): Promise<void> {
  // Does not follow links.
  await Deno.remove(dir, { recursive: true }).catch(() => {});
}
