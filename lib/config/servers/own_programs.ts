import { readRegularFileSync } from "../regular_file.ts";
import { isAbsolute, join } from "@std/path";
import { firstCommands, type Words, wordsOf } from "./command_line.ts";
import { realPathOf } from "../real_path.ts";

/** Where the program of a command is looked for. */
export interface Places {
  /** The value of PATH. */
  searchPath: string;
  /** What a relative path is relative to. */
  dir: string;
}

/** The names of our two programs, however they are installed. */
const OWN_NAME =
  /^(?:npm:|jsr:)?(?:@[^/\\]*[/\\])?(exai-(?:shim|daemon))(?:@[^/\\]*)?(?:\.(?:exe|cmd|bat|ps1|sh|m?js|ts))?$/i;

/** Their entry points in the sources and in a bundle. */
const OWN_FILE = /^(?:exai-)?(shim|daemon)\.(?:ts|m?js)$/i;

/** Files beside such an entry point, or above it, one of which identifies it. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  shim: ["lib/shim", "daemon/daemon.js", "exai-shim", "exai-shim.exe"],
  daemon: ["lib/shim", "../shim.js", "exai-daemon", "exai-daemon.exe"],
};

const SCRIPT = /^#!|^@echo|^rem /i;
const MAX_SCRIPT_BYTES = 16 * 1024;
/** A script that starts a script that starts a script. */
const MAX_SCRIPTS = 3;

/**
 * Which of our own programs `words` starts, directly or by a path, a link, `npx`, `deno run`, `env`, `cmd /c`, `sh -c` or
 * a small script. What this does not find is rejected when it connects (`EXAI_VIA`).
 */
export function ownProgram(words: Words, places: Places): string | undefined {
  return findIn([words], places, MAX_SCRIPTS);
}

/** The name of the daemon and of its entry point, at the end of a word. */
const DAEMON_WORD = /(?:^|[/\\])(?:exai-daemon(?:\.exe)?|daemon\.(?:ts|m?js))$/i;

/** Whether `words` start `exai-daemon replay`, which is a server like any other. */
export function isReplay(words: readonly string[]): boolean {
  return words.some((word, i) =>
    DAEMON_WORD.test(word) && words.slice(i + 1).find((next) => !next.startsWith("-")) === "replay"
  );
}

function findIn(lines: readonly Words[], places: Places, scripts: number): string | undefined {
  for (const line of lines) {
    if (isReplay(line)) continue;
    for (const word of firstCommands(line)) {
      const found = programOf(word, places, scripts);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function programOf(word: string, places: Places, scripts: number): string | undefined {
  const path = pathOf(word, places);
  const info = path === undefined ? undefined : statOf(path);
  // A directory is what a server works on, not what runs.
  if (info?.isDirectory) return undefined;
  const real = path === undefined ? undefined : realPathOf(path);
  for (const name of [word, real].filter((name) => name !== undefined)) {
    const own = OWN_NAME.exec(baseName(name)) ?? OWN_NAME.exec(name);
    if (own) return own[1]!.toLowerCase();
  }
  if (real === undefined) return undefined;
  const file = OWN_FILE.exec(baseName(real));
  if (file && isOurs(real, file[1]!.toLowerCase())) return `exai-${file[1]!.toLowerCase()}`;
  return scripts > 0 ? programInScript(real, places, scripts - 1) : undefined;
}

function isOurs(path: string, program: string): boolean {
  const dir = path.slice(0, path.length - baseName(path).length);
  return BESIDE[program]!.some((name) => statOf(join(dir, name)) !== undefined);
}

function programInScript(path: string, places: Places, scripts: number): string | undefined {
  const info = statOf(path);
  if (!info?.isFile || info.size > MAX_SCRIPT_BYTES) return undefined;
  const text = readText(path);
  if (text === undefined || !SCRIPT.test(text)) return undefined;
  // Only shell scripts are understood.
  const [first = ""] = text.split("\n", 1);
  if (first.startsWith("#!") && !/\b(?:ba|da|z|k|fi)?sh\b/.test(first)) return undefined;
  return findIn(wordsOf(text), places, scripts);
}

/** The path of the program `word`; undefined when it is not found. */
function pathOf(word: string, { searchPath, dir }: Places): string | undefined {
  if (/[/\\]/.test(word)) return isAbsolute(word) ? word : join(dir, word);
  const isWindows = Deno.build.os === "windows";
  const endings = isWindows ? ["", ".exe", ".cmd", ".bat"] : [""];
  for (const place of searchPath.split(isWindows ? ";" : ":")) {
    for (const ending of place === "" ? [] : endings) {
      const path = join(place, word + ending);
      if (statOf(path)?.isFile) return path;
    }
  }
  const beside = join(dir, word);
  return /\.(?:ts|m?js|sh)$/.test(word) && statOf(beside) ? beside : undefined;
}

function baseName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

function statOf(path: string): Deno.FileInfo | undefined {
  return orNothing(() => Deno.statSync(path));
}

function readText(path: string): string | undefined {
  return orNothing(() => readRegularFileSync(path));
}

function orNothing<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
