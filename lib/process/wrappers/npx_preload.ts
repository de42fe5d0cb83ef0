import { join } from "@std/path";
import { isObject } from "../../base/json.ts";
import { valueOf, withVariables } from "../environment.ts";
import { resolveCommand } from "../executable.ts";
import { PLATFORM } from "../../config/inherited_variables.ts";
import { FILES, type Launch } from "../launch.ts";
import { type AnswerOptions, MARK, markedOutput, writeOnce } from "./question.ts";

const NODE_OPTIONS = "NODE_OPTIONS";

/** Keeps what `NODE_OPTIONS` is without the preload. */
const KEPT = "_EXAI_NODE_OPTIONS";

/**
 * A module that Node loads before npm. Where npm would start the program, it prints the program's name and environment
 * instead and ends.
 */
const PRELOAD = `// Written by exai-daemon, which asks npx with it what it would run.
const { ${KEPT}: kept } = process.env;
delete process.env.${KEPT};
if (kept) process.env.${NODE_OPTIONS} = kept;
else delete process.env.${NODE_OPTIONS};
const childProcess = require("child_process");
const { spawn } = childProcess;
childProcess.spawn = (file, args, options) => {
  const env = options && options.env;
  if (!env || env.npm_lifecycle_event !== "npx") return spawn(file, args, options);
  require("fs").writeSync(1, "${MARK}" + JSON.stringify({ name: env.npm_lifecycle_script, env }) + "${MARK}");
  process.exit(0);
};
`;

/** A name as npm writes it into a command line: bare, or in single quotes. */
const NAME = /^('?)([\w.@+-]+)\1$/;

/** Asks npx by a module that is loaded into it: for Windows, where npm's shell cannot be a script. */
export async function askByPreload(launch: Launch, options: AnswerOptions): Promise<Launch> {
  const file = await writeOnce(join(options.dir, "npx-preload.cjs"), PRELOAD);
  const own = valueOf(launch.env, NODE_OPTIONS, PLATFORM) ?? "";
  const preload = `--require "${file.replaceAll("\\", "/")}"`;
  const added = { [NODE_OPTIONS]: `${own} ${preload}`.trimStart(), [KEPT]: own };
  const asked = { ...launch, env: withVariables(launch.env, added, PLATFORM) };
  const { name, env } = answerIn(await markedOutput(asked, options));
  const { cwd } = launch;
  const found = await resolveCommand(name, [], { cwd, env, platform: PLATFORM, files: FILES });
  if (!found || found.verbatim) throw new Error(`${name} is started by a batch file`);
  return { ...found, env, cwd };
}

function answerIn(text: string): { name: string; env: Record<string, string> } {
  const answer = JSON.parse(text);
  const name = NAME.exec(String(answer?.name))?.[2];
  if (name === undefined || !isObject(answer.env)) {
    throw new Error(`what it runs is no file: ${answer?.name}`);
  }
  return {
    name,
    env: Object.fromEntries(Object.entries(answer.env).map(([key, value]) => [key, String(value)])),
  };
}
