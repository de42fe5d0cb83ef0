import { ExaiError } from "../base/errors.ts";
import { exactJson, isObject, type JsonObject } from "../base/json.ts";
import { MIB } from "../base/units.ts";
import type { FinalStatus, TaskRecord, TaskRecords } from "../call/task_records.ts";
import { toRpcError } from "../wire/codes.ts";
import { type DatabaseEvents, openStatements, type ResilientDatabase } from "./resilient_database.ts";
import type { Statements } from "./sqlite/sql.ts";

const MIGRATIONS: readonly string[] = [
  `CREATE TABLE task (
     id TEXT PRIMARY KEY,
     owner TEXT NOT NULL,
     boot TEXT NOT NULL, -- of the daemon it ran in
     created_ms INTEGER NOT NULL,
     updated_ms INTEGER NOT NULL,
     ttl_ms INTEGER NOT NULL,
     status TEXT, -- null: it runs
     chars INTEGER NOT NULL,
     outcome TEXT NOT NULL -- JSON
   ) STRICT;
   CREATE INDEX task_by_age ON task (updated_ms, chars);`,
];

const SQL = {
  add: "INSERT OR REPLACE INTO task VALUES (?, ?, ?, ?, ?, ?, NULL, 0, '{}')",
  finish:
    "UPDATE task SET status = ?, updated_ms = ?, outcome = ?, chars = ? WHERE id = ? AND status IS NULL",
  interrupt: "UPDATE task SET status = 'failed', updated_ms = ?, outcome = ?, chars = ? " +
    "WHERE status IS NULL AND boot <> ?",
  get: "SELECT * FROM task WHERE id = ?",
  size: "SELECT count(*) AS tasks, coalesce(sum(chars), 0) AS chars FROM task",
  dropExpired: "DELETE FROM task WHERE status IS NOT NULL AND created_ms + ttl_ms <= ?",
  dropOldest: "DELETE FROM task WHERE id = (SELECT id FROM task WHERE status IS NOT NULL AND id <> ? " +
    "ORDER BY updated_ms LIMIT 1)",
} as const;

type TaskStatements = Statements<keyof typeof SQL>;

interface TaskStoreOptions extends DatabaseEvents {
  /** How many tasks are kept, the running ones included; the oldest that have ended make room. */
  maxTasks?: number;
  /** The size of all outcomes together, in UTF-16 code units. */
  maxChars?: number;
  /** The time in milliseconds since 1970. */
  now?: () => number;
}

const MAX_TASKS = 10_000;
const MAX_CHARS = 256 * MIB;

/** What a client is told of a task that ran when the daemon ended, in place of its outcome. */
const INTERRUPTED: JsonObject = {
  error: {
    ...toRpcError(
      new ExaiError(
        "OUTCOME_UNKNOWN",
        "the daemon ended while this task ran: it may have been done, in part or whole; begin it again only if that does no harm",
      ),
    ),
  },
};

/**
 * Tasks in SQLite. Faults are logged, not thrown: a task that runs then is written once the file can be written again,
 * and one that ends meanwhile is not kept.
 */
export class SqliteTaskStore implements TaskRecords, Disposable {
  readonly #file: ResilientDatabase<TaskStatements>;
  readonly #boot = crypto.randomUUID();
  /** Those of this daemon: a file that was replaced gets them again. */
  readonly #running = new Map<string, Parameters<TaskRecords["add"]>[0]>();
  readonly #options: TaskStoreOptions;

  constructor(path: string, options: TaskStoreOptions = {}) {
    this.#options = options;
    this.#file = openStatements({
      path,
      what: "the record of tasks",
      migrations: MIGRATIONS,
      sql: SQL,
      onChange: options.onChange,
      onQuarantine: options.onQuarantine,
      onOpen: (sql) => this.#opened(sql),
    });
  }

  /** Why the file cannot be used now, in a sentence. */
  get fault(): string | undefined {
    return this.#file.fault;
  }

  add(task: Parameters<TaskRecords["add"]>[0]): void {
    this.#running.set(task.taskId, task);
    this.#file.write((sql) => this.#insert(sql, task));
  }

  finish(
    taskId: string,
    { status, updatedAtMs, outcome }: { status: FinalStatus; updatedAtMs: number; outcome: JsonObject },
  ): boolean {
    this.#running.delete(taskId);
    const text = JSON.stringify(outcome);
    const changed = this.#file.write((sql) => {
      const { changes } = sql.finish.run(status, updatedAtMs, text, text.length, taskId);
      this.#makeRoom(sql, taskId);
      return Number(changes);
    });
    return changed === 1;
  }

  get(taskId: string): TaskRecord | undefined {
    const row = this.#file.use((sql) => sql.get.get(taskId));
    if (!row) return undefined;
    const task = recordOf(row);
    const isOver = task.status !== undefined && task.createdAtMs + task.ttlMs <= this.#now();
    return isOver ? undefined : task;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }

  /** The tasks of daemons that have ended run no more. */
  #opened(sql: TaskStatements): void {
    const text = JSON.stringify(INTERRUPTED);
    sql.interrupt.run(this.#now(), text, text.length, this.#boot);
    for (const task of this.#running.values()) if (!sql.get.get(task.taskId)) this.#insert(sql, task);
    this.#makeRoom(sql, "");
  }

  #insert(
    sql: TaskStatements,
    { taskId, owner, createdAtMs, ttlMs }: Parameters<TaskRecords["add"]>[0],
  ): void {
    sql.add.run(taskId, owner, this.#boot, createdAtMs, createdAtMs, ttlMs);
  }

  /** Drops what is too old, and the oldest of what is too much; `latest` stays. */
  #makeRoom(sql: TaskStatements, latest: string): void {
    const { maxTasks = MAX_TASKS, maxChars = MAX_CHARS } = this.#options;
    sql.dropExpired.run(this.#now());
    for (;;) {
      const { tasks, chars } = sql.size.get() ?? {};
      if (Number(tasks) <= maxTasks && Number(chars) <= maxChars) return;
      if (Number(sql.dropOldest.run(latest).changes) === 0) return;
    }
  }
}

function recordOf(row: Record<string, unknown>): TaskRecord {
  const outcome = exactJson(String(row.outcome));
  return {
    taskId: String(row.id),
    owner: String(row.owner),
    createdAtMs: Number(row.created_ms),
    updatedAtMs: Number(row.updated_ms),
    ttlMs: Number(row.ttl_ms),
    status: row.status === null ? undefined : String(row.status) as FinalStatus,
    outcome: isObject(outcome) ? outcome : {},
  };
}
