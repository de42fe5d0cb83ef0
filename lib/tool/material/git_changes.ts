import { ExaiError } from "../../base/errors.ts";
import type { JsonObject } from "../../base/json.ts";
import { quoteName } from "../../base/text.ts";
import { MIB } from "../../base/units.ts";
import type { GitOutput, Repository, Workspace, WorkspaceEntry } from "../../workspace/workspace.ts";
import { type Attachment, hashOf } from "./attachment.ts";
import { whyNoDiff, whyNotShown } from "./change_filter.ts";
import { describeChange, describeUntracked, listChanges, type ListedChange } from "./change_list.ts";
import { type ChangedFile, parseChanges } from "./git_diff.ts";
import type { Omission } from "./left_out.ts";
import { MAX_DIFF_BYTES, readDiffs } from "./read_diffs.ts";

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

const MAX_LIST_BYTES = 8 * MIB;
const MAX_SUBMODULES = 20;
const MAX_REF_CHARS = 250;
const MAX_REASON_CHARS = 300;

const DIFF = ["diff", "--no-ext-diff", "--no-textconv", "--no-color", "--find-renames", "--relative"];

/** What a caller is told where nothing has changed. */
export const NO_CHANGES =
  "There are no such changes in the repository; compare_to (a branch, tag or commit) checks what was committed since.";

/** The changes as material for a model. */
interface ChangeMaterial {
  documents: readonly Attachment[];
  leftOut: readonly Omission[];
  /** Full paths of untracked files. */
  files: readonly string[];
}

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

  /** Lists the changed files with their line counts, in bounded space. */
  async summarize(): Promise<JsonObject> {
    const listed: ListedChange[] = [];
    let isCut = false;
    for (const range of this.#ranges) {
      const { files, cut } = await this.#changedIn(range);
      listed.push(...files.map((file) => describeChange(file, range.name)));
      isCut ||= cut;
    }
    const untracked = await this.#untrackedNames();
    listed.push(...untracked.names.map(describeUntracked));
    const branch = await this.#run(["rev-parse", "--abbrev-ref", "HEAD"], MAX_LIST_BYTES);
    return {
      repository: this.#entry.path,
      branch: branch.ok ? branch.stdout.trim() : "(no commit yet)",
      ...listChanges(listed),
      note: listed.length === 0 && !isCut ? NO_CHANGES : undefined,
      submodules_not_looked_at: this.#submodules(),
      incomplete: isCut || untracked.cut ? "git lists more than is read" : undefined,
    };
  }

  /** Returns the diffs, one text per file and range, what was left out of them, and the paths of untracked files. */
  async material(): Promise<ChangeMaterial> {
    const documents: Attachment[] = [];
    const leftOut: Omission[] = [];
    for (const range of this.#ranges) {
      const { files } = await this.#changedIn(range);
      const shown = files.filter((file) => {
        const why = whyNoDiff(file);
        if (why !== undefined) leftOut.push({ name: diffName(file.path, range), ...why });
        return why === undefined;
      });
      const diffs = await readDiffs(
        shown,
        (paths) => this.#mustRun([...DIFF, ...range.args, "--", ...paths], MAX_DIFF_BYTES),
      );
      for (const [path, diff] of diffs) {
        const name = diffName(path, range);
        if ("reason" in diff) leftOut.push({ name, ...diff });
        else documents.push({ name, text: diff.text, hash: await hashOf(`${range.name}\n${diff.text}`) });
      }
    }
    for (const name of this.#submodules() ?? []) {
      leftOut.push({
        name,
        reason: "a submodule: for the changes within it name it in path",
        kind: "skipped",
      });
    }
    const untracked = await this.#untrackedNames();
    return { documents, leftOut, files: this.#foundIn(untracked.names, leftOut) };
  }

  /** The first submodules in the work tree; undefined when it is not looked at, or has none. */
  #submodules(): string[] | undefined {
    const { submodules } = this.#repository;
    return this.#includesUntracked && submodules.length > 0 ? submodules.slice(0, MAX_SUBMODULES) : undefined;
  }

  /** The full paths of the untracked files worth reading. The others are added to `leftOut`. */
  #foundIn(names: readonly string[], leftOut: Omission[]): string[] {
    const found: string[] = [];
    for (const name of names) {
      const why = whyNotShown(name);
      if (why === undefined) found.push(`${this.#entry.path}/${name}`);
      else leftOut.push({ name: `${name} (untracked)`, ...why });
    }
    return found;
  }

  async #changedIn({ name, args }: Range): Promise<{ files: ChangedFile[]; cut: boolean }> {
    const list = [...DIFF, "--raw", "--numstat", "-z", ...args, "--", "."];
    const { stdout, cut } = await this.#mustRun(list, MAX_LIST_BYTES);
    const files = parseChanges(stdout);
    // Both sets name a file in conflict; the difference is in the unstaged one.
    const isNamedTwice = name === "staged" && this.#ranges.some((range) => range.name === "unstaged");
    return { files: isNamedTwice ? files.filter(({ status }) => status !== "conflict") : files, cut };
  }

  async #untrackedNames(): Promise<{ names: string[]; cut: boolean }> {
    if (!this.#includesUntracked) return { names: [], cut: false };
    const args = ["ls-files", "-z", "--others", "--exclude-standard", "--", "."];
    const { stdout, cut } = await this.#mustRun(args, MAX_LIST_BYTES);
    // The last one ends with NUL too, unless it was cut off.
    return { names: stdout.split("\0").slice(0, -1).sort(byDepth), cut };
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

/** Files near the top first: of thousands, those deep down are rather the work of programs. */
function byDepth(a: string, b: string): number {
  return a.split("/").length - b.split("/").length || (a < b ? -1 : 1);
}

function diffName(path: string, { name }: Range): string {
  return `DIFF ${path} (${name})`;
}

function invalidField(field: string, value: string, problem: string): ExaiError {
  return new ExaiError("INVALID_PARAMS", `${field} ${quoteName(value)} ${problem}`);
}
