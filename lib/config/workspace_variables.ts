import { trimEndOf } from "../base/text.ts";

/** A `${}` variable of `mcp.json` that stands for a directory of the session, and is filled in for each session. */
interface WorkspaceVariable {
  /** Whether it stands for the last segment of the path alone. */
  isBaseName: boolean;
  /** The root it names, as in `${workspaceFolder:web}`; undefined: the workspace. */
  folder: string | undefined;
  /** Its value for a session without a workspace, as in `${CLAUDE_PROJECT_DIR:-/srv}`. */
  fallback: string | undefined;
}

/** The directories of a session that variables may stand for. */
export interface SessionFolders {
  /** Undefined: it has none, or none that a server may be given. */
  workspace: string | undefined;
  /** Its roots, each with the name its client gives it and the last segment of its path. */
  folders: readonly { names: readonly string[]; path: string }[];
}

/** Names of the workspace in the files of different clients, with and without `env:`. */
const FOLDER_NAMES = [
  "workspaceFolder",
  "workspaceRoot",
  "workspacePath",
  "cwd",
  "CLAUDE_PROJECT_DIR",
  "PWD",
];
const BASE_NAMES = ["workspaceFolderBasename", "workspaceRootFolderName"];

/** The variable of that name; undefined for a name that stands for no directory of the session. */
export function workspaceVariable(name: string): WorkspaceVariable | undefined {
  const [, plain = "", , fallback, folder] = /^(?:env:)?([A-Za-z_]+)(:-(.*)|:(.+))?$/s.exec(name) ?? [];
  const isBaseName = BASE_NAMES.includes(plain);
  if (!isBaseName && !FOLDER_NAMES.includes(plain)) return undefined;
  // Only VS Code's own names have roots; ${cwd:x} means nothing.
  if (folder !== undefined && !plain.startsWith("workspaceFolder")) return undefined;
  return { isBaseName, folder, fallback };
}

/** The directory that `variable` stands for; undefined when the session has no such one. */
export function folderOf(
  { folder }: WorkspaceVariable,
  { workspace, folders }: SessionFolders,
): string | undefined {
  if (folder === undefined) return workspace;
  return (folders.find(({ names }) => names[0] === folder) ??
    folders.find(({ names }) => names.includes(folder)))?.path;
}

/** Whether `path` is absolute, on whatever system it was written. */
export function isAbsolutePath(path: string): boolean {
  return /^([/\\]|[A-Za-z]:[/\\])/.test(path);
}

/** The last segment of `path`. */
export function baseNameOf(path: string): string {
  const whole = trimEndOf(path, "/\\");
  return whole.slice(Math.max(whole.lastIndexOf("/"), whole.lastIndexOf("\\")) + 1);
}

/**
 * Whether `text`, an argument or a command, holds a path that begins with `.` or `..`: alone, as the value of an option, a
 * word of a shell's command line, before the `:` of a container's volume, or as the
 * package that npx is to run (`file:./x`).
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { holdsRelativePath } from "./workspace_variables.ts";
 *
 * assert(["./data", "--root=..", "type=bind,src=.,dst=/d", ".:/data", "npx x ./data"].every(holdsRelativePath));
 * assert(!["-y", "file.json", "...", "a/../b", ".hidden"].some(holdsRelativePath));
 * ```
 */
export function holdsRelativePath(text: string): boolean {
  return /(?:^|[=,\s]|(?:^|@)(?:file|link):)\.{1,2}(?=$|[/\\:,\s])/.test(text);
}
