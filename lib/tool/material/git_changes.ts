import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { quoteName } from "../../base/text.ts";
import { MIB } from "../../base/units.ts";
import type { GitOutput, Repository, Workspace, WorkspaceEntry } from "../../workspace/workspace.ts";
import { type Attachment, hashOf } from "./attachment.ts";

/** Which changes of a repository to collect. */
interface ChangeQuery {
  /** The repository, or a directory in it to restrict the changes to. */
  path: string;
  /** A commit, branch or tag: includes the commits since the merge base. */
  compareTo?: string;
  staged: boolean;
  unstaged: boolean;
}

interface ChangeOptions {
  workspace: Workspace;
  signal: AbortSignal;
}

/** One set of changes. */
interface Range {
  name: "committed" | "staged" | "unstaged";
  /** For `git diff`. */
  args: readonly string[];
}

const MAX_DIFF_BYTES = 4 * MIB;
const MAX_LIST_BYTES = MIB;
const MAX_REF_CHARS = 250;
const MAX_REASON_CHARS = 300;

const DIFF = ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", "--relative"];

/** The changes of one repository below one directory. */
export class GitChanges implements AsyncDisposable {
  readonly #repository: Repository;
  readonly #entry: WorkspaceEntry;
  readonly #ranges: readonly Range[];
  readonly #includesUntracked: boolean;
  readonly #signal: AbortSignal;

  private constructor(
    found: { repository: Repository; entry: WorkspaceEntry; ranges: Range[] },
    query: ChangeQuery,
    signal: AbortSignal,
  ) {
    this.#repository = found.repository;
    this.#entry = found.entry;
    this.#ranges = found.ranges;
    this.#includesUntracked = query.unstaged;
    this.#signal = signal;
  }

  /**
   * Opens the repository and resolves the commit to compare with.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when there is no repository or no such commit; what {@linkcode Workspace}
   * throws
   */
  static async open(query: ChangeQuery, options: ChangeOptions): Promise<GitChanges> {
    const entry = await options.workspace.find(query.path);
    if (entry.kind !== "directory") {
      throw invalidField("path", query.path, "is a file; name the repository's directory");
    }
    const { signal } = options;
    const repository = await options.workspace.openRepository(entry, signal);
    if (repository === undefined) {
      throw invalidField(
        "path",
        query.path,
        "is in no git work tree; name the repository, or run git init there",
      );
    }
    try {
      const ranges = await rangesOf(
        query,
        (args) => repository.run(args, { signal, maxBytes: MAX_LIST_BYTES }),
      );
      return new GitChanges({ repository, entry, ranges }, query, signal);
    } catch (thrown) {
      await repository[Symbol.asyncDispose]();
      throw thrown;
    }
  }

  /** Lists the changed files with their line counts. */
  async summarize(): Promise<JsonObject> {
    const files: JsonObject[] = [];
    for (const { name, args } of this.#ranges) {
      const { stdout } = await this.#mustRun([...DIFF, "--numstat", ...args, "--", "."], MAX_LIST_BYTES);
      for (const line of stdout.split("\n")) {
        const [added, removed, path] = line.split("\t");
        if (path !== undefined) {
          files.push({ path, in: name, added: parseCount(added), removed: parseCount(removed) });
        }
      }
    }
    for (const path of await this.#untrackedNames()) files.push({ path, in: "untracked" });
    const branch = await this.#run(["rev-parse", "--abbrev-ref", "HEAD"], MAX_LIST_BYTES);
    return {
      repository: this.#entry.path,
      branch: branch.ok ? branch.stdout.trim() : "(no commit yet)",
      files,
    };
  }

  /** Returns the diffs, one text per file and range. */
  async diffs(): Promise<Attachment[]> {
    const texts: Attachment[] = [];
    for (const { name, args } of this.#ranges) {
      const { stdout, cut } = await this.#mustRun([...DIFF, ...args, "--", "."], MAX_DIFF_BYTES);
      for (const [index, text] of splitDiff(stdout).entries()) {
        const path = /^diff --git a\/(.*?) b\//.exec(text)?.[1] ?? `part ${index + 1}`;
        texts.push({ name: `DIFF ${path} (${name})`, text, hash: await hashOf(`${name}\n${text}`) });
      }
      if (cut) {
        const text = `The ${name} diff is larger than ${MAX_DIFF_BYTES} bytes; its end is missing.`;
        texts.push({ name: `NOTE on ${name}`, text, hash: await hashOf(text) });
      }
    }
    return texts;
  }

  /** Returns the full paths of the untracked files that are not ignored. */
  async untracked(): Promise<string[]> {
    return (await this.#untrackedNames()).map((name) => `${this.#entry.path}/${name}`);
  }

  async #untrackedNames(): Promise<string[]> {
    if (!this.#includesUntracked) return [];
    const args = ["ls-files", "-z", "--others", "--exclude-standard", "--", "."];
    const { stdout } = await this.#mustRun(args, MAX_LIST_BYTES);
    return stdout.split("\0").filter((name) => name !== "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#repository[Symbol.asyncDispose]();
  }

  #run(args: readonly string[], maxBytes: number): Promise<GitOutput> {
    return this.#repository.run(args, { signal: this.#signal, maxBytes });
  }

  /** Like {@linkcode #run}, but throws on failure, which must not look like an empty diff. */
  async #mustRun(args: readonly string[], maxBytes: number): Promise<GitOutput> {
    const output = await this.#run(args, maxBytes);
    if (output.ok) return output;
    throw new ExaiError(
      "INVALID_PARAMS",
      `git ${args[0]} failed in this repository: ${reasonIn(output.stderr)}`,
    );
  }
}

async function rangesOf(query: ChangeQuery, git: Git): Promise<Range[]> {
  const since = query.compareTo === undefined ? undefined : await findCommit(query.compareTo, git);
  const ranges: Range[] = [];
  if (since !== undefined) ranges.push({ name: "committed", args: [await mergeBase(since, git), "HEAD"] });
  if (query.staged) ranges.push({ name: "staged", args: ["--cached"] });
  // Otherwise git opens the repositories of submodules.
  if (query.unstaged) ranges.push({ name: "unstaged", args: ["--ignore-submodules=all"] });
  return ranges;
}

/**
 * Quotes git's error, with advice for missing objects of a partial clone. git exits with 128 for all of these errors,
 * so the wording decides.
 */
function reasonIn(stderr: string): string {
  // An error about the configuration may quote a secret value.
  if (/config/i.test(stderr)) return "a configuration cannot be read; run the command there yourself";
  const quoted = stderr.trim().split("\n").slice(0, 3).join("; ").slice(0, MAX_REASON_CHARS);
  const isMissing = /unable to read|bad object|missing|could not get object/i.test(stderr);
  return isMissing
    ? `${quoted}; nothing is fetched here: run git fetch or git diff there yourself first`
    : quoted;
}

type Git = (args: readonly string[]) => Promise<GitOutput>;

/** Resolves `ref` to the full name of a commit. Rejects a leading "-", which git would take for an option. */
async function findCommit(ref: string, git: Git): Promise<string> {
  const advice = "give a branch, a tag or a commit";
  // deno-lint-ignore no-control-regex -- no name of a commit has one
  if (ref.startsWith("-") || ref.length > MAX_REF_CHARS || /[\x00-\x20\x7f]/.test(ref)) {
    throw invalidField("compare_to", ref, `is no name of a commit; ${advice}`);
  }
  const { ok, stdout } = await git(["rev-parse", "--verify", "--quiet", `${ref}^{commit}`]);
  const commit = stdout.trim();
  if (ok && /^[0-9a-f]{40,64}$/.test(commit)) return commit;
  throw invalidField("compare_to", ref, `is not in this repository; ${advice} that it has`);
}

/** Returns the merge base of `commit` and HEAD, or `commit` if there is none. */
async function mergeBase(commit: string, git: Git): Promise<string> {
  const { ok, stdout } = await git(["merge-base", commit, "HEAD"]);
  return ok ? stdout.trim() : commit;
}

function splitDiff(diff: string): string[] {
  return diff.split(/^(?=diff --git )/m).filter((part) => part.trim() !== "");
}

/** Parses a line count of `--numstat`; undefined for binary files. */
function parseCount(text: string | undefined): number | undefined {
  return text === undefined || text === "-" ? undefined : Number(text);
}

function invalidField(field: string, value: string, problem: string): ExaiError {
  return new ExaiError("INVALID_PARAMS", `${field} ${quoteName(value)} ${problem}`);
}
