import { isObject } from "../base/json.ts";
import { forEachYielding } from "../base/event_loop.ts";
import type { RequestId, RpcMessage, RpcResponse } from "../wire/rpc.ts";
import { parseLenient } from "../wire/lenient.ts";
import { malformedAnswer, readServerMessage } from "../wire/server_message.ts";
import { readTooDeep, TOO_DEEP, type TooDeep, tooDeepAnswer } from "../wire/too_deep.ts";

interface MessageReaderOptions {
  server: string;
  /** `about`: the request in whose response the message came. */
  onMessage(message: RpcMessage, about?: RequestId): void;
  /** Takes the response to a request of the server that cannot be read. */
  onRefused(answer: RpcResponse): void;
  onError(error: Error): void;
}

/** Reads the messages of a server behind a URL, from a body or from events. */
export class MessageReader {
  readonly #options: MessageReaderOptions;

  constructor(options: MessageReaderOptions) {
    this.#options = options;
  }

  /**
   * Takes one JSON text: a message, or a batch (revision 2025-03-26).
   *
   * @param requestId the request that the text should answer; a response without an id counts as its answer
   * @returns whether the answer was in it; a promise for a long batch
   */
  take(text: string, requestId?: RequestId): boolean | Promise<boolean> {
    const { server, onMessage } = this.#options;
    const deep = readTooDeep(text, server);
    if (deep) return this.#takeDeep(deep, requestId);
    let value: unknown;
    try {
      value = parseLenient(text).value;
    } catch {
      if (requestId === undefined) this.#reject("a message must be JSON");
      else onMessage({ jsonrpc: "2.0", id: requestId, error: malformedAnswer("it is not JSON", server) });
      return requestId !== undefined;
    }
    let isAnswered = false;
    const items = Array.isArray(value) ? value : [value];
    const wait = forEachYielding(items, (item) => {
      // In the response to one request, an answer without an id can be to that request only.
      const identified =
        requestId !== undefined && items.length === 1 && isObject(item) && item.method === undefined &&
          (item.id === null || item.id === undefined)
          ? { ...item, id: requestId }
          : item;
      if (this.#takeOne(identified, requestId)) isAnswered = true;
    });
    return wait ? wait.then(() => isAnswered) : isAnswered;
  }

  #takeDeep(deep: TooDeep, requestId: RequestId | undefined): boolean {
    const { server, onMessage, onRefused, onError } = this.#options;
    if (deep.error) onError(deep.error);
    else if (requestId === undefined) this.#reject(TOO_DEEP);
    for (const refusal of deep.refusals) onRefused(refusal);
    const identified = deep.answers.filter(({ id }) => id !== null);
    // As above, for a text of which only the outermost members are known.
    const isUnidentified = requestId !== undefined && identified.length === 0 && !deep.asks;
    const answers = isUnidentified
      ? [tooDeepAnswer(requestId, server)]
      : requestId === undefined
      ? deep.answers
      : identified;
    for (const answer of answers) onMessage(answer, requestId);
    return requestId !== undefined && answers.some(({ id }) => String(id) === String(requestId));
  }

  #takeOne(value: unknown, requestId: RequestId | undefined): boolean {
    const message = readServerMessage(value, this.#options.server);
    if (typeof message === "string") {
      this.#reject(message);
      return false;
    }
    this.#options.onMessage(message, requestId);
    return requestId !== undefined && !("method" in message) && String(message.id) === String(requestId);
  }

  #reject(what: string): void {
    const { server, onError } = this.#options;
    onError(new Error(`server "${server}" sent a message that is none: ${what}`));
  }
}
