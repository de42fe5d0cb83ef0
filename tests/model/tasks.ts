import type { JsonObject } from "../../lib/base/json.ts";
import { turn } from "./channel.ts";

/** How long a task is kept, in milliseconds: longer than any history lasts. */
export const TASK_TTL_MS = 600_000;
const AT = "2026-01-01T00:00:00Z";
const INVALID_PARAMS = -32602;
/** How long one takes that is not held back, in turns of the event loop. */
const TURNS = 3;

type Status = "working" | "completed" | "cancelled";

interface ModelTask {
  taskId: string;
  tag: string;
  status: Status;
  /** Whether its result was fetched, or it was cancelled: its process need not be there for it any more. */
  isDone: boolean;
  readonly over: PromiseWithResolvers<void>;
}

export type TaskAnswer = { result: JsonObject } | { error: JsonObject };

/** The tasks of one process. They are counted, so those of two processes go by the same names. */
export class ModelTasks {
  readonly #tasks = new Map<string, ModelTask>();
  readonly #held: ModelTask[] = [];
  readonly #onover: (status: JsonObject) => void;

  /** @param onover told when one is over, with what a notification says of it */
  constructor(onover: (status: JsonObject) => void) {
    this.#onover = onover;
  }

  begin(tag: string, { isHeld }: { isHeld: boolean }): JsonObject {
    const taskId = `task-${this.#tasks.size + 1}`;
    const task: ModelTask = {
      taskId,
      tag,
      status: "working",
      isDone: false,
      over: Promise.withResolvers<void>(),
    };
    this.#tasks.set(taskId, task);
    if (isHeld) this.#held.push(task);
    else void this.#finishSoon(task);
    return { task: shown(task) };
  }

  /** Completes all that was held back. */
  release(): void {
    for (const task of this.#held.splice(0)) this.#end(task, "completed");
  }

  /** Whether it still has the task of `tag`, and somebody may want it. */
  find(tag: string): Readonly<ModelTask> | undefined {
    return this.#tasks.values().find((task) => task.tag === tag);
  }

  get cancelledTags(): string[] {
    return [...this.#tasks.values()].filter(({ status }) => status === "cancelled").map(({ tag }) => tag);
  }

  async answer(method: string, { taskId }: JsonObject): Promise<TaskAnswer> {
    if (method === "tasks/list") return { result: { tasks: Array.from(this.#tasks.values(), shown) } };
    const task = this.#tasks.get(String(taskId));
    if (!task) return refusal(`no task ${taskId}`);
    if (method === "tasks/get") return { result: shown(task) };
    if (method === "tasks/cancel") {
      if (task.status !== "working") return refusal("it is over");
      task.isDone = true;
      this.#end(task, "cancelled");
      return { result: shown(task) };
    }
    await task.over.promise;
    task.isDone = true;
    if (task.status === "cancelled") return refusal("it was cancelled");
    const _meta = { "io.modelcontextprotocol/related-task": { taskId: task.taskId } };
    return { result: { content: [{ type: "text", text: task.tag }], _meta } };
  }

  async #finishSoon(task: ModelTask): Promise<void> {
    for (let i = 0; i < TURNS; i++) await turn();
    this.#end(task, "completed");
  }

  #end(task: ModelTask, status: Status): void {
    if (task.status !== "working") return;
    task.status = status;
    task.over.resolve();
    this.#onover(shown(task));
  }
}

function shown({ taskId, tag, status }: ModelTask): JsonObject {
  return { taskId, status, statusMessage: tag, createdAt: AT, lastUpdatedAt: AT, ttl: TASK_TTL_MS };
}

function refusal(message: string): TaskAnswer {
  return { error: { code: INVALID_PARAMS, message } };
}
