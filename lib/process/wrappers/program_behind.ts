import { posix } from "node:path";
import { isAbsolute } from "@std/path";
import { isObject } from "../../base/json.ts";
import { parseEnvironment } from "../environment.ts";
import { PLATFORM } from "../../config/inherited_variables.ts";
import type { Launch } from "../launch.ts";
import { askByPreload } from "./npx_preload.ts";
import { askByShell } from "./npx_shell.ts";
import { type AnswerOptions, outputOf } from "./question.ts";
import type { WrapperCall } from "./wrapper_call.ts";

/** A program that was found. */
export interface Found extends Launch {
  /** Its own file; that of an interpreter may be started. */
  path: string;
}

/**
 * Asks a wrapper what it would run.
 *
 * @param launch the wrapper with the arguments of its question
 * @returns the program without its arguments, in the environment the wrapper would give it
 * @throws {Error} why it is not known
 */
export async function programFor(call: WrapperCall, launch: Launch, options: AnswerOptions): Promise<Found> {
  const program = await ask(call, launch, options);
  const path = program.args[0] ?? program.file;
  if (!isAbsolute(path)) throw new Error(`what it runs is no file: ${path}`);
  return { ...program, path };
}

async function ask(call: WrapperCall, launch: Launch, options: AnswerOptions): Promise<Launch> {
  if (call.kind === "npx") {
    return await (PLATFORM === "windows" ? askByPreload : askByShell)(launch, options);
  }
  // Its programs are small executables that start Python: a process is left in any case.
  if (PLATFORM === "windows") throw new Error("its programs are no scripts on Windows");
  const env = parseEnvironment(await outputOf(launch, options));
  if (Object.keys(env).some((name) => name.includes("\n"))) {
    throw new Error(`${call.kind} prints more than it was asked`);
  }
  const dir = env.PATH?.split(":")[0];
  if (!dir || dir === launch.env.PATH?.split(":")[0]) {
    throw new Error(`${call.kind} does not say where it installs`);
  }
  const name = call.program ?? await programOf(posix.join(dir, "..", nameOf(call.packages[0]!)));
  return { file: posix.join(dir, name), args: [], env, cwd: launch.cwd };
}

/** The program of the npm package in `dir`: its only one, or the one of its name without the scope. */
async function programOf(dir: string): Promise<string> {
  const { name, bin } = JSON.parse(await Deno.readTextFile(posix.join(dir, "package.json")));
  const short = String(name).replace(/^@[^/]+\//, "");
  const names = isObject(bin) ? Object.keys(bin) : [short];
  const found = names.length === 1 ? names[0] : names.find((name) => name === short);
  if (found === undefined) throw new Error(`${name} has several programs and none of its name`);
  return found;
}

/** `@scope/name@1` without the version. */
function nameOf(spec: string): string {
  const at = spec.indexOf("@", 1);
  return at === -1 ? spec : spec.slice(0, at);
}
