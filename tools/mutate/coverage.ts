import { join } from "@std/path";
import { createHash } from "node:crypto";
import type { Mutant } from "./mutants.ts";
import type { Tree } from "./tree.ts";

/** What one test reaches. */
export interface TestCoverage {
  name: string;
  ms: number;
  /** Keys of mutants. */
  reached: ReadonlySet<string>;
}

/** What the tests of one file reach. */
export interface FileCoverage {
  /** Of the file's text when it was measured. */
  hash: string;
  /** How long the whole run took. */
  ms: number;
  /** What is reached when the modules are loaded, before any test. */
  loaded: ReadonlySet<string>;
  /** The tests that pass; one that fails with no mutant awake can detect none. */
  tests: TestCoverage[];
  /** Whether another test of the file fails with no mutant awake. */
  isRed?: boolean;
}

export interface Coverage {
  /** Keys of the mutants that were there when all was measured. */
  known: ReadonlySet<string>;
  /** By the path of the file of tests. */
  files: Map<string, FileCoverage>;
}

const MEASURE_MAX_MS = 600_000;
const MEASURE_TEST_TIMEOUT_MS = 180_000;

/** Every file of tests below `root`, however long it takes. */
export async function testFiles(root: string): Promise<string[]> {
  const files: string[] = [];
  for (const dir of ["tests", "tests/slow", "tests/long"]) {
    for await (const { name } of Deno.readDir(join(root, dir))) {
      if (name.endsWith("_test.ts")) files.push(`${dir}/${name}`);
    }
  }
  return files.sort();
}

/** Runs `file` once with every mutant asleep. */
export async function measure(tree: Tree, file: string, mutants: readonly Mutant[]): Promise<FileCoverage> {
  const keys = new Map(mutants.map(({ id, key }) => [id, key]));
  const log = await tree.startMeasuring();
  const startMs = performance.now();
  await tree.wake("");
  const { isOk } = await tree.run({
    file,
    preload: "tools/mutate/measure.ts",
    maxMs: MEASURE_MAX_MS,
    testTimeoutMs: MEASURE_TEST_TIMEOUT_MS,
    keepGoing: true,
  });
  await tree.stopMeasuring();
  const lines = (await Deno.readTextFile(log)).split("\n").filter((line) => line !== "");
  return {
    hash: await hashOf(tree.dir, file),
    ms: Math.round(performance.now() - startMs),
    ...readLog(lines.map((line) => JSON.parse(line)), keys),
    isRed: !isOk,
  };
}

export async function hashOf(root: string, file: string): Promise<string> {
  return sha256(await Deno.readTextFile(join(root, file)));
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

type Line = { loaded: string[] } | { reached: string[]; test?: string; ms?: number };

/** Lines of other processes come before the line of the test that ran at the time. */
function readLog(lines: readonly Line[], keys: ReadonlyMap<string, string>) {
  // What the log says is instrumented too, and no mutant of ours.
  const keysOf = (ids: Iterable<string>) =>
    new Set(Array.from(ids, (id) => keys.get(id)).filter((key) => key !== undefined));
  let loaded = new Set<string>();
  const tests: TestCoverage[] = [];
  const elsewhere = new Set<string>();
  for (const line of lines) {
    if ("loaded" in line) loaded = keysOf(line.loaded);
    else if (line.test === undefined) { for (const id of line.reached) elsewhere.add(id); }
    else {
      const reached = keysOf([...line.reached, ...elsewhere]);
      tests.push({ name: line.test, ms: line.ms!, reached });
      elsewhere.clear();
    }
  }
  return { loaded, tests };
}

/** Where what was measured is kept between runs, for the repository or work tree at `root`. */
export async function cacheDir(root: string): Promise<string> {
  const base = Deno.env.get("XDG_CACHE_HOME") || join(Deno.env.get("HOME") ?? "/tmp", ".cache");
  const dir = join(base, "exai-mutate", sha256(root).slice(0, 12));
  await Deno.mkdir(dir, { recursive: true });
  return dir;
}

/** As it is kept: a key is long and stands in many tests, so that it is written once. */
interface Kept {
  keys: string[];
  known: number[];
  files: (Omit<FileCoverage, "loaded" | "tests"> & {
    file: string;
    loaded: number[];
    tests: { name: string; ms: number; reached: number[] }[];
  })[];
}

export async function saveCoverage(path: string, { known, files }: Coverage): Promise<void> {
  const indices = new Map<string, number>();
  const indexOf = (key: string) => {
    const index = indices.get(key) ?? indices.size;
    indices.set(key, index);
    return index;
  };
  const indicesOf = (keys: Iterable<string>) => Array.from(keys, indexOf);
  const kept: Omit<Kept, "keys"> = {
    known: indicesOf(known),
    files: Array.from(files, ([file, { loaded, tests, ...rest }]) => ({
      file,
      ...rest,
      loaded: indicesOf(loaded),
      tests: tests.map((test) => ({ ...test, reached: indicesOf(test.reached) })),
    })),
  };
  await Deno.writeTextFile(path, JSON.stringify({ keys: [...indices.keys()], ...kept }));
}

/** What was kept; nothing when there is nothing that can be read. */
export async function loadCoverage(path: string): Promise<Coverage> {
  try {
    const { keys, known, files } = JSON.parse(await Deno.readTextFile(path)) as Kept;
    const keysAt = (indices: number[]) => new Set(indices.map((index) => keys[index]!));
    return {
      known: keysAt(known),
      files: new Map(files.map(({ file, loaded, tests, ...rest }) => [file, {
        ...rest,
        loaded: keysAt(loaded),
        tests: tests.map((test) => ({ ...test, reached: keysAt(test.reached) })),
      }])),
    };
  } catch {
    return { known: new Set(), files: new Map() };
  }
}
