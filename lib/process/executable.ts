import { posix, win32 } from "node:path";
import { ownEntry } from "../base/json.ts";
import { readCmdShim } from "./cmd_shim.ts";
import { type Environment, type Platform, valueOf } from "./environment.ts";

/** What the system is given to start a program. */
export interface Executable {
  file: string;
  args: readonly string[];
  /** The arguments are a command line of `cmd.exe` that must not be quoted again (Windows). */
  verbatim?: boolean;
}

/** The part of the file system that finding a program needs; a parameter for tests. */
export interface ExecutableFiles {
  isExecutable(path: string): Promise<boolean>;
  readText(path: string): Promise<string>;
}

interface ResolveOptions {
  /** Absolute; relative commands are relative to it. */
  cwd: string;
  env: Environment;
  platform: Platform;
  files: ExecutableFiles;
}

/**
 * What Windows can start. `PATHEXT` also names files that a terminal opens with the program of their kind (`.JS`, `.VBS`,
 * `.PY`), which is not started with pipes, or opens an editor.
 */
const STARTABLE = [".com", ".exe", ".bat", ".cmd"];

/** The program that runs files of an extension. */
const INTERPRETERS: Readonly<Record<string, string>> = {
  ".js": "node",
  ".cjs": "node",
  ".mjs": "node",
  ".ts": "deno",
  ".py": "python",
  ".pyw": "python",
  ".ps1": "powershell",
  ".rb": "ruby",
  ".jar": "java",
  ".sh": "bash",
};

/**
 * The executable of `command`, found as the system would, and never through a shell that reads the arguments. Written
 * here since cross-spawn runs every `.cmd` in `cmd.exe`, which then stands between the daemon and the server, looks
 * into the current directory on Windows, and reports a missing program only when it exits.
 *
 * @returns undefined when there is none
 */
export async function resolveCommand(
  command: string,
  args: readonly string[],
  options: ResolveOptions,
): Promise<Executable | undefined> {
  const file = await findFile(command, options);
  if (file === undefined || options.platform === "posix") {
    return file === undefined ? undefined : { file, args };
  }
  return /\.(cmd|bat)$/i.test(file) ? await unwrapBatch(file, args, options) : { file, args };
}

/** The directories a command without a path is searched in. */
export function searchedDirs(env: Environment, platform: Platform): string[] {
  const path = platform === "windows" ? win32 : posix;
  return (valueOf(env, "PATH", platform) ?? "").split(path.delimiter).filter((dir) => path.isAbsolute(dir));
}

/** What to write in place of a script as the command, which Windows does not start; undefined for another. */
export function adviceOnScript(command: string): string | undefined {
  const extension = win32.extname(command).toLowerCase();
  const interpreter = ownEntry(INTERPRETERS, extension);
  return interpreter &&
    `Windows starts no ${extension} file by itself: write "${interpreter}" into command, and the ` +
      "full path of the file as the first of args";
}

async function findFile(command: string, options: ResolveOptions): Promise<string | undefined> {
  const { cwd, env, platform, files } = options;
  const path = platform === "windows" ? win32 : posix;
  const isBare = !(platform === "windows" ? /[/\\]/ : /\//).test(command);
  // Never the current directory: a file of a project must not run because of its name.
  const dirs = isBare ? searchedDirs(env, platform) : [cwd];
  const names = platform === "windows" ? withExtensions(command, env) : [command];
  for (const dir of dirs) {
    for (const name of names) {
      const file = path.resolve(dir, name);
      if (await files.isExecutable(file)) return file;
    }
  }
  return undefined;
}

function withExtensions(command: string, env: Environment): string[] {
  const named = (valueOf(env, "PATHEXT", "windows") ?? "").toLowerCase().split(";");
  const wanted = named.filter((ext) => STARTABLE.includes(ext));
  const extensions = wanted.length === 0 ? STARTABLE : wanted;
  const has = STARTABLE.some((ext) => command.toLowerCase().endsWith(ext));
  const extended = extensions.map((ext) => command + ext);
  return has ? [command, ...extended] : extended;
}

/**
 * A batch file that only starts a Node script, as npm, pnpm and yarn write them for `npx` and installed programs, is
 * resolved to that script. Any other is run by `cmd.exe`, with each argument quoted for it.
 */
async function unwrapBatch(
  file: string,
  args: readonly string[],
  options: ResolveOptions,
): Promise<Executable> {
  const script = readCmdShim(await options.files.readText(file).catch(() => ""), win32.dirname(file));
  if (script !== undefined && await options.files.isExecutable(script)) {
    const beside = win32.join(win32.dirname(file), "node.exe");
    const node = await options.files.isExecutable(beside) ? beside : await findFile("node.exe", options);
    if (node !== undefined) return { file: node, args: [script, ...args] };
  }
  const shell = valueOf(options.env, "COMSPEC", "windows") || "cmd.exe";
  const line = [file, ...args].map(quoteForCmd).join(" ");
  return { file: shell, args: ["/d", "/e:ON", "/v:OFF", "/s", "/c", `"${line}"`], verbatim: true };
}

/**
 * Quotes `arg` as one argument of a batch file. Within quotes only `"`, `%` and line ends are special to `cmd.exe`:
 * quotes are doubled, `%` is kept from naming a variable, and a line end cannot be passed at all.
 */
function quoteForCmd(arg: string): string {
  if (/[\r\n\0]/.test(arg)) throw new Error("an argument of a batch file cannot hold a line end");
  return `"${withDoubledQuotes(arg).replaceAll("%", "%%cd:~,%")}"`;
}

/** Doubles each quote, and the backslashes before a quote and at the end. */
function withDoubledQuotes(arg: string): string {
  let quoted = "";
  let backslashes = 0;
  for (const char of arg) {
    if (char === '"') quoted += "\\".repeat(backslashes) + '""';
    else quoted += char;
    backslashes = char === "\\" ? backslashes + 1 : 0;
  }
  return quoted + "\\".repeat(backslashes);
}
