import { basename } from "@std/path";
import type { Coverage, FileCoverage, TestCoverage } from "./coverage.ts";
import type { Mutant } from "./mutants.ts";

/** The tests of one file that may notice a mutant. */
export interface Step {
  file: string;
  /** All of the file when left out. */
  names?: string[];
  /** How long the tests take without it. */
  ms: number;
  longestMs: number;
}

/** The files whose tests may notice `mutant`, the most promising first; none when no test can. */
export function stepsFor(mutant: Mutant, coverage: Coverage): Step[] {
  const loading = isOfData(mutant, coverage) ? loadingSteps(mutant, coverage) : [];
  const loaded = new Set(loading.map(({ file }) => file));
  const reaching = reachingSteps(mutant, coverage).filter(({ file }) => !loaded.has(file));
  return [...loading, ...reaching.sort((a, b) => a.ms - b.ms)];
}

/** Whether nothing but data stands in the module: no test reaches what is not evaluated as it is loaded. */
function isOfData({ file, key }: Mutant, { files }: Coverage): boolean {
  const prefix = `${file} | `;
  const loaded = files.values().find((coverage) => coverage.loaded.has(key))?.loaded;
  return loaded !== undefined &&
    files.values().every(({ tests }) =>
      tests.every(({ reached }) => reached.values().every((it) => !it.startsWith(prefix) || loaded.has(it)))
    );
}

function reachingSteps(mutant: Mutant, { known, files }: Coverage): Step[] {
  const prefix = `${mutant.file} | `;
  const usesFile = (keys: ReadonlySet<string>) => keys.values().some((key) => key.startsWith(prefix));
  const isKnown = known.has(mutant.key);
  const reaches = (test: TestCoverage, { loaded }: FileCoverage) => {
    // What has changed since it was measured may be reached by all that use its file; what is evaluated once, as the
    // module is loaded, shows in any test that uses the module.
    return isKnown && !loaded.has(mutant.key) ? test.reached.has(mutant.key) : usesFile(test.reached);
  };
  const steps = Array.from(files, ([file, coverage]) => {
    return stepOf(file, coverage, coverage.tests.filter((test) => reaches(test, coverage)));
  });
  return steps.filter((step) => step !== undefined);
}

/**
 * A module of nothing but data runs no code once it is loaded: any test of a file that loads it may read what it
 * holds. Nearest to it is the file that has its name, then the one that loads the least beside it.
 */
function loadingSteps(mutant: Mutant, { files }: Coverage): Step[] {
  const loading = [...files].filter(([, { loaded }]) => loaded.has(mutant.key));
  const own = `${basename(mutant.file, ".ts")}_test.ts`;
  const distance = ([file, { loaded }]: [string, FileCoverage]) => basename(file) === own ? 0 : loaded.size;
  const nearest = loading.sort((a, b) => distance(a) - distance(b));
  const steps = nearest.map(([file, coverage]) => stepOf(file, coverage, coverage.tests));
  return steps.filter((step) => step !== undefined);
}

function stepOf(file: string, { tests: all, isRed }: FileCoverage, tests: readonly TestCoverage[]) {
  if (tests.length === 0) return undefined;
  return {
    file,
    // A test that fails in any case would end the run before the others are tried.
    names: tests.length === all.length && !isRed ? undefined : tests.map(({ name }) => name),
    ms: tests.reduce((sum, { ms }) => sum + ms, 0),
    longestMs: Math.max(...tests.map(({ ms }) => ms)),
  };
}
