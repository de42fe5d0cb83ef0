import { messageOf } from "../../lib/base/errors.ts";
import { isEnding } from "../lib/held.ts";
import { Contestant } from "./contestant.ts";
import { measureCrowd } from "./crowd.ts";
import { checkNumbers, NUMBERS_SERVER } from "./numbers.ts";
import type { SubjectResult } from "./result.ts";
import { Starter } from "./start.ts";
import { NotAvailable, type Shape, type Subject } from "./subject.ts";
import { measureWindows } from "./windows.ts";

/** What can be measured by itself. Subjects are compared within a part, which measures all of them in turns. */
export const PARTS = ["start", "windows", "crowd", "calls", "large", "eras", "numbers"] as const;

export type Part = (typeof PARTS)[number];

export interface SuiteOptions {
  /** Rounds of each work; those of the subjects alternate, so that a slow moment of the machine hits all alike. */
  rounds: number;
  roundMs: number;
  idleMs: number;
  /** Windows opened to see what each adds. */
  windows: number;
  /** Windows opened to see what a busy machine's cost. */
  crowd: number;
  onstep(what: string): void;
}

/** Large texts run for a shorter time, but for at least this many calls. */
const LARGE = { share: 0.7, minCalls: 3 };
const WARM_UP_SHARE = 0.7;

/** Measures one part of every subject. */
export async function runPart(
  part: Part,
  all: readonly Subject[],
  options: SuiteOptions,
): Promise<SubjectResult[]> {
  const subjects = all.filter(({ role }) => (role === "eras") === (part === "eras"));
  const results = subjects.map(({ name, role, isBuilt }): SubjectResult => ({ name, role, isBuilt }));
  const one = async (isMeant: (subject: Subject) => boolean | undefined, measure: Measure) => {
    for (const [i, subject] of subjects.entries()) {
      if (!isMeant(subject)) continue;
      options.onstep(`${part}: ${subject.name}`);
      await attempt(results[i]!, () => measure(subject, results[i]!));
    }
  };
  switch (part) {
    case "windows":
      await one(({ hasWindows }) => hasWindows, async (subject, result) => {
        result.windows = await measureWindows(subject, options);
      });
      break;
    case "crowd":
      await one(({ hasCrowd }) => hasCrowd, async (subject, result) => {
        result.crowd = await measureCrowd(subject, options.crowd);
      });
      break;
    case "numbers":
      await one(({ role }) => role !== "own" && role !== "raw", lookAtNumbers);
      break;
    case "start":
      await measureStarts(subjects, results, options);
      break;
    case "calls":
      await measureLoads(subjects, results, { ...options, isMeant: isSmall, minCalls: 1 });
      break;
    case "eras":
      await measureLoads(subjects, results, { ...options, isMeant: () => true, minCalls: LARGE.minCalls });
      break;
    case "large": {
      const roundMs = options.roundMs * LARGE.share;
      const isMeant = (shape: Shape) => !isSmall(shape);
      await measureLoads(subjects, results, { ...options, roundMs, isMeant, minCalls: LARGE.minCalls });
    }
  }
  return results;
}

type Measure = (subject: Subject, result: SubjectResult) => Promise<void>;

async function lookAtNumbers(subject: Subject, result: SubjectResult): Promise<void> {
  await using fleet = await subject.open(NUMBERS_SERVER);
  if (fleet.window) result.numbers = await checkNumbers(fleet.window);
}

async function measureStarts(
  subjects: readonly Subject[],
  results: SubjectResult[],
  { rounds, onstep }: SuiteOptions,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const starters: (Starter | undefined)[] = [];
  for (const [i, subject] of subjects.entries()) {
    if (!subject.hasWindows) continue;
    await attempt(results[i]!, async () => {
      starters[i] = stack.use(await Starter.open(subject, results[i]!));
    });
  }
  for (let round = 1; round <= rounds; round++) {
    onstep(`start: round ${round} of ${rounds}`);
    for (const [i, starter] of starters.entries()) {
      if (!starter || results[i]!.unavailable !== undefined) continue;
      await attempt(results[i]!, () => starter.work());
    }
  }
}

interface LoadOptions extends SuiteOptions {
  isMeant: (shape: Shape) => boolean;
  minCalls: number;
}

async function measureLoads(
  subjects: readonly Subject[],
  results: SubjectResult[],
  { rounds, roundMs, isMeant, minCalls, onstep }: LoadOptions,
): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const contestants: (Contestant | undefined)[] = [];
  for (const [i, subject] of subjects.entries()) {
    const shapes = subject.shapes.filter(isMeant);
    if (shapes.length === 0) continue;
    await attempt(results[i]!, async () => {
      contestants[i] = stack.use(await Contestant.start(subject, shapes));
    });
  }
  const shapes = new Set(subjects.flatMap(({ shapes }) => shapes.filter(isMeant)));
  for (let round = 1; round <= rounds; round++) {
    onstep(`calls: round ${round} of ${rounds}`);
    for (const shape of shapes) {
      for (const contestant of contestants) {
        if (!contestant?.subject.shapes.includes(shape)) continue;
        await contestant.work(shape, { durationMs: roundMs, minCalls, warmUpMs: roundMs * WARM_UP_SHARE });
      }
    }
  }
  for (const [i, contestant] of contestants.entries()) results[i]!.loads = contestant?.results();
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
