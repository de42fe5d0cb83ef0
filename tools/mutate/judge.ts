import type { Mutant } from "./mutants.ts";
import type { Step } from "./plan.ts";
import type { TestRun, Tree } from "./tree.ts";

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
  /** Told of a file of tests that fails with no mutant awake either. */
  onred(file: string): void;
}

/** What loading the modules of a file of tests and starting Deno takes, at most, on a busy machine. */
const START_MS = 20_000;
/** How many times longer than without a mutant a test may take. */
const PATIENCE = 4;
const MIN_TEST_TIMEOUT_MS = 5000;

/** Runs the tests that may notice `mutant` until one does. */
export async function judge(
  tree: Pick<Tree, "wake" | "run">,
  { mutant, steps }: { mutant: Mutant; steps: readonly Step[] },
  { maxMs, onred }: JudgeOptions,
): Promise<Verdict> {
  const startMs = performance.now();
  const elapsed = () => Math.round(performance.now() - startMs);
  if (steps.length === 0) return { mutant, outcome: "unreached", by: "", ms: 0 };
  let ran = 0;
  for (const step of steps) {
    if (elapsed() > maxMs) break;
    ran++;
    await tree.wake(mutant.id);
    const { isOk, isTimeout, output } = await tree.run(testRun(step));
    if (isOk) continue;
    const name = isTimeout ? undefined : failedTest(output);
    // A test that fails without the mutant too, as on a machine that is too busy, has not noticed it.
    await tree.wake("");
    const again = await tree.run(testRun(name === undefined ? step : { ...step, names: [name] }));
    if (!again.isOk) {
      onred(step.file);
      continue;
    }
    if (isTimeout) return { mutant, outcome: "timeout", by: step.file, ms: elapsed() };
    return { mutant, outcome: "killed", by: `${step.file}: ${name ?? lastLine(output)}`, ms: elapsed() };
  }
  const isPartial = ran < steps.length;
  return { mutant, outcome: "survived", by: `${ran} of ${steps.length} files`, ms: elapsed(), isPartial };
}

function testRun({ file, names, ms, longestMs }: Step): TestRun {
  return {
    file,
    names,
    preload: "tests/helpers/time_limit.ts",
    maxMs: START_MS + PATIENCE * ms,
    testTimeoutMs: Math.max(MIN_TEST_TIMEOUT_MS, PATIENCE * longestMs),
  };
}

/** The first test that failed; undefined when the file could not even be loaded. */
function failedTest(output: string): string | undefined {
  const failures = output.split(/^ FAILURES $/m)[1] ?? "";
  return /^(.+?) => .*$/m.exec(failures)?.[1];
}

function lastLine(output: string): string {
  return output.trim().split("\n").at(-1) ?? "";
}
