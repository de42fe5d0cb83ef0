import type { JsonObject } from "../base/json.ts";

/** How a task has ended (SEP-2663, task status). */
export type FinalStatus = "completed" | "failed" | "cancelled";

/** A task as it is kept: a call that goes on without its request. */
export interface TaskRecord {
  readonly taskId: string;
  /** By `ownerKey`. */
  readonly owner: string;
  /** In milliseconds since 1970, as the next. */
  readonly createdAtMs: number;
  readonly updatedAtMs: number;
  /** How long it is kept, from its creation, in milliseconds. */
  readonly ttlMs: number;
  /** Undefined while it runs. */
  readonly status: FinalStatus | undefined;
  /** `{ result }` of one that is completed, `{ error }` of one that has failed. */
  readonly outcome: JsonObject;
}

/** The tasks of this daemon and of those before it, which outlive the daemon. */
export interface TaskRecords {
  /** A task begins. */
  add(task: Pick<TaskRecord, "taskId" | "owner" | "createdAtMs" | "ttlMs">): void;
  /**
   * A task that was added has ended.
   *
   * @returns whether it is kept
   */
  finish(taskId: string, end: Pick<TaskRecord, "updatedAtMs" | "outcome"> & { status: FinalStatus }): boolean;
  /** A task that is kept; undefined: there is none, or its time is over. */
  get(taskId: string): TaskRecord | undefined;
}
