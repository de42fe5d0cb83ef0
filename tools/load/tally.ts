/** Whether a call runs at most once, or may be repeated. */
export type CounterTool = "count" | "look";

/** How a call ended: it ran, or the code of its error. */
export type Outcome = "ran" | (string & Record<never, never>);

interface Row {
  tool: CounterTool;
  outcome?: Outcome;
}

/** Codes that say of a call that it has not run. */
const NEVER_RAN = new Set([
  "DAEMON_UNAVAILABLE",
  "INVALID_REQUEST",
  "OVER_CAPACITY",
  "SHUTTING_DOWN",
  "TOOL_NOT_FOUND",
  "UNAUTHORIZED",
]);

/** What became of all calls, and what of it must not be. */
export interface Verdict {
  calls: number;
  /** Calls that were answered with what the tool gave. */
  ran: number;
  /** Calls that were answered with an error, by its code. */
  errors: Record<string, number>;
  /** Calls that have no answer. */
  lost: string[];
  /** Answers to another call or another window, to none, or that say something else than the tool did. */
  wrong: string[];
  /** Calls of the tool that must not be run twice, and were. */
  doubled: string[];
  /** Executions beyond the first of the tool that may be run again. */
  rerun: number;
  /** Calls of the tool that must not be run twice whose answer says that they have not run, and have. */
  denied: string[];
}

/** What a window tells of its calls. */
export interface Account {
  begin(label: string, tool: CounterTool): void;
  end(label: string, outcome: Outcome): void;
  wrong(what: string): void;
}

/** Keeps the account of every call, to be held against the counter's record. */
export class Tally implements Account {
  readonly #rows = new Map<string, Row>();
  readonly #wrong: string[] = [];

  begin(label: string, tool: CounterTool): void {
    this.#rows.set(label, { tool });
  }

  end(label: string, outcome: Outcome): void {
    const row = this.#rows.get(label);
    if (!row) return this.wrong(`an answer to ${label}, which nobody asked`);
    if (row.outcome !== undefined) return this.wrong(`a second answer to ${label}`);
    row.outcome = outcome;
  }

  wrong(what: string): void {
    this.#wrong.push(what.slice(0, 300));
  }

  /** @param executed the label of each execution, as the counter has recorded them */
  judge(executed: readonly string[]): Verdict {
    const times = Map.groupBy(executed, (label) => label);
    const verdict: Verdict = {
      calls: this.#rows.size,
      ran: 0,
      errors: {},
      lost: [],
      wrong: [...this.#wrong],
      doubled: [],
      rerun: 0,
      denied: [],
    };
    for (const [label, row] of this.#rows) {
      judgeRow(verdict, { label, ...row }, times.get(label)?.length ?? 0);
    }
    for (const label of times.keys()) {
      if (!this.#rows.has(label)) verdict.wrong.push(`${label} ran and was never called`);
    }
    return verdict;
  }
}

function judgeRow(verdict: Verdict, { label, tool, outcome }: Row & { label: string }, runs: number): void {
  if (outcome === undefined) verdict.lost.push(label);
  else if (outcome === "ran") {
    verdict.ran++;
    if (runs === 0) verdict.wrong.push(`${label} was answered and has not run`);
  } else verdict.errors[outcome] = (verdict.errors[outcome] ?? 0) + 1;
  if (runs > 1 && tool === "count") verdict.doubled.push(`${label} ran ${runs} times, answered ${outcome}`);
  if (runs > 1 && tool === "look") verdict.rerun += runs - 1;
  if (runs > 0 && tool === "count" && outcome !== undefined && NEVER_RAN.has(outcome)) {
    verdict.denied.push(`${label} ran, answered ${outcome}`);
  }
}

/** The label of each execution in the counter's record, in order. */
export async function readRecord(path: string): Promise<string[]> {
  const text = await Deno.readTextFile(path);
  return text.split("\n").filter((line) => line !== "");
}
