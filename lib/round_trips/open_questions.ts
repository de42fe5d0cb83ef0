import { abortError } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, ownEntry } from "../base/json.ts";
import type { AskOptions } from "../call/call.ts";
import { checkAnswerable } from "../call/client_capabilities.ts";
import { type Params, RawObject } from "../wire/raw_object.ts";
import type { Result } from "../wire/rpc.ts";
import { answerForNobody, checkedAnswer, faultOf, fillsIn } from "./input_answers.ts";

/** A name that serves as a key: of a field a person fills in. */
const FIELD_NAME = /^[A-Za-z][\w.-]{0,63}$/;

/** A question of a call that its client has not answered. */
interface OpenQuestion {
  readonly key: string;
  readonly method: string;
  readonly params: JsonObject;
  readonly resolve: (answer: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** The questions of one call that are not answered, each with a key that no other question of the call has had. */
export class OpenQuestions {
  readonly #open = new Map<string, OpenQuestion>();
  readonly #used = new Set<string>();
  readonly #onWithdrawn: () => void;
  #count = 0;

  /** @param onWithdrawn called when a question is no longer of interest to the one who asked it */
  constructor(onWithdrawn: () => void) {
    this.#onWithdrawn = onWithdrawn;
  }

  get size(): number {
    return this.#open.size;
  }

  /**
   * Adds a question; resolves with its answer.
   *
   * @param given answers the client sent before it was asked: one that is named after what is asked for is taken, or
   * the only one that fills in the form. Servers of the legacy era give their questions no names that a client could know
   * @throws {ExaiError} the reason of the signal, `TIMEOUT`
   */
  async add(method: string, params: Params, options: AskOptions = {}, given?: JsonObject): Promise<Result> {
    const { signal, timeoutMs } = options;
    if (signal?.aborted) throw abortError(signal);
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    const shown = shownParams(params);
    const field = method === "elicitation/create" ? onlyField(shown) : undefined;
    const isNamed = field !== undefined && !this.#used.has(field);
    const early = given && this.#given(given, { method, params: shown, name: isNamed ? field : undefined });
    if (early) {
      this.#used.add(early.key);
      return { result: early.answer as JsonObject };
    }
    const key = isNamed ? field : this.#numbered();
    this.#used.add(key);
    this.#open.set(key, { key, method, params: shown, resolve, reject });
    const withdraw = (error: ExaiError) => {
      if (!this.#open.delete(key)) return;
      reject(error);
      this.#onWithdrawn();
    };
    const onAbort = () => withdraw(abortError(signal!));
    signal?.addEventListener("abort", onAbort, { once: true });
    const timer = timeoutMs === undefined ? undefined : setTimeout(
      () => withdraw(new ExaiError("TIMEOUT", `the client did not answer ${method} within ${timeoutMs} ms`)),
      timeoutMs,
    );
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
  }

  /** The one among `given`, answers that came unasked, that answers a question; each answers one only. */
  #given(
    given: JsonObject,
    { method, params, name }: { method: string; params: JsonObject; name: string | undefined },
  ): { key: string; answer: Json } | undefined {
    const named = name === undefined ? undefined : ownEntry(given, name);
    if (named !== undefined && faultOf(method, named) === undefined) return { key: name!, answer: named };
    if (method !== "elicitation/create") return undefined;
    const fitting = Object.entries(given).filter(([key, answer]) =>
      !this.#used.has(key) && fillsIn(params.requestedSchema, answer)
    );
    const [[key, answer] = [], ...others] = fitting;
    return key !== undefined && answer !== undefined && others.length === 0 ? { key, answer } : undefined;
  }

  #numbered(): string {
    let key: string;
    do key = `q${++this.#count}`; while (this.#used.has(key));
    return key;
  }

  /** The questions as `inputRequests` (MCP schema, InputRequests). */
  toJson(): JsonObject {
    return Object.fromEntries(
      this.#open.values().map(({ key, method, params }) => [key, { method, params }]),
    );
  }

  /**
   * Settles the questions that `responses` have an answer to; others are not looked at.
   *
   * @throws {ExaiError} `INVALID_PARAMS` when one of the answers is invalid; none is taken then
   */
  settle(responses: JsonObject): void {
    const answered = [...this.#open.values()].filter(({ key }) => ownEntry(responses, key) !== undefined);
    const answers = answered.map(({ key, method }) => checkedAnswer(method, key, responses[key]));
    for (const [i, { key, resolve }] of answered.entries()) {
      this.#open.delete(key);
      resolve(answers[i]!);
    }
  }

  /** Refuses the questions that a client with `capabilities` cannot be asked. */
  refuseBeyond(capabilities: JsonObject): void {
    for (const { key, method, params, reject } of [...this.#open.values()]) {
      try {
        checkAnswerable(method, params, capabilities);
      } catch (thrown) {
        this.#open.delete(key);
        reject(thrown);
      }
    }
  }

  /** Refuses every question. */
  refuse(why: ExaiError): void {
    for (const { key, reject } of [...this.#open.values()]) {
      this.#open.delete(key);
      reject(why);
    }
  }

  /** Answers every question, as nobody else will. */
  giveUp(why: string): void {
    for (const { key, method, resolve, reject } of [...this.#open.values()]) {
      this.#open.delete(key);
      try {
        resolve(answerForNobody(method, why));
      } catch (thrown) {
        reject(thrown);
      }
    }
  }
}

/** `params` as a client of the modern era gets them: without what only a request on a connection of its own can have. */
function shownParams(params: Params): JsonObject {
  const { elicitationId: _, task: __, _meta, ...rest } = params instanceof RawObject ? params.exact : params;
  if (!isObject(_meta)) return rest;
  const { progressToken: ___, ...meta } = _meta;
  return Object.keys(meta).length === 0 ? rest : { ...rest, _meta: meta };
}

/** The name of the one field that a form asks for. */
function onlyField({ mode = "form", requestedSchema }: JsonObject): string | undefined {
  const properties = isObject(requestedSchema) ? requestedSchema.properties : undefined;
  const names = mode === "form" && isObject(properties) ? Object.keys(properties) : [];
  return names.length === 1 && FIELD_NAME.test(names[0]!) ? names[0] : undefined;
}
