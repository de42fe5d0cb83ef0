import { isObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { findId } from "../transport/line_framer.ts";
import { isRequestId, type RequestId, type RpcResponse } from "../wire/rpc.ts";
import { malformedAnswer } from "../wire/server_message.ts";

/** A line with an answer in it may be a log of the answer, which then follows within this time. */
const FOLLOWING_MS = SECOND_MS;
/** Pending ids; further ones are ignored. */
const MAX_PENDING = 100;
const MAX_END_CHARS = 1024;
/** Members that loggers put into each line. */
const LOG_MEMBERS = [
  "level",
  "severity",
  "msg",
  "message",
  "time",
  "timestamp",
  "@timestamp",
  "ts",
  "logger",
  "event",
];

/**
 * Finds answers that are not valid, so that their requests fail at once instead of timing out. A line with an answer
 * behind other text may be the log of a valid answer that follows.
 */
export class MalformedResponses {
  readonly #server: string;
  readonly #onAnswer: (answer: RpcResponse) => void;
  readonly #pending = new Map<RequestId, ReturnType<typeof setTimeout>>();

  constructor(server: string, onAnswer: (answer: RpcResponse) => void) {
    this.#server = server;
    this.#onAnswer = onAnswer;
  }

  /** Takes a line that is not JSON. */
  take(line: string): void {
    const begin = line.indexOf("{");
    if (begin === -1 || !line.includes('"jsonrpc"')) return;
    const head = line.slice(begin, begin + MAX_END_CHARS);
    if (/"method"\s*:/.test(head)) return;
    const id = findId({ head, tail: line.slice(-MAX_END_CHARS), bytes: line.length });
    if (id === null) return;
    if (line.slice(0, begin).trim() === "") return this.#answer(id, "it is not JSON");
    this.#answerLater(id, "there is other text on its line");
  }

  /** Takes JSON that is not JSON-RPC: with the id of a request it may be meant as its answer. */
  takeOther(value: unknown): void {
    if (!isObject(value) || !isRequestId(value.id) || value.method !== undefined) return;
    if (LOG_MEMBERS.some((name) => Object.hasOwn(value, name))) return;
    this.#answerLater(value.id, "it has neither a result nor an error");
  }

  #answerLater(id: RequestId, what: string): void {
    if (this.#pending.has(id) || this.#pending.size >= MAX_PENDING) return;
    this.#pending.set(id, setTimeout(() => this.#answer(id, what), FOLLOWING_MS));
  }

  /** Drops what is pending for the request `id`, which has been answered. */
  answered(id: RequestId | null): void {
    if (this.#pending.size === 0 || id === null) return;
    clearTimeout(this.#pending.get(id));
    this.#pending.delete(id);
  }

  end(): void {
    for (const timer of this.#pending.values()) clearTimeout(timer);
    this.#pending.clear();
  }

  #answer(id: RequestId, what: string): void {
    this.#pending.delete(id);
    this.#onAnswer({ jsonrpc: "2.0", id, error: malformedAnswer(what, this.#server) });
  }
}
