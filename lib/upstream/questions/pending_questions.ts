import type { AskOptions, Call } from "../../call/call.ts";
import type { Params } from "../../wire/raw_object.ts";
import type { Result } from "../../wire/rpc.ts";

interface PendingQuestion {
  /** The calls it may belong to that have not ended. */
  remaining: Set<Call>;
  /** The last of them that was withdrawn. */
  withdrawn?: Call;
  controller: AbortController;
}

/**
 * Questions that are not answered yet. A server does not say which call of a session its question belongs to, so it is
 * cancelled only when every call that ran when it was asked has ended and one of them was withdrawn.
 */
export class PendingQuestions {
  readonly #pending = new Set<PendingQuestion>();

  /** Adds a question that may belong to any of `calls`; its signal aborts when it is cancelled. */
  open(calls: readonly Call[]): Disposable & { signal: AbortSignal } {
    const question: PendingQuestion = { remaining: new Set(calls), controller: new AbortController() };
    this.#pending.add(question);
    return {
      signal: question.controller.signal,
      [Symbol.dispose]: () => void this.#pending.delete(question),
    };
  }

  /** A call has ended. If all were answered, the question stays: a server may ask beyond its answer. */
  callEnded(call: Call, isWithdrawn: boolean): void {
    for (const question of this.#pending) {
      if (!question.remaining.delete(call)) continue;
      if (isWithdrawn) question.withdrawn = call;
      if (question.remaining.size === 0 && question.withdrawn) {
        question.controller.abort(question.withdrawn.signal.reason);
      }
    }
  }
}

/**
 * Asks the client of `calls` one question on behalf of all of them, through the first. Each call waits for the answer,
 * and the failure of one does not delay another.
 *
 * @throws {ExaiError} what the first call fails with, if all do
 */
export async function askOnceFor(
  calls: readonly Call[],
  { method, params, options }: { method: string; params: Params; options: AskOptions },
): Promise<Result> {
  if (calls.length === 1) return await calls[0]!.ask(method, params, options);
  let asked: Promise<Result> | undefined;
  const once = (ask: () => Promise<Result>) => asked ??= ask();
  const asks = calls.map((call) => call.ask(method, params, { ...options, once }));
  return await Promise.any(asks).catch(({ errors }: AggregateError) => Promise.reject(errors[0]));
}
