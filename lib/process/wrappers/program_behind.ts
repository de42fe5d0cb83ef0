import { posix } from "node:path";
import { parseEnvironment } from "../environment.ts";
import type { Launch } from "../launch.ts";
import { MARK, writeNpxShell } from "./npx_shell.ts";
import { type QuestionOptions, replyOf } from "./question.ts";
import type { WrapperCall } from "./wrapper_call.ts";

interface AnswerOptions extends QuestionOptions {
  /** Where the script lies with which npx is asked. */
  dir: string;
}

/** The setting of npm for its shell, as a variable. npm reads it in any case of letters. */
const SHELL_VARIABLE = "npm_config_script_shell";

/**
 * Asks a wrapper what it would run.
 *
 * @param launch the wrapper with the arguments of its question
 * @returns the program without its arguments, in the environment the wrapper would give it
 * @throws {Error} why it is not known
 */
export async function programFor(
  call: WrapperCall,
  launch: Launch,
  options: AnswerOptions,
): Promise<Launch> {
  return call.kind === "npx" ? await askNpx(launch, options) : await askUvx(call, launch, options);
}

async function askNpx(launch: Launch, options: AnswerOptions): Promise<Launch> {
  if (Object.keys(launch.env).some((name) => name.toLowerCase() === SHELL_VARIABLE)) {
    throw new Error(`its environment sets ${SHELL_VARIABLE}`);
  }
  const shell = await writeNpxShell(options.dir);
  const asked = { ...launch, env: { ...launch.env, [SHELL_VARIABLE]: shell } };
  const parts = (await outputOf(asked, options)).split(MARK);
  if (parts.length !== 3) throw new Error("npx does not say what it runs");
  const [file, ...variables] = parts[1]!.split("\0");
  const env = parseEnvironment(variables.join("\0"));
  delete env[SHELL_VARIABLE];
  return { file: absolute(file!), args: [], env, cwd: launch.cwd };
}

async function askUvx({ program }: WrapperCall, launch: Launch, options: AnswerOptions): Promise<Launch> {
  const env = parseEnvironment(await outputOf(launch, options));
  const dir = env.PATH?.split(":")[0];
  if (!dir || dir === launch.env.PATH?.split(":")[0]) throw new Error("uv does not say where it installs");
  return { file: absolute(posix.join(dir, program!)), args: [], env, cwd: launch.cwd };
}

async function outputOf(launch: Launch, options: AnswerOptions): Promise<string> {
  const { stdout, stderrTail, fault } = await replyOf(launch, options);
  if (fault !== undefined) throw new Error(stderrTail === "" ? fault : `${fault}: ${stderrTail}`);
  return stdout;
}

function absolute(file: string): string {
  if (!posix.isAbsolute(file)) throw new Error(`what it runs is no file: ${file}`);
  return file;
}
