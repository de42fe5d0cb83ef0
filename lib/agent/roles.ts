import { ExaiError, messageOf } from "../base/errors.ts";
import { ownEntry } from "../base/json.ts";
import { didYouMean } from "../base/suggest.ts";
import { quoteName } from "../base/text.ts";
import { KIB } from "../base/units.ts";
import type { RoleEntry } from "../config/clink_file.ts";
import { readRegularFile } from "../config/regular_file.ts";
import { whyUntrusted } from "../config/trust.ts";

/** The instructions of the roles that need no file, by name. */
const ROLES: Readonly<Record<string, string>> = {
  default:
    "You are a senior engineer to whom a colleague's agent hands one task. Do it yourself, with your own tools, " +
    "and answer for what you found: name places as path:line, say what you checked and what you could not check.",
  planner:
    "You are a planner. Work out how the task can be done before anything is changed: what is there now, the steps " +
    "in order with what each depends on, what may go wrong and how it would be noticed, how each step is checked and " +
    "undone, and which decisions are open. Change nothing.",
  codereviewer:
    "You are a code reviewer. Read the code in question and what calls it. Report faults only with their " +
    "place as path:line, the input or order of events that shows them, and the smallest fix, the worst first: wrong " +
    "results, lost data, races, security, then what makes the code hard to change. Say what you read and found sound. " +
    "Change nothing.",
};

const MAX_ROLE_BYTES = 64 * KIB;

/** The names of all roles. */
function roleNames(entries: readonly RoleEntry[]): string[] {
  return [...new Set([...Object.keys(ROLES), ...entries.map(({ name }) => name)])];
}

/**
 * The instructions of the role `name`; a role of the user replaces a built-in one.
 *
 * @throws {ExaiError} `INVALID_PARAMS` when there is no such role, `CONFIG` when its file cannot be used
 */
export async function instructionsOf(name: string, entries: readonly RoleEntry[]): Promise<string> {
  const entry = entries.find((one) => one.name === name);
  const builtIn = ownEntry(ROLES, name);
  if (entry === undefined && builtIn !== undefined) return builtIn;
  if (entry === undefined) {
    const known = roleNames(entries);
    throw new ExaiError(
      "INVALID_PARAMS",
      `there is no role ${quoteName(name)}${didYouMean(name, known)}; there are: ${
        known.join(", ")
      }. Others are ` +
        "written into clink.json",
    );
  }
  return "text" in entry ? entry.text : await readRole(entry);
}

async function readRole({ name, file }: { name: string; file: string }): Promise<string> {
  const distrust = whyUntrusted(file);
  if (distrust !== undefined) throw unusable(name, file, distrust);
  return await readRegularFile(file, { maxBytes: MAX_ROLE_BYTES }).catch((thrown) => {
    throw unusable(name, file, messageOf(thrown));
  });
}

function unusable(name: string, file: string, why: string): ExaiError {
  return new ExaiError("CONFIG", `the file of role ${name} in clink.json, ${file}, cannot be used: ${why}`);
}
