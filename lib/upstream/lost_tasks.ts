import { ExaiError } from "../base/errors.ts";
import { textOf } from "../base/json.ts";
import { quoteValue } from "../base/quote.ts";
import type { Call } from "../call/call.ts";
import type { Result } from "../wire/rpc.ts";
import { MAX_HANDLES, Owners } from "./owners.ts";

/** The handles given out on connections that are over: a server may keep what they name, and nobody else may have it. */
export class LostTasks {
  readonly owners = new Owners();
  /** Why the connection of each is over, in the order they were lost. */
  readonly #why = new Map<string, string>();

  /** A connection is over on which `owners` were given their handles. */
  add(owners: Owners, why: string): void {
    for (const handle of this.owners.takeOver(owners)) this.#why.set(handle, this.#why.get(handle) ?? why);
    for (const oldest of this.#why.keys()) {
      if (this.#why.size <= MAX_HANDLES) break;
      this.#why.delete(oldest);
    }
  }

  /**
   * The answer to a call about a task that no running connection has begun: the server's own where it knows the task all
   * the same.
   *
   * @throws {ExaiError} `INVALID_PARAMS` that says what has become of the caller's task
   */
  explained({ caller, params }: Call, answer: Result): Result {
    const taskId = textOf(params.taskId) ?? "";
    const why = this.#why.get(taskId);
    if (!answer.error || why === undefined || this.owners.get(taskId)?.id !== caller.id) return answer;
    throw new ExaiError(
      "INVALID_PARAMS",
      `task ${quoteValue(taskId)} is lost: ${why}, and on the next connection it is not known ` +
        `(${answer.error.message}); it may have run: begin it again if that does no harm`,
    );
  }
}
