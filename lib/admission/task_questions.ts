import { ExaiError } from "../base/errors.ts";
import type { JsonObject } from "../base/json.ts";
import { MINUTE_MS } from "../base/units.ts";
import { askOnce, type AskOptions } from "../call/call.ts";
import { answerForNobody, checkedAnswer } from "../round_trips/input_answers.ts";
import { type Params, RawObject } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";

/** How long a client may leave a question of its task unanswered: what the call holds is held meanwhile. */
const ANSWER_MS = 10 * MINUTE_MS;

interface OpenQuestion {
  readonly method: string;
  readonly params: JsonObject;
  settle(answer: Result): void;
}

/**
 * What a task asks its client, until it is answered (SEP-2663, task update requests). No key is used for two questions of
 * one task.
 */
export class TaskQuestions {
  readonly #open = new Map<string, OpenQuestion>();
  readonly #onChange: () => void;
  #count = 0;

  /** @param onChange called when a question is asked, or is no longer open */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  get size(): number {
    return this.#open.size;
  }

  /** The open questions by their keys, as `inputRequests`. */
  get requests(): JsonObject {
    return Object.fromEntries(
      Array.from(this.#open, ([key, { method, params }]) => [key, { method, params }]),
    );
  }

  /**
   * The client's answer.
   *
   * @throws {ExaiError} `CANCELLED` or `TIMEOUT`
   */
  async ask(method: string, params: Params, options: AskOptions = {}): Promise<Result> {
    return await askOnce(options, () => this.#ask(method, params, options));
  }

  async #ask(method: string, params: Params, { signal, timeoutMs = ANSWER_MS }: AskOptions): Promise<Result> {
    signal?.throwIfAborted();
    const key = `q${++this.#count}`;
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const onAbort = () => reject(ExaiError.from(signal?.reason));
    signal?.addEventListener("abort", onAbort, { once: true });
    const timer = setTimeout(() => {
      try {
        resolve(answerForNobody(method, "its task was not updated in time"));
      } catch (thrown) {
        reject(thrown);
      }
    }, Math.min(timeoutMs, ANSWER_MS));
    this.#open.set(key, { method, params: shown(params), settle: resolve });
    this.#onChange();
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      this.#open.delete(key);
      this.#onChange();
    }
  }

  /**
   * Answers the open questions among `responses`; others were answered before, or never asked, and are ignored.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when an answer is none to its question; no question is then answered
   */
  answer(responses: JsonObject): void {
    const answers = Object.entries(responses).flatMap(([key, response]) => {
      const question = this.#open.get(key);
      return question ? [{ key, question, answer: checkedAnswer(question.method, key, response) }] : [];
    });
    for (const { key, question, answer } of answers) {
      // From now on the key is no longer open, whatever is sent next.
      this.#open.delete(key);
      question.settle(answer);
    }
  }
}

/** The params of a question as they are shown: a client that answers by another request reports no progress about it. */
function shown(params: Params): JsonObject {
  const { _meta, task: _, ...rest } = params instanceof RawObject ? params.exact : params;
  return rest;
}
