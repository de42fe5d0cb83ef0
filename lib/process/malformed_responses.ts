import { isObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import { findId } from "../transport/line_framer.ts";
import { isRequestId, type RequestId, type RpcResponse } from "../wire/rpc.ts";
import { malformedAnswer } from "../wire/server_message.ts";

/** How long the answer may take that a line with an answer in it may only tell of, as a log does. */
const FOLLOWING_MS = SECOND_MS;
/** Ids that are waited for at once; what comes beyond is noise. */
const MAX_PENDING = 100;
const MAX_END_CHARS = 1024;
/** What loggers that write JSON put into each line. */
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
 * Answers that are no JSON, so that whoever waits for one is told so instead of waiting on. A line that only holds one,
 * behind other text, may be the server's log of what it sends next.
 */
export class MalformedResponses {
  readonly #server: string;
  readonly #onanswer: (answer: RpcResponse) => void;
  readonly #pending = new Map<RequestId, ReturnType<typeof setTimeout>>();

  constructor(server: string, onanswer: (answer: RpcResponse) => void) {
    this.#server = server;
    this.#onanswer = onanswer;
  }

  /** Takes a line that is no JSON. */
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

  /** Takes what is JSON, but no JSON-RPC: with the id of a request it may be meant as its answer. */
  takeOther(value: unknown): void {
    if (!isObject(value) || !isRequestId(value.id) || value.method !== undefined) return;
    if (LOG_MEMBERS.some((name) => Object.hasOwn(value, name))) return;
    this.#answerLater(value.id, "it has neither a result nor an error");
  }

  #answerLater(id: RequestId, what: string): void {
    if (this.#pending.has(id) || this.#pending.size >= MAX_PENDING) return;
    this.#pending.set(id, setTimeout(() => this.#answer(id, what), FOLLOWING_MS));
  }

  /** The request `id` has been answered. */
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
    this.#onanswer({ jsonrpc: "2.0", id, error: malformedAnswer(what, this.#server) });
  }
}
