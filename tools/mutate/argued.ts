import type { Mutant } from "./mutants.ts";

/** Why a mutant may survive. */
export interface Argument {
  file: string;
  operator: string;
  code: string;
  replacement: string;
  /** Whether the change has no observable effect; such a mutant does not count. */
  equivalent: boolean;
  reason: string;
}

const FILE = new URL("argued.json", import.meta.url);

/** The arguments of `argued.json`, by what they are about. */
export class Arguments {
  readonly #byMutant: ReadonlyMap<string, Argument>;

  constructor(list: readonly Argument[]) {
    this.#byMutant = new Map(list.map((argument) => [nameOf(argument), argument]));
  }

  static async read(): Promise<Arguments> {
    return new Arguments(JSON.parse(await Deno.readTextFile(FILE)));
  }

  about(mutant: Mutant): Argument | undefined {
    return this.#byMutant.get(nameOf(mutant));
  }
}

function nameOf({ file, operator, code, replacement }: Omit<Argument, "equivalent" | "reason">): string {
  return JSON.stringify([file, operator, code, replacement]);
}
