import { resolve, toFileUrl } from "@std/path";
import type { ServerConfig } from "../../config/server_config.ts";
import type { Root } from "../../call/call.ts";
import { sharedStat } from "./shared_look.ts";
import { realPathOf } from "./working_directory.ts";

/** Arguments and variables looked at; an entry with more is taken to name other directories. */
const MAX_TEXTS = 100;

/** Variables whose directories are those of a program, not what it works on. */
const OF_PROGRAMS = new Set([
  "PATH",
  "HOME",
  "USERPROFILE",
  "TMPDIR",
  "TEMP",
  "TMP",
  "NODE_PATH",
  "PYTHONPATH",
  "VIRTUAL_ENV",
  "DENO_DIR",
  "UV_CACHE_DIR",
  "NPM_CONFIG_CACHE",
]);

/**
 * Whether the only directory that `entry` is written for is the workspace: an argument, a variable or `cwd` is the
 * workspace in `bound`, which is `entry` for a session there, and no argument or variable is another directory.
 *
 * Such a server does the same for a client without roots as for one whose only root is the workspace. With any other,
 * a client without roots means the directories the entry names, and one with roots its roots in their place, as
 * `@modelcontextprotocol/server-filesystem` takes them. In doubt, as for a path that does not exist: false.
 */
export async function isForWorkspaceOnly(
  entry: ServerConfig,
  { bound, workspace }: { bound: ServerConfig; workspace: string },
): Promise<boolean> {
  if (entry.kind !== "stdio" || bound.kind !== "stdio") return false;
  const { cwd = workspace, args, env } = bound;
  const variables = Object.entries(env).filter(([name]) => !OF_PROGRAMS.has(name.toUpperCase()));
  const texts = [...args, ...variables.map(([, value]) => value ?? "")].filter((text) => text !== "");
  if (texts.length > MAX_TEXTS) return false;
  const isWorkspace = async (path: string) => await realPathOf(resolve(cwd, path)) === workspace;
  const kinds = await Promise.all(texts.map((text) => kindOf(text, { cwd, isWorkspace })));
  if (kinds.includes("other")) return false;
  return kinds.includes("workspace") || entry.cwd !== undefined && await isWorkspace(".");
}

/** What a text of an entry names: the workspace, another directory, or none. */
type NamedPlace = "workspace" | "other" | "none";

interface Place {
  cwd: string;
  isWorkspace(path: string): Promise<boolean>;
}

async function kindOf(text: string, place: Place): Promise<NamedPlace> {
  const whole = await kindOfPath(text, place);
  // The whole first: a directory may have such a character in its name.
  if (whole === "workspace" || !/[=,]/.test(text)) return whole;
  // As in `--root=PATH` and `type=bind,src=PATH`.
  const parts = text.split(",").map((part) => part.slice(part.indexOf("=") + 1)).filter((part) =>
    part !== ""
  );
  const kinds = await Promise.all(parts.map((part) => kindOfPath(part, place)));
  return kinds.find((kind) => kind === "other") ?? kinds.find((kind) => kind === "workspace") ?? "none";
}

async function kindOfPath(text: string, { cwd, isWorkspace }: Place): Promise<NamedPlace> {
  const path = /^file:\/\//i.test(text) ? text.slice("file://".length) : text;
  if (/^[A-Za-z][A-Za-z\d+.-]+:/.test(path)) return "none";
  // Not looked at: another machine would be sent this user's name.
  if (/^[\\/]{2}/.test(path)) return "other";
  if (await isWorkspace(path)) return "workspace";
  const info = await sharedStat(resolve(cwd, path)).catch(() => undefined);
  if (info) return info.isFile ? "none" : "other";
  return /^([~./\\]|[A-Za-z]:[/\\])/.test(path) ? "other" : "none";
}

/** The only root a process for `workspace` is told, spelt as `named` is: as the session's client has it. */
export function rootOf(workspace: string, named: string | undefined): Root {
  return { uri: toFileUrl(named ?? workspace).href };
}
