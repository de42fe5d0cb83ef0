import type { JsonObject } from "../../base/json.ts";
import type { AskOptions, Call } from "../../call/call.ts";
import type { Result } from "../../wire/rpc.ts";

interface OpenQuestion {
  /** Those left of the calls it may be asked for. */
  left: Set<Call>;
  /** The last of them that was withdrawn. */
  withdrawn?: Call;
  over: AbortController;
}

/**
 * Questions a server waits for the answers to. It does not say for which of a session's calls it asks, so a question
 * stands for as long as one is left of those that ran when it asked.
 */
export class OpenQuestions {
  readonly #open = new Set<OpenQuestion>();

  /** A question begins that may be of any of `calls`; its signal aborts when it stands no more. */
  open(calls: readonly Call[]): Disposable & { signal: AbortSignal } {
    const question: OpenQuestion = { left: new Set(calls), over: new AbortController() };
    this.#open.add(question);
    return {
      signal: question.over.signal,
      [Symbol.dispose]: () => void this.#open.delete(question),
    };
  }

  /** Where every call was answered the question stands: that a server has answered does not mean it has done asking. */
  callEnded(call: Call, isWithdrawn: boolean): void {
    for (const question of this.#open) {
      if (!question.left.delete(call)) continue;
      if (isWithdrawn) question.withdrawn = call;
      if (question.left.size === 0 && question.withdrawn) {
        question.over.abort(question.withdrawn.signal.reason);
      }
    }
  }
}

/**
 * Asks the client of `calls` one question for all of them, on the way of the first: each is noted to wait for it, and
 * none is held up by what becomes of another.
 */
export async function askOnceFor(
  calls: readonly Call[],
  { method, params, options }: { method: string; params: JsonObject; options: AskOptions },
): Promise<Result> {
  if (calls.length === 1) return await calls[0]!.ask(method, params, options);
  let asked: Promise<Result> | undefined;
  const once = (ask: () => Promise<Result>) => asked ??= ask();
  const asks = calls.map((call) => call.ask(method, params, { ...options, once }));
  return await Promise.any(asks).catch(({ errors }: AggregateError) => Promise.reject(errors[0]));
}
