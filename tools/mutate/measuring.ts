import { type Coverage, hashOf, measure, saveCoverage, testFiles } from "./coverage.ts";
import type { Mutant } from "./mutants.ts";
import type { Tree } from "./tree.ts";

export interface RefreshOptions {
  root: string;
  trees: readonly Tree[];
  mutants: readonly Mutant[];
  /** What was measured before; nothing to measure all. */
  before: Coverage | undefined;
  coverageFile: string;
  /** The files of tests to use; all when there are none. */
  tests: readonly string[];
  onstep(what: string): void;
}

/** Says that what `file` would notice goes unseen. */
export function redWarning(file: string): string {
  return `warning: ${file} fails with no mutant awake; a mutant only its failing tests notice counts as survived`;
}

/** Measures the files of tests that have changed since they were last measured, and keeps what it finds. */
export async function refresh(options: RefreshOptions): Promise<Coverage> {
  const { root, trees, mutants, before, coverageFile, tests, onstep } = options;
  const present = await testFiles(root);
  const files = new Map([...before?.files ?? []].filter(([file]) => present.includes(file)));
  const stale: string[] = [];
  for (const file of tests.length > 0 ? tests : present) {
    if (files.get(file)?.hash !== await hashOf(root, file)) stale.push(file);
  }
  // Measured in parts, the old parts do not speak of what is new.
  const known = before && before.files.size > 0 ? before.known : new Set(mutants.map(({ key }) => key));
  const queue = [...stale];
  const each = async (tree: Tree) => {
    for (let file = queue.shift(); file; file = queue.shift()) {
      const coverage = await measure(tree, file, mutants);
      files.set(file, coverage);
      onstep(`measured ${file}: ${coverage.tests.length} tests in ${(coverage.ms / 1000).toFixed(1)} s`);
      if (coverage.isRed) onstep(redWarning(file));
      // Each time: a run that is cut off need not begin again.
      await saveCoverage(coverageFile, { known, files });
    }
  };
  await Promise.all(trees.map(each));
  await saveCoverage(coverageFile, { known, files });
  return {
    known,
    files: tests.length === 0 ? files : new Map([...files].filter(([file]) => tests.includes(file))),
  };
}
