import type { Verdict } from "./judge.ts";

/** What came of each mutant when it was last tried, kept between runs: one line for each trial. */
export class Verdicts {
  readonly #path: string;
  readonly #byKey: Map<string, Verdict>;

  private constructor(path: string, lines: readonly Verdict[]) {
    this.#path = path;
    this.#byKey = new Map(lines.map((verdict) => [verdict.mutant.key, verdict]));
  }

  static async open(path: string): Promise<Verdicts> {
    const text = await Deno.readTextFile(path).catch(() => "");
    // The last line is not whole when the run that wrote it was killed.
    const lines = text.split("\n").slice(0, -1);
    return new Verdicts(path, lines.map((line) => JSON.parse(line)));
  }

  get(key: string): Verdict | undefined {
    return this.#byKey.get(key);
  }

  /** Keys of the mutants that lived. */
  get survivors(): ReadonlySet<string> {
    const lives = this.#byKey.values().filter(({ outcome }) =>
      outcome === "survived" || outcome === "unreached"
    );
    return new Set(lives.map(({ mutant }) => mutant.key));
  }

  async add(verdict: Verdict): Promise<void> {
    this.#byKey.set(verdict.mutant.key, verdict);
    await Deno.writeTextFile(this.#path, JSON.stringify(verdict) + "\n", { append: true });
  }
}
