import { ExaiError } from "../base/errors.ts";

/**
 * The variables in the text of a `.env` file.
 *
 * @throws {ExaiError} `CONFIG` when this runtime cannot read such files
 */
export function parseEnvFile(text: string): Record<string, string> {
  // Most starts meet no such file, and importing `node:util` costs each of them 12 ms. Deno 2.6 has no parseEnv.
  const util = globalThis.process.getBuiltinModule("node:util");
  if (typeof util.parseEnv !== "function") {
    throw new ExaiError("CONFIG", "this Deno cannot read env files, 2.9 can; set the variables themselves");
  }
  return util.parseEnv(text) as Record<string, string>;
}
