import { join } from "@std/path";
import type { Repository } from "./workspace.ts";

/** Directories that hold what others made: dependencies, builds, caches, the insides of tools. */
export const SKIPPED_DIRS: ReadonlySet<string> = new Set([
  ".git",
  ".hg",
  ".svn",
  "node_modules",
  "bower_components",
  "vendor",
  "dist",
  "build",
  "out",
  "target",
  "coverage",
  ".next",
  ".nuxt",
  ".cache",
  ".venv",
  "venv",
  "__pycache__",
  ".mypy_cache",
  ".pytest_cache",
  ".tox",
  ".gradle",
  ".terraform",
  ".idea",
  ".ssh",
  ".gnupg",
  ".aws",
]);

/** Files that are no text, or text that nobody wrote, by the end of their name. */
const NO_TEXT = new RegExp(
  String
    .raw`\.(?:png|jpe?g|gif|webp|bmp|ico|icns|tiff?|avif|heic|svgz|psd|mp[34]|m4[av]|wav|ogg|flac|webm|mov|avi|mkv|` +
    String
      .raw`pdf|docx?|xlsx?|pptx?|odt|ods|zip|gz|tgz|bz2|xz|zst|7z|rar|tar|jar|war|class|o|a|so|dylib|dll|exe|bin|` +
    String.raw`wasm|pyc|pyo|node|db|sqlite3?|woff2?|ttf|otf|eot|min\.js|min\.css|map|lock)$`,
  "i",
);

/** Files that hold secrets as a rule; named by itself, each can still be read. */
const SECRET =
  /(?:^|[/\\])(?:\.env(?!\.(?:example|sample|template)$)[^/\\]*|\.netrc|\.npmrc|\.pypirc|id_[a-z0-9]+|[^/\\]*\.(?:pem|key|p12|pfx|jks|keystore))$/i;

const MAX_LIST_BYTES = 8_000_000;

/** Whether a file that nobody named belongs in what a model is shown; `way` leads to it from where the search began. */
export function worthReading(way: string): boolean {
  if (NO_TEXT.test(way) || SECRET.test(way)) return false;
  return !way.split(/[/\\]/).slice(0, -1).some((part) => SKIPPED_DIRS.has(part));
}

interface TrackedOptions {
  /** Opens the repository that the directory lies in. */
  open(): Promise<Repository | undefined>;
  signal: AbortSignal;
}

/**
 * The files below `dir` that git tracks or would offer to track, absolute; undefined where there is no repository, or
 * none that may be used.
 */
export async function listTracked(
  dir: string,
  { open, signal }: TrackedOptions,
): Promise<string[] | undefined> {
  const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
  try {
    await using repository = await open();
    if (repository === undefined) return undefined;
    const { ok, stdout, cut } = await repository.run(args, { signal, maxBytes: MAX_LIST_BYTES });
    if (!ok) return undefined;
    // The last one ends with NUL too, unless it was cut off. A file in conflict is named once for each side.
    const names = new Set(stdout.split("\0").slice(0, -1));
    return names.size === 0 && !cut ? undefined : [...names].map((name) => join(dir, name));
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return undefined;
  }
}
