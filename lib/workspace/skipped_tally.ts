import type { Skipped } from "./workspace.ts";

/** Files that are named for each reason; a directory may hold thousands. */
const MAX_EXAMPLES = 10;
/** Reasons that are told apart; one may quote git. */
const MAX_REASONS = 20;

/** Counts what a listing leaves out by reason, in bounded space. */
export class SkippedTally {
  readonly #byReason = new Map<string, { count: number; paths: string[] }>();
  readonly #shownAs: (path: string) => Promise<string>;

  /** @param shownAs the displayed form of a path */
  constructor(shownAs: (path: string) => Promise<string>) {
    this.#shownAs = shownAs;
  }

  add(reason: string, path: string): void {
    const known = this.#byReason.get(reason);
    if (known === undefined && this.#byReason.size >= MAX_REASONS) return;
    const group = known ?? { count: 0, paths: [] };
    group.count++;
    if (group.paths.length < MAX_EXAMPLES) group.paths.push(path);
    this.#byReason.set(reason, group);
  }

  list(): Promise<Skipped[]> {
    const groups = [...this.#byReason].map(async ([reason, { count, paths }]) => ({
      reason,
      count,
      examples: await Promise.all(paths.map(this.#shownAs)),
    }));
    return Promise.all(groups);
  }
}
