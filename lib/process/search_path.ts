import { delimiter } from "node:path";
import { join } from "@std/path";
import type { Environment } from "./environment.ts";
import { isDirectory } from "../config/path_kind.ts";

/** Common directories of programs that a profile may not name. */
function wellKnownDirs(env: Environment): string[] {
  if (Deno.build.os === "windows") {
    const below = (root: string | undefined, ...parts: string[]) => root ? [join(root, ...parts)] : [];
    return [
      ...below(env.APPDATA, "npm"),
      ...below(env.ProgramFiles ?? env.PROGRAMFILES, "nodejs"),
      ...below(env.USERPROFILE, ".local", "bin"),
      ...below(env.USERPROFILE, ".bun", "bin"),
      ...below(env.USERPROFILE, ".deno", "bin"),
    ];
  }
  const home = env.HOME ? [".local/bin", ".volta/bin", ".bun/bin", ".deno/bin", ".cargo/bin"] : [];
  const shims = env.HOME ? [".asdf/shims", ".local/share/mise/shims"] : [];
  return [
    ...[...home, ...shims].map((dir) => join(env.HOME!, dir)),
    "/opt/homebrew/bin",
    "/home/linuxbrew/.linuxbrew/bin",
    "/usr/local/bin",
    "/usr/bin",
    "/bin",
    "/usr/sbin",
    "/sbin",
  ];
}

/** The newest Node that nvm has installed: a profile that loads nvm on demand does not show it. */
async function nvmDir(env: Environment): Promise<string[]> {
  const root = env.NVM_DIR || (env.HOME && join(env.HOME, ".nvm"));
  if (!root || Deno.build.os === "windows") return [];
  const versions = join(root, "versions", "node");
  const names = await Array.fromAsync(Deno.readDir(versions), ({ name }) => name).catch(() => []);
  const newest = names.sort((a, b) => a.localeCompare(b, "en", { numeric: true })).at(-1);
  return newest === undefined ? [] : [join(versions, newest, "bin")];
}

/**
 * The PATH of servers: the login shell's, then what only the daemon's own has, then the common directories that
 * exist.
 */
export async function searchPath(login: Environment, own: Environment): Promise<string> {
  const entries = [login.PATH, own.PATH ?? own.Path].flatMap((path) => path?.split(delimiter) ?? []);
  const likely = [...await nvmDir({ ...own, ...login }), ...wellKnownDirs({ ...own, ...login })];
  const existing = await Promise.all(likely.map(async (dir) => await isDirectory(dir) ? [dir] : []));
  return [...new Set([...entries.filter((entry) => entry !== ""), ...existing.flat()])].join(delimiter);
}
