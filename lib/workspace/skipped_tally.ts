import type { Skipped, WhySkipped } from "./workspace.ts";

/** Files that are named for each reason; a directory may hold thousands. */
const MAX_EXAMPLES = 10;
/** Reasons that are told apart; one may quote git. */
const MAX_REASONS = 20;

/** Counts what a listing leaves out by reason, in bounded space. */
export class SkippedTally {
  readonly #byReason = new Map<string, { why: WhySkipped; count: number; paths: string[] }>();
  readonly #shownAs: (path: string) => Promise<string>;

  /** @param shownAs the displayed form of a path */
  constructor(shownAs: (path: string) => Promise<string>) {
    this.#shownAs = shownAs;
  }

  /** @param why a reason alone is none of a secret */
  add(why: WhySkipped | string, path: string): void {
    const { reason, kind } = typeof why === "string" ? { reason: why, kind: "skipped" as const } : why;
    const known = this.#byReason.get(reason);
    if (known === undefined && this.#byReason.size >= MAX_REASONS) return;
    const group = known ?? { why: { reason, kind }, count: 0, paths: [] };
    group.count++;
    if (group.paths.length < MAX_EXAMPLES) group.paths.push(path);
    this.#byReason.set(reason, group);
  }

  list(): Promise<Skipped[]> {
    const groups = Array.from(this.#byReason.values(), async ({ why, count, paths }) => ({
      ...why,
      count,
      examples: await Promise.all(paths.map(this.#shownAs)),
    }));
    return Promise.all(groups);
  }
}
