import { messageOf } from "../../lib/base/errors.ts";
import { isEnding } from "../lib/held.ts";
import { Contestant } from "./contestant.ts";
import type { SubjectResult } from "./result.ts";
import { NotAvailable, type Shape, type Subject } from "./subject.ts";
import { measureWindows } from "./windows.ts";

export interface SuiteOptions {
  /** Rounds of each work; those of the subjects alternate, so that a slow moment of the machine hits all alike. */
  rounds: number;
  roundMs: number;
  idleMs: number;
  /** Windows opened to see what each adds. */
  windows: number;
  onstep(what: string): void;
}

/** Large texts run for a shorter time, but for at least this many calls. */
const LARGE = { share: 0.7, minCalls: 3 };
const WARM_UP_SHARE = 0.7;

/** Measures every subject: first alone, what windows cost, then all in turns under each workload. */
export async function runSuite(
  subjects: readonly Subject[],
  options: SuiteOptions,
): Promise<SubjectResult[]> {
  const results = subjects.map(({ name, role }): SubjectResult => ({ name, role, loads: [] }));
  for (const [i, subject] of subjects.entries()) {
    if (!subject.hasWindows) continue;
    options.onstep(`windows: ${subject.name}`);
    await attempt(results[i]!, async () => {
      results[i]!.windows = await measureWindows(subject, options);
    });
  }
  await measureLoads(subjects, results, options);
  return results;
}

async function measureLoads(
  subjects: readonly Subject[],
  results: SubjectResult[],
  options: SuiteOptions,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const contestants: (Contestant | undefined)[] = [];
  for (const [i, subject] of subjects.entries()) {
    if (results[i]!.unavailable !== undefined) continue;
    await attempt(results[i]!, async () => {
      contestants[i] = stack.use(await Contestant.start(subject));
    });
  }
  const shapes = [...new Map(subjects.flatMap(({ shapes }) => shapes).map((shape) => [shape, shape])).keys()];
  // Small first: a subject that cannot bear large texts may not survive them.
  const groups = [shapes.filter(isSmall), shapes.filter((shape) => !isSmall(shape))];
  for (const group of groups.filter((group) => group.length > 0)) {
    for (let round = 1; round <= options.rounds; round++) {
      options.onstep(`${isSmall(group[0]!) ? "calls" : "large texts"}: round ${round} of ${options.rounds}`);
      for (const shape of group) await oneRound(contestants, shape, options);
    }
  }
  for (const [i, contestant] of contestants.entries()) results[i]!.loads = contestant?.results() ?? [];
}

async function oneRound(
  contestants: readonly (Contestant | undefined)[],
  shape: Shape,
  { roundMs }: SuiteOptions,
): Promise<void> {
  const durationMs = isSmall(shape) ? roundMs : roundMs * LARGE.share;
  const minCalls = isSmall(shape) ? 1 : LARGE.minCalls;
  for (const contestant of contestants) {
    if (!contestant?.subject.shapes.includes(shape)) continue;
    await contestant.work(shape, { durationMs, minCalls, warmUpMs: durationMs * WARM_UP_SHARE });
  }
}

function isSmall({ payloadBytes }: Shape): boolean {
  return payloadBytes === undefined;
}

/** Notes in `result` what `work` fails with. */
async function attempt(result: SubjectResult, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (thrown) {
    if (isEnding()) throw thrown;
    const what = thrown instanceof NotAvailable ? "not available" : "failed";
    result.unavailable = `${what}: ${messageOf(thrown)}`;
  }
}
