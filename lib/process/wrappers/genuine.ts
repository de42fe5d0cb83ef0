import { basename, dirname, join } from "@std/path";
import { programKind } from "./program_file.ts";
import type { WrapperCall } from "./wrapper_call.ts";

/** The script of npm behind `npx` and `npm`. */
const NPM_SCRIPT = /[/\\]npm[/\\]bin[/\\](npx|npm)-cli\.js$/;

/** The first npm that starts the program with the shell it is told to use. */
const FIRST_NPM = 8;

/** A program in a package of pnpm. */
const PNPM = /[/\\](pnpm|@pnpm[/\\]exe)[/\\]((bin|dist)[/\\])?(pnpm|pnpx)(\.c?js|\.mjs|\.exe)?$/;

/** Programs, and folders of scripts, that only choose the version of the program they start. */
const VERSION_MANAGER = /[/\\](volta-shim|mise)(\.exe)?$|[/\\]shims[/\\][^/\\]+$/;

/**
 * Whether the program at `path` is what its name says. A script of the user's own named `npx` would not answer the
 * question but start its server.
 */
export async function isGenuine(path: string, kind: WrapperCall["kind"]): Promise<boolean> {
  if (VERSION_MANAGER.test(path)) return true;
  const file = await Deno.realPath(path).catch(() => path);
  if (VERSION_MANAGER.test(file)) return true;
  if (kind === "npx") return NPM_SCRIPT.test(file) && await npmVersion(file) >= FIRST_NPM;
  if (kind === "pnpm") return PNPM.test(file);
  return /^uvx?(\.exe)?$/.test(basename(file)) && (await programKind(file)).kind === "native";
}

/** The major version of the npm that the script at `path` is of; 0 when it is not known. */
async function npmVersion(path: string): Promise<number> {
  const manifest = join(dirname(dirname(path)), "package.json");
  const text = await Deno.readTextFile(manifest).catch(() => "");
  return Number(/"version":\s*"(\d+)\./.exec(text)?.[1] ?? 0);
}
