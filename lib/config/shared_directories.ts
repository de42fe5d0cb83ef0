import { userInfo } from "node:os";
import { posix, win32 } from "node:path";
import { isAbsolute } from "@std/path";
import { userHome } from "./paths.ts";
import { realPath } from "./real_path.ts";

/** What {@linkcode whyNoWorkspace} compares with; a parameter for tests. */
interface SystemDirectories {
  /** Home directories of the user, as real paths. */
  homes: readonly string[];
  /** Where Windows itself is. */
  systemRoot?: string;
  onWindows: boolean;
  /** Whether the disk does not distinguish case. */
  foldsCase: boolean;
}

/** Home directories of other users, and where those of all are. */
const POSIX_HOMES = ["/root", "/home", "/Users", "/var/root", "/private/var/root"];

/**
 * Why the directory with the real path `dir` is not one that somebody works in; undefined: it may be one. The desktop
 * and services start programs in the root of the disk or in the home directory: a server that is given such a directory
 * reads, or lets a model read, everything of the user.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { whyNoWorkspace } from "./shared_directories.ts";
 *
 * const of = { homes: ["/home/ada"], onWindows: false, foldsCase: false };
 * assertEquals(whyNoWorkspace("/", of), "the root of the disk");
 * assertEquals(whyNoWorkspace("/home/ada/shop", of), undefined);
 * ```
 */
export function whyNoWorkspace(dir: string, of: SystemDirectories = systemDirectories()): string | undefined {
  const path = of.onWindows ? win32 : posix;
  const plain = (name: string) => {
    const normal = path.resolve("/", name);
    return of.foldsCase ? normal.toLowerCase() : normal;
  };
  const isWithin = (inner: string, outer: string) => {
    const rest = path.relative(plain(outer), plain(inner));
    return rest === "" || !path.isAbsolute(rest) && rest.split(/[/\\]/)[0] !== "..";
  };
  if (path.dirname(plain(dir)) === plain(dir)) return "the root of the disk";
  if (of.homes.some((home) => plain(home) === plain(dir))) return "the home directory";
  if (!of.onWindows && POSIX_HOMES.some((home) => plain(home) === plain(dir))) return "a home directory";
  if (of.systemRoot !== undefined && isWithin(dir, of.systemRoot)) return "a directory of Windows";
  const holdsHome = of.homes.some((home) => isWithin(home, dir));
  const holdsAllHomes = of.onWindows && /^[a-z]:\\users$/i.test(plain(dir));
  return holdsHome || holdsAllHomes ? "a directory with the home directory in it" : undefined;
}

let known: { home: string; directories: SystemDirectories } | undefined;

/** The directories of this system and user. */
function systemDirectories(): SystemDirectories {
  const home = userHome();
  if (known?.home !== home) known = { home, directories: findDirectories(home) };
  return known.directories;
}

function findDirectories(home: string): SystemDirectories {
  const onWindows = Deno.build.os === "windows";
  const named = [home, Deno.env.get("USERPROFILE"), accountHome()]
    .filter((dir) => dir !== undefined && isAbsolute(dir)) as string[];
  return {
    homes: [...new Set(named.flatMap((dir) => [dir, realPath(dir)]))],
    systemRoot: onWindows ? Deno.env.get("SystemRoot") ?? "C:\\Windows" : undefined,
    onWindows,
    foldsCase: Deno.build.os === "windows" || Deno.build.os === "darwin",
  };
}

/** The home directory of the account, which `HOME` may differ from. */
function accountHome(): string | undefined {
  try {
    return userInfo().homedir;
  } catch {
    // The user of a container may have no account.
    return undefined;
  }
}
