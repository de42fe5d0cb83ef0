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

/** The files whose tests reach `mutant`, the fastest first; none when no test does. */
export function stepsFor(mutant: Mutant, { known, files }: Coverage): Step[] {
  const prefix = `${mutant.file} | `;
  const usesFile = (keys: ReadonlySet<string>) => keys.values().some((key) => key.startsWith(prefix));
  const isKnown = known.has(mutant.key);
  const reaches = (test: TestCoverage, { loaded }: FileCoverage) => {
    // What has changed since it was measured may be reached by all that use its file; what is evaluated once, as the
    // module is loaded, shows in any test that uses the module.
    return isKnown && !loaded.has(mutant.key) ? test.reached.has(mutant.key) : usesFile(test.reached);
  };
  const steps = Array.from(files, ([file, coverage]) => {
    const tests = coverage.tests.filter((test) => reaches(test, coverage));
    return stepOf(file, tests, coverage.tests.length);
  });
  return steps.filter((step) => step !== undefined).sort((a, b) => a.ms - b.ms);
}

function stepOf(file: string, tests: readonly TestCoverage[], total: number): Step | undefined {
  if (tests.length === 0) return undefined;
  return {
    file,
    names: tests.length === total ? undefined : tests.map(({ name }) => name),
    ms: tests.reduce((sum, { ms }) => sum + ms, 0),
    longestMs: Math.max(...tests.map(({ ms }) => ms)),
  };
}
