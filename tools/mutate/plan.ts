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
  const steps = reachingSteps(mutant, coverage);
  return steps.length > 0 ? steps.sort((a, b) => a.ms - b.ms) : loadingSteps(mutant, coverage);
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
 * A module of nothing but data runs no code once it is loaded, so that no test reaches it: whatever loads it may read
 * what it holds. The file that loads the least beside it is nearest to it.
 */
function loadingSteps(mutant: Mutant, { files }: Coverage): Step[] {
  const prefix = `${mutant.file} | `;
  const loading = [...files].filter(([, { loaded }]) =>
    loaded.values().some((key) => key.startsWith(prefix))
  );
  const nearest = loading.sort(([, a], [, b]) => a.loaded.size - b.loaded.size);
  return nearest.map(([file, coverage]) => stepOf(file, coverage, coverage.tests)).filter((step) =>
    step !== undefined
  );
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
