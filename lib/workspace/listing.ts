import { join } from "@std/path";
import { abortError } from "../base/abort.ts";
import type { Repository } from "./workspace.ts";

/** Directories of dependencies, build output, caches and the state of tools. */
const SKIPPED_DIRS: ReadonlySet<string> = new Set([
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

/** Binary and generated files, by the end of their name. */
const NO_SOURCE = new RegExp(
  String
    .raw`\.(?:png|jpe?g|gif|webp|bmp|ico|icns|tiff?|avif|heic|svgz|psd|mp[34]|m4[av]|wav|ogg|flac|webm|mov|avi|mkv|` +
    String
      .raw`pdf|docx?|xlsx?|pptx?|odt|ods|zip|gz|tgz|bz2|xz|zst|7z|rar|tar|jar|war|class|o|a|so|dylib|dll|exe|bin|` +
    String.raw`wasm|pyc|pyo|node|db|sqlite3?|woff2?|ttf|otf|eot|min\.js|min\.css|map|lock)$`,
  "i",
);

/** Files that usually hold secrets. They are not listed, but can be read by name. */
const SECRET =
  /(?:^|[/\\])(?:\.env(?!\.(?:example|sample|template)$)[^/\\]*|\.netrc|\.npmrc|\.pypirc|id_[a-z0-9]+|[^/\\]*\.(?:pem|key|p12|pfx|jks|keystore))$/i;

const MAX_LIST_BYTES = 8_000_000;
/** Most entries that {@linkcode listTree} reads. */
const MAX_ENTRIES = 20_000;
const MAX_DEPTH = 20;

/** Whether a listed file is shown to a model; `path` is relative to the listed directory. */
export function isWorthReading(path: string): boolean {
  if (NO_SOURCE.test(path) || SECRET.test(path)) return false;
  return !path.split(/[/\\]/).slice(0, -1).some((part) => SKIPPED_DIRS.has(part));
}

interface TrackedOptions {
  /** Opens the repository that contains the directory. */
  open(): Promise<Repository | undefined>;
  signal: AbortSignal;
}

/**
 * The files below `dir` that git tracks, or that are untracked and not ignored, absolute; undefined when there is no
 * usable repository.
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
    // The last name ends with NUL too, unless it was cut off. A file in conflict is listed once for each stage.
    const names = new Set(stdout.split("\0").slice(0, -1));
    return names.size === 0 && !cut ? undefined : [...names].map((name) => join(dir, name));
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    return undefined;
  }
}

/** The files below `dir`, absolute, breadth first. Symbolic links are not followed. */
export async function listTree(dir: string, signal: AbortSignal): Promise<string[]> {
  const files: string[] = [];
  let level = [dir];
  let seen = 0;
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const next: string[] = [];
    for (const parent of level) {
      if (signal.aborted) throw abortError(signal);
      try {
        for await (const entry of Deno.readDir(parent)) {
          if (++seen > MAX_ENTRIES) return files;
          const path = join(parent, entry.name);
          if (entry.isFile) files.push(path);
          else if (entry.isDirectory && !SKIPPED_DIRS.has(entry.name)) next.push(path);
        }
      } catch {
        // A directory that cannot be listed is skipped.
      }
    }
    level = next;
  }
  return files;
}
