import { fromFileUrl } from "@std/path";

/** Which source a program is built from. */
export interface SourceStamp {
  commit: string;
  /** When the commit was made, as `2026-11-27T16:00:00Z`. */
  committedAt: string;
  /** The URL that says which release is the newest; empty or undefined where there is none. */
  releases?: string;
}

const PLACES: Readonly<Record<string, keyof SourceStamp>> = {
  "@exai-commit@": "commit",
  "@exai-commit-date@": "committedAt",
  "@exai-releases@": "releases",
};

/**
 * The commit that is checked out; `-modified` follows it where tracked files differ from it. Undefined where there is no
 * repository, as in an archive of the source.
 */
export async function sourceStamp(): Promise<SourceStamp | undefined> {
  const found = await git("show", "--no-patch", "--format=%H %ct", "HEAD");
  if (found === undefined) return undefined;
  const [commit, seconds] = found.split(" ");
  const isModified = await git("status", "--porcelain", "--untracked-files=no") !== "";
  return {
    commit: isModified ? `${commit}-modified` : commit!,
    committedAt: new Date(Number(seconds) * 1000).toISOString().replace(".000Z", "Z"),
  };
}

async function git(...args: string[]): Promise<string | undefined> {
  const cwd = fromFileUrl(new URL("../..", import.meta.url));
  const command = new Deno.Command("git", { args, cwd, stdin: "null", stderr: "null" });
  try {
    const { success, stdout } = await command.output();
    return success ? new TextDecoder().decode(stdout).trim() : undefined;
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return undefined;
    throw thrown;
  }
}

/**
 * Writes into a bundled program, of which the version is in one of `files`, what it was built from (lib/base/version.ts).
 * Without a stamp it stays as it is, and says its version alone.
 *
 * @throws when none of the files has a place for it
 */
export async function stamp(files: readonly string[], built: SourceStamp | undefined): Promise<void> {
  if (built === undefined) return;
  let stamped = 0;
  for (const path of files) {
    const text = await Deno.readTextFile(path);
    if (!text.includes("@exai-commit@")) continue;
    const filled = Object.entries(PLACES).reduce(
      (text, [place, key]) => text.replaceAll(place, built[key] ?? ""),
      text,
    );
    await Deno.writeTextFile(path, filled);
    stamped++;
  }
  if (stamped === 0) {
    throw new Error(`no place for the commit in ${files[0]}: lib/base/version.ts was changed`);
  }
}
