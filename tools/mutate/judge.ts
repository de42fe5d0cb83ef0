import type { Mutant } from "./mutants.ts";
import type { Step } from "./plan.ts";
import type { Tree } from "./tree.ts";

export type Outcome = "killed" | "timeout" | "survived" | "unreached";

export interface Verdict {
  mutant: Mutant;
  outcome: Outcome;
  /** The test that failed, or the file whose tests ran too long; how many files ran for one that survived. */
  by: string;
  ms: number;
  /** Not every test that reaches it was run, for want of time. */
  isPartial?: boolean;
}

export interface JudgeOptions {
  /** No further file of tests is begun for a mutant after this. */
  maxMs: number;
}

/** What loading the modules of a file of tests and starting Deno takes, at most, on a busy machine. */
const START_MS = 20_000;
/** How many times longer than without a mutant a test may take. */
const PATIENCE = 4;
const MIN_TEST_TIMEOUT_MS = 5000;

/** Runs the tests that may notice `mutant` until one does. */
export async function judge(
  tree: Tree,
  { mutant, steps }: { mutant: Mutant; steps: readonly Step[] },
  { maxMs }: JudgeOptions,
): Promise<Verdict> {
  const startMs = performance.now();
  const elapsed = () => Math.round(performance.now() - startMs);
  if (steps.length === 0) return { mutant, outcome: "unreached", by: "", ms: 0 };
  await tree.wake(mutant.id);
  let ran = 0;
  for (const { file, names, ms, longestMs } of steps) {
    if (elapsed() > maxMs) break;
    const { isOk, isTimeout, output } = await tree.run({
      file,
      names,
      preload: "tests/helpers/time_limit.ts",
      maxMs: START_MS + PATIENCE * ms,
      testTimeoutMs: Math.max(MIN_TEST_TIMEOUT_MS, PATIENCE * longestMs),
    });
    ran++;
    if (isTimeout) return { mutant, outcome: "timeout", by: file, ms: elapsed() };
    if (!isOk) return { mutant, outcome: "killed", by: `${file}: ${failedTest(output)}`, ms: elapsed() };
  }
  const isPartial = ran < steps.length;
  return { mutant, outcome: "survived", by: `${ran} of ${steps.length} files`, ms: elapsed(), isPartial };
}

function failedTest(output: string): string {
  const failures = output.split(/^ FAILURES $/m)[1] ?? output;
  return /^(.+?) => /m.exec(failures)?.[1] ?? output.trim().split("\n").at(-1) ?? "";
}
