import { join } from "@std/path";
import { quoteForShell } from "../base/text.ts";
import { fault, type Finding, type Repair, warning } from "./finding.ts";
import type { Installation } from "./installation.ts";
import { isThere } from "../config/path_kind.ts";

const OWNER_READS = 0o400;
const OWNER_WRITES = 0o200;
const OWNER_ENTERS = 0o100;
const ALL_BITS = 0o7777;
/** Files that are named in one line. */
const MAX_NAMED = 5;

interface OwnFileInfo {
  path: string;
  info: Deno.FileInfo;
  /** Whether EXAI itself writes it; the others it only reads. */
  isWritten: boolean;
}

/** Files of EXAI that its own user may not read or write, and settings that name files that are not there. */
export async function checkFiles(installation: Installation): Promise<Finding[]> {
  const missing = await missingFiles(installation);
  if (Deno.build.os === "windows") return missing;
  const files = await filesOf(installation);
  return [...missing, ...foreignFiles(files), ...lockedFiles(files)];
}

/** The state directory, what is in it and in its directories, and the files of configuration. */
async function filesOf({ paths }: Installation): Promise<OwnFileInfo[]> {
  const { home, logs, crashes, certs, config, settings, models, token } = paths;
  const written = [home, logs, crashes, ...await within([home, logs, crashes])];
  const read = new Set([config, settings, models, token, certs, ...await within([certs])]);
  const infos = await Promise.all(Array.from(new Set([...written, ...read]), async (path) => {
    const info = await Deno.lstat(path).catch(() => undefined);
    // A link has no rights of its own.
    return info === undefined || info.isSymlink ? [] : [{ path, info, isWritten: !read.has(path) }];
  }));
  return infos.flat();
}

async function within(dirs: readonly string[]): Promise<string[]> {
  const inside = await Promise.all(dirs.map(async (dir) => {
    const names = await Array.fromAsync(Deno.readDir(dir), ({ name }) => name).catch((): string[] => []);
    return names.map((name) => join(dir, name));
  }));
  return inside.flat();
}

/** What the daemon writes and another user owns; whose its settings are is another check's. */
function foreignFiles(files: readonly OwnFileInfo[]): Finding[] {
  const foreign = files.filter(({ info, isWritten }) =>
    isWritten && info.uid !== null && info.uid !== Deno.uid()
  );
  const [first] = foreign;
  if (first === undefined || first === files[0]) return [];
  return [fault(
    "files-foreign",
    `${foreign.length} of EXAI's files belong to user ${first.info.uid}, as after a start with sudo: ` +
      named(foreign),
    `make them yours: sudo chown -R ${Deno.uid()} ${quoted(foreign)}`,
  )];
}

/** Files whose owner has no right to them, as after a mistaken `chmod -R`. */
function lockedFiles(files: readonly OwnFileInfo[]): Finding[] {
  const locked = files.flatMap(({ path, info, isWritten }) => {
    if (info.uid !== Deno.uid() || info.mode === null) return [];
    const wanted = OWNER_READS | (isWritten ? OWNER_WRITES : 0) | (info.isDirectory ? OWNER_ENTERS : 0);
    return (info.mode & wanted) === wanted ? [] : [{ path, mode: (info.mode | wanted) & ALL_BITS }];
  });
  if (locked.length === 0) return [];
  const repairs = locked.map(({ path, mode }): Repair => ({ kind: "chmod", path, mode }));
  return [fault(
    "files-locked",
    `you may not read or write ${locked.length} of EXAI's own files: ${named(locked)}`,
    `chmod u+rwX ${quoted(locked)}`,
    ...repairs,
  )];
}

function named(files: readonly { path: string }[]): string {
  const shown = files.slice(0, MAX_NAMED).map(({ path }) => path).join(", ");
  return files.length > MAX_NAMED ? `${shown} and ${files.length - MAX_NAMED} more` : shown;
}

function quoted(files: readonly { path: string }[]): string {
  return files.slice(0, MAX_NAMED).map(({ path }) => quoteForShell(path)).join(" ");
}

/** A file that a setting names is meant to be there; the one in its usual place need not. */
async function missingFiles({ settings }: Installation): Promise<Finding[]> {
  const chosen = [
    ["EXAI_CONFIG", settings.config],
    ["EXAI_MODELS", settings.modelsFile],
    ["EXAI_CLINK", settings.clinkFile],
    ["EXAI_TOOLS_DIR", settings.toolsDir],
  ] as const;
  const found = await Promise.all(chosen.map(async ([variable, path]) => {
    if (path === "" || await isThere(path)) return [];
    const what = `${variable} names ${path}, which is not there or cannot be reached: it counts as empty`;
    return [warning("file-missing", what, `correct ${variable}, or make the file`)];
  }));
  return found.flat();
}
