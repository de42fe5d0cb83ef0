import { Buffer } from "node:buffer";
import { isAbsolute, join } from "@std/path";
import { ExaiError } from "../../base/errors.ts";
import { MIB } from "../../base/units.ts";
import type { GitOptions, GitOutput, Repository } from "../workspace.ts";
import type { Boundary } from "../boundary.ts";
import {
  type ConfigEntry,
  lastValue,
  parseEntries,
  renderConfig,
  repositoryValues,
  userValues,
} from "./config_values.ts";
import { unusable } from "./guard.ts";
import { gitEnvironment, PRIVATE_CONFIG, userEnvironment } from "./hardening.ts";
import { Inspector } from "./inspect.ts";
import { checkOwner, locate, type RepositoryLocation } from "./locate.ts";
import { type Borrowed, fillPrivateDir } from "./private_dir.ts";
import { runGit } from "./run.ts";
import { checkSubmodules, LIST_STAGED, MAX_STAGED_BYTES } from "./submodules.ts";

interface OpenOptions {
  boundary: Boundary;
  signal: AbortSignal;
  timeoutMs: number;
  /** Where the private git directory is made; left out: where the system has its temporary files. */
  privateDirs?: string;
}

interface RepositoryOptions {
  env: Record<string, string>;
  signal: AbortSignal;
  stdin?: Uint8Array;
  /** For messages. */
  whose: string;
}

const MAX_CONFIG_BYTES = MIB;
const NEWLINE = new Uint8Array([10]);

/**
 * The repository that the real path `dir` lies in, undefined where it lies in none. It is gone with `await using`.
 *
 * @throws {ExaiError} `FORBIDDEN` when a part of it lies outside the session's directories or another user owns it,
 * `INVALID_PARAMS` when it is not as git makes it, `UPSTREAM_UNAVAILABLE` without git, `TIMEOUT`
 */
export async function openRepository(dir: string, options: OpenOptions): Promise<Repository | undefined> {
  const at = await locate(dir, options.boundary);
  if (at === undefined) return undefined;
  const privateDir = await makePrivateDir(options.privateDirs);
  try {
    const repository = new PrivateRepository(privateDir, at, options.timeoutMs);
    if (!await repository.fill(options.signal)) {
      await repository[Symbol.asyncDispose]();
      return undefined;
    }
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

/** A repository as git sees it through a private git directory. */
class PrivateRepository implements Repository {
  readonly #dir: string;
  readonly #at: RepositoryLocation;
  readonly #timeoutMs: number;
  readonly #base = Deno.env.toObject();
  #cwd: string;
  #env: Record<string, string>;

  constructor(dir: string, at: RepositoryLocation, timeoutMs: number) {
    this.#dir = dir;
    this.#at = at;
    this.#timeoutMs = timeoutMs;
    this.#cwd = dir;
    this.#env = gitEnvironment(dir, this.#base);
  }

  run(args: readonly string[], options: GitOptions): Promise<GitOutput> {
    return runGit(args, { cwd: this.#cwd, env: this.#env, timeoutMs: this.#timeoutMs }, options);
  }

  /** Makes the private git directory. False where the repository has no work tree. */
  async fill(signal: AbortSignal): Promise<boolean> {
    const [repository, user] = await Promise.all([this.#repositoryConfig(signal), this.#userConfig(signal)]);
    await checkOwner(this.#at, user.filter(([key]) => key === "safe.directory").map(([, value]) => value));
    if (isBare(repository, this.#at)) return false;
    await this.#checkWorkTree(lastValue(repository, "core.worktree"));
    const borrowed = await fillPrivateDir(this.#dir, this.#at, new Inspector(this.#at.guard, signal));
    const config = [...userValues(user, this.#base), ...repositoryValues(repository), ...PRIVATE_CONFIG];
    await Deno.writeTextFile(join(this.#dir, "config"), renderConfig(config));
    this.#use(borrowed);
    return true;
  }

  /**
   * Lets runs begin in `dir`. A repository above the session's directory is the session's own only if it tracks
   * something there: a home directory that is a repository, for one, has nothing to do with a download in it.
   */
  async openAt(dir: string, signal: AbortSignal): Promise<void> {
    const { below, top } = this.#at;
    this.#cwd = top;
    const staged = await this.run(LIST_STAGED, { signal, maxBytes: MAX_STAGED_BYTES });
    if (staged.cut) throw unusable(top, "has too many files");
    // An index that cannot be read fails later runs too, and they say why.
    await checkSubmodules(staged.stdout, this.#at);
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

  #use({ objects, index }: Borrowed): void {
    this.#env = {
      ...this.#env,
      GIT_WORK_TREE: this.#at.top,
      GIT_OBJECT_DIRECTORY: objects,
      GIT_INDEX_FILE: index,
    };
  }

  /** What the repository's own files say, without the files they include: those could lie anywhere. */
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
    { env, whose, ...options }: RepositoryOptions,
  ): Promise<ConfigEntry[]> {
    const start = { cwd: this.#dir, env, timeoutMs: this.#timeoutMs };
    const more = { ...options, maxBytes: 4 * MAX_CONFIG_BYTES };
    const { ok, stdout, stderr, cut } = await runGit(["config", ...args, "--list", "-z"], start, more);
    if (ok && !cut) return parseEntries(stdout);
    const why = cut ? "it is too large" : stderr.trim().slice(0, 200);
    throw new ExaiError("INVALID_PARAMS", `git cannot read ${whose} configuration (${why}); correct it`);
  }

  /** `core.worktree` could make any directory the work tree. A submodule's leads back to where it was found. */
  async #checkWorkTree(named: string | undefined): Promise<void> {
    if (named === undefined) return;
    const { gitDir, top } = this.#at;
    const real = await Deno.realPath(join(isAbsolute(named) ? "" : gitDir, named)).catch(() => undefined);
    if (real === top) return;
    throw new ExaiError(
      "FORBIDDEN",
      `the repository ${top} sets core.worktree to another directory than the one it lies in, which is not followed; ` +
        "use git worktree add, or remove the setting",
    );
  }
}

function isBare(config: readonly ConfigEntry[], { gitDir, commonDir }: RepositoryLocation): boolean {
  // Linked work trees may belong to a repository that has none of its own.
  return gitDir === commonDir && /^(?:true|yes|on|1)$/i.test(lastValue(config, "core.bare") ?? "");
}

async function remove(dir: string): Promise<void> {
  // Links are removed, not followed.
  await Deno.remove(dir, { recursive: true }).catch(() => {});
}
