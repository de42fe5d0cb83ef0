import { join } from "@std/path";
import { createHash } from "node:crypto";
import { UsageError } from "../lib/run_tool.ts";
import { type Flags, ROOMS } from "./flags.ts";
import type { Mutant } from "./mutants.ts";

/** Files that do something on one system alone; on any other nothing can be said of them. */
const OF_ONE_SYSTEM: Readonly<Record<string, typeof Deno.build.os>> = {
  "lib/process/job_object.ts": "windows",
  "lib/process/windows_trees.ts": "windows",
};

/** The code of every file the flags are about and of all the rooms that are judged, by path. */
export async function readSources(root: string, { files, rooms }: Flags): Promise<Map<string, string>> {
  const sources = new Map<string, string>();
  for (const room of new Set([...ROOMS, ...rooms])) {
    for (const path of await typescriptIn(root, `lib/${room}`)) {
      sources.set(path, await Deno.readTextFile(join(root, path)));
    }
  }
  for (const { path } of files) {
    if (sources.has(path)) continue;
    sources.set(path, await readOrRefuse(root, path));
  }
  return sources;
}

async function readOrRefuse(root: string, path: string): Promise<string> {
  try {
    return await Deno.readTextFile(join(root, path));
  } catch {
    throw new UsageError(`there is no file ${path}`);
  }
}

async function typescriptIn(root: string, dir: string): Promise<string[]> {
  const found: string[] = [];
  try {
    for await (const { name, isDirectory } of Deno.readDir(join(root, dir))) {
      if (isDirectory) found.push(...await typescriptIn(root, `${dir}/${name}`));
      else if (name.endsWith(".ts")) found.push(`${dir}/${name}`);
    }
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) throw new UsageError(`there is no room ${dir}`);
    throw thrown;
  }
  return found.sort();
}

/** Those of `mutants` the flags ask for, in the order in which they are tried. */
export function choose(
  mutants: readonly Mutant[],
  flags: Flags,
  survivors: ReadonlySet<string>,
): Mutant[] {
  const { files, rooms, operators, sample, seed } = flags;
  const isWanted = (mutant: Mutant) => {
    const { file, line, operator, key } = mutant;
    if ((OF_ONE_SYSTEM[file] ?? Deno.build.os) !== Deno.build.os) return false;
    const isPlaced = files.some((place) => place.path === file && (place.line ?? line) === line) ||
      rooms.some((room) => file.startsWith(`lib/${room}/`)) ||
      files.length === 0 && rooms.length === 0 && ROOMS.some((room) => file.startsWith(`lib/${room}/`));
    return isPlaced && (operators.length === 0 || operators.includes(operator)) &&
      (!flags.survivors || survivors.has(key));
  };
  const wanted = mutants.filter(isWanted);
  if (wanted.length <= sample) return wanted;
  const drawn = wanted.map((mutant) => ({ mutant, ticket: ticketOf(mutant.key, seed) }));
  return drawn.sort((a, b) => a.ticket < b.ticket ? -1 : 1).slice(0, sample).map(({ mutant }) => mutant);
}

/** Depends on nothing else, so that a sample stays much the same when the code around it changes. */
function ticketOf(key: string, seed: number): string {
  return createHash("sha256").update(`${seed} ${key}`).digest("hex");
}
