import type { StatementSync } from "node:sqlite";

/** Most numbers kept; a look-up in the file takes some ten microseconds. */
const MAX_NAMES = 1000;

/** Three names that are one row of a table: of an origin, or of a target. */
type Names = readonly [string, string, string];

/** The row numbers of names, in front of their table. */
export class NameNumbers {
  readonly #numbers = new Map<string, Map<string, Map<string, number>>>();
  #size = 0;

  /** The row number of `names`, which `add` inserts if they are new. */
  of(names: Names, add: StatementSync): number {
    const [first, second, third] = names;
    return this.#numbers.get(first)?.get(second)?.get(third) ?? this.#add(names, add);
  }

  /** Forgets all numbers, as when the table is another one. */
  clear(): void {
    this.#numbers.clear();
    this.#size = 0;
  }

  #add(names: Names, add: StatementSync): number {
    if (this.#size >= MAX_NAMES) this.clear();
    const number = Number(add.get(...names)!.number);
    const [first, second, third] = names;
    const bySecond = this.#numbers.get(first) ?? new Map<string, Map<string, number>>();
    const byThird = bySecond.get(second) ?? new Map<string, number>();
    this.#numbers.set(first, bySecond.set(second, byThird.set(third, number)));
    this.#size++;
    return number;
  }
}
