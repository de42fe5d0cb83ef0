import type { TaskRecords } from "../../lib/call/task_records.ts";

/** Keeps no task: those that have ended are then kept in memory, as with a disk that cannot be written. */
export const NO_TASK_RECORDS: TaskRecords = {
  add() {},
  finish: () => false,
  get: () => undefined,
};

/** What `CallTimeouts` is made with where a test looks at no task. */
export const NO_TASKS = { records: NO_TASK_RECORDS };
