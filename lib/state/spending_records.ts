import { HOUR_MS } from "../base/units.ts";
import { type DatabaseEvents, openStatements, type ResilientDatabase } from "./resilient_database.ts";
import type { Statements } from "./sqlite/sql.ts";

/** What a provider was used for on one day. */
interface DaySpending {
  inputTokens: number;
  outputTokens: number;
  /** In US dollars, of the requests with a known price. */
  usd?: number;
}

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE spending (
     day TEXT NOT NULL, -- in local time, as 2026-08-19
     provider TEXT NOT NULL,
     input_tokens INTEGER NOT NULL,
     output_tokens INTEGER NOT NULL,
     usd_millionths INTEGER, -- null: no price was known
     PRIMARY KEY (day, provider)
   ) STRICT, WITHOUT ROWID;`,
];

const SQL = {
  of: "SELECT provider, input_tokens, output_tokens, usd_millionths FROM spending WHERE day = ?",
  set: "INSERT OR REPLACE INTO spending VALUES (?, ?, ?, ?, ?)",
  deleteBefore: "DELETE FROM spending WHERE day < ?",
} as const;

type SpendingStatements = Statements<keyof typeof SQL>;

const MILLIONTHS = 1_000_000;
const KEPT_DAYS = 400;

/**
 * What each provider was used for on each day, in SQLite. Faults are logged, not thrown: the current day is then kept in
 * memory, and written once the file can be written again.
 */
export class SqliteSpendingRecords implements Disposable {
  readonly #file: ResilientDatabase<SpendingStatements>;
  /** The day in memory. */
  #day = "";
  #spent = new Map<string, DaySpending>();
  /** Whether the file could be read, so that `#spent` has all of the day. */
  #isWhole = false;

  constructor(path: string, { onChange, onQuarantine }: DatabaseEvents = {}) {
    this.#file = openStatements({
      path,
      what: "the record of what models cost",
      migrations: MIGRATIONS,
      sql: SQL,
      onChange,
      onQuarantine,
      onOpen: (sql) => this.#opened(sql),
    });
  }

  /** Why the file cannot be used now, in a sentence. */
  get fault(): string | undefined {
    return this.#file.fault;
  }

  add(day: string, provider: string, spent: DaySpending): void {
    this.#turnTo(day);
    const sum = add(this.#spent.get(provider), spent);
    this.#spent.set(provider, sum);
    this.#file.write((sql) => sql.set.run(...toRow(day, provider, sum)));
  }

  of(day: string): ReadonlyMap<string, DaySpending> {
    this.#turnTo(day);
    return this.#spent;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  #turnTo(day: string): void {
    if (day === this.#day) return;
    this.#day = day;
    // Reading may find the file damaged, and a new one is then given what is in memory: none of another day.
    this.#spent = new Map();
    this.#isWhole = false;
    const found = this.#file.use((sql) => read(sql, day));
    if (found !== undefined) {
      this.#spent = found;
      this.#isWhole = true;
    }
    const oldest = new Date(Date.parse(day) - KEPT_DAYS * 24 * HOUR_MS).toISOString().slice(0, 10);
    this.#file.write((sql) => sql.deleteBefore.run(oldest));
  }

  /** Another file than before, or one that could not be used, gets the day in memory. */
  #opened(sql: SpendingStatements): void {
    if (this.#day === "") return;
    const before = this.#isWhole ? [] : read(sql, this.#day);
    for (const [provider, spent] of before) this.#spent.set(provider, add(this.#spent.get(provider), spent));
    this.#isWhole = true;
    for (const [provider, spent] of this.#spent) sql.set.run(...toRow(this.#day, provider, spent));
  }
}

function read(sql: SpendingStatements, day: string): Map<string, DaySpending> {
  return new Map(
    sql.of.all(day).map(({ provider, input_tokens, output_tokens, usd_millionths }) => [String(provider), {
      inputTokens: Number(input_tokens),
      outputTokens: Number(output_tokens),
      usd: usd_millionths === null ? undefined : Number(usd_millionths) / MILLIONTHS,
    }]),
  );
}

function toRow(day: string, provider: string, { inputTokens, outputTokens, usd }: DaySpending) {
  const millionths = usd === undefined ? null : Math.round(usd * MILLIONTHS);
  return [day, provider, Math.round(inputTokens), Math.round(outputTokens), millionths];
}

function add(a: DaySpending | undefined, b: DaySpending): DaySpending {
  if (a === undefined) return b;
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    usd: a.usd === undefined ? b.usd : a.usd + (b.usd ?? 0),
  };
}
