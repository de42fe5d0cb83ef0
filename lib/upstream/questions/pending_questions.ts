import type { AskOptions, Call } from "../../call/call.ts";
import type { Params } from "../../wire/raw_object.ts";
import type { Result } from "../../wire/rpc.ts";

interface PendingQuestion {
  /** The call it is asked through; undefined: it belongs to none. */
  through: Call | undefined;
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

  /**
   * `calls`, the one through which a question is to be asked first: the latest. Of a client that is asked by the answers
   * to its requests, each request is answered with one question before one is with two, as it gets no other meanwhile;
   * and one that was answered can show no more of them.
   */
  inOrder(calls: readonly Call[]): Call[] {
    const load = new Map<Call, number>();
    for (const { through } of this.#pending) if (through) load.set(through, (load.get(through) ?? 0) + 1);
    const waitOf = (call: Call) => {
      if (!call.parking) return 0;
      return (load.get(call) ?? 0) + (call.parking.isParked ? calls.length : 0);
    };
    return calls.toReversed().sort((one, other) => waitOf(one) - waitOf(other));
  }

  /** Adds a question that may belong to any of `calls` and is asked through the first; its signal aborts when it is cancelled. */
  open(calls: readonly Call[]): Disposable & { signal: AbortSignal } {
    const controller = new AbortController();
    const question: PendingQuestion = { through: calls[0], remaining: new Set(calls), controller };
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
