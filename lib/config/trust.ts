import { dirname } from "@std/path/dirname";
import { isAbsolute } from "@std/path/is-absolute";
import { join } from "@std/path/join";
import { resolve } from "@std/path/resolve";
import { quoteForShell } from "../base/text.ts";

const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;
const OTHERS_READ = 0o044;
const OTHERS_ENTER = 0o011;
const STICKY = 0o1000;
const ALL_BITS = 0o7777;
const ROOT = 0;
/** Bounds the walk along a path: links may form a circle. */
const MAX_STEPS = 512;

/** Why something must not be used. */
interface Distrust {
  /** A sentence with what to do. */
  why: string;
  /** The file or directory that others can change. */
  path: string;
  /** The mode that takes the right away; undefined where this user cannot do that. */
  mode?: number;
}

/**
 * Why the file at `path` must not be used: another user than this one and root can change it, and its content would run,
 * or be trusted, with this user's rights. The rules are those of OpenSSH's StrictModes on Debian: the owner is this user or
 * root, and neither others nor a group may write, except the user's own private group. The same applies to its directory
 * (where the sticky bit keeps others from replacing the file), to the target of a link, and to every directory and link on
 * the path, any of which could be replaced between check and use.
 *
 * @param options.around checks the directories only, not the file itself
 * @returns a sentence with what to do; undefined when nothing is wrong, there is no such file, or on Windows, where access
 * lists are not checked
 */
export function whyUntrusted(path: string, options: { around?: boolean } = {}): string | undefined {
  return findDistrust(path, options)?.why;
}

/** As {@linkcode whyUntrusted}, with the place that is at fault. */
export function findDistrust(path: string, options: { around?: boolean } = {}): Distrust | undefined {
  if (Deno.build.os === "windows") return undefined;
  try {
    const link = Deno.lstatSync(path);
    const real = Deno.realPathSync(path);
    if (link.isSymlink && !isOurs(link)) return faultOf(path, link);
    const parts = new Set([
      ...(options.around ? [] : [real]),
      dirname(real),
      ...(link.isSymlink ? [Deno.realPathSync(dirname(path))] : []),
    ]);
    for (const part of parts) {
      const fault = faultOf(part, Deno.statSync(part));
      if (fault !== undefined) return fault;
    }
    return faultOnTheWay(path);
  } catch {
    // A file that cannot be examined cannot be read either; reading it reports why.
  }
  return undefined;
}

/** Why others can make `path` lead elsewhere. In a sticky directory they can replace only what is their own. */
function faultOnTheWay(path: string): Distrust | undefined {
  let [dir, around] = ["/", Deno.statSync("/")];
  const names = namesIn(resolve(path));
  for (let step = 0; names.length > 0 && step < MAX_STEPS; step++) {
    const at = join(dir, names.shift()!);
    const info = Deno.lstatSync(at);
    if (((around.mode ?? 0) & OTHERS_WRITE) !== 0) {
      const isSticky = ((around.mode ?? 0) & STICKY) !== 0;
      if (!isSticky) return faultOf(dir, around);
      if (!isOurs(info)) return faultOf(at, info);
    }
    if (info.isSymlink) {
      const target = Deno.readLinkSync(at);
      names.unshift(...namesIn(target));
      if (isAbsolute(target)) [dir, around] = ["/", Deno.statSync("/")];
    } else [dir, around] = [at, info];
  }
  return undefined;
}

function namesIn(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}

/** Whether other users can read the file at `path`; false where that is unknown. */
export function othersCanRead(path: string): boolean {
  if (Deno.build.os === "windows") return false;
  try {
    const [file, dir] = [Deno.statSync(path), Deno.statSync(dirname(Deno.realPathSync(path)))];
    return ((file.mode ?? 0) & OTHERS_READ) !== 0 && ((dir.mode ?? 0) & OTHERS_ENTER) !== 0;
  } catch {
    return false;
  }
}

function isOurs({ uid }: Deno.FileInfo): boolean {
  return uid === null || uid === ROOT || uid === Deno.uid();
}

function faultOf(path: string, info: Deno.FileInfo): Distrust | undefined {
  if (!isOurs(info)) {
    const why =
      `${path} belongs to user ${info.uid}, not to you (user ${Deno.uid()}); make it yours: chown ` +
      `${Deno.uid()} ${quoteForShell(path)}`;
    return { path, why };
  }
  const mode = info.mode ?? 0;
  if (info.isDirectory && (mode & STICKY) !== 0) return undefined;
  const shown = (mode & 0o777).toString(8);
  const remedy = `make it yours alone: chmod go-w ${quoteForShell(path)}`;
  const isChangeable = info.uid === Deno.uid() || Deno.uid() === ROOT;
  const closed = isChangeable ? mode & ALL_BITS & ~(GROUP_WRITES | OTHERS_WRITE) : undefined;
  if ((mode & OTHERS_WRITE) !== 0) {
    return { path, why: `others may write to ${path} (mode ${shown}); ${remedy}`, mode: closed };
  }
  if ((mode & GROUP_WRITES) !== 0 && !isPrivateGroup(info.gid)) {
    return { path, why: `group ${info.gid} may write to ${path} (mode ${shown}); ${remedy}`, mode: closed };
  }
  return undefined;
}

/** Whether `gid` is the group with this user's name and no other member, which most systems create for each user. */
function isPrivateGroup(gid: number | null): boolean {
  if (gid === null || gid !== Deno.gid()) return false;
  const lines = (file: string) => Deno.readTextFileSync(file).split("\n").map((line) => line.split(":"));
  const users = lines("/etc/passwd");
  const me = users.find(([, , uid]) => uid === String(Deno.uid()))?.[0];
  const group = lines("/etc/group").find(([, , id]) => id === String(gid));
  const members = (group?.[3] ?? "").split(",").filter((member) => member !== "");
  const shares = users.some(([name, , , primary]) => primary === String(gid) && name !== me);
  return me !== undefined && group?.[0] === me && !shares && members.every((member) => member === me);
}
