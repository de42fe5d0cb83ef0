import { forEachYielding } from "../base/event_loop.ts";
import type { RequestId, RpcMessage, RpcResponse } from "../wire/rpc.ts";
import { type RawReading, readServerText } from "../wire/raw_reader.ts";
import { malformedAnswer } from "../wire/server_message.ts";
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
    const { server } = this.#options;
    const reading = readServerText(text, { server, answers: requestId });
    if (reading.kind !== "batch") return this.#takeReading(reading, text, requestId);
    let isAnswered = false;
    // In the response to one request, an answer without an id can be to that request only.
    const answers = reading.texts.length === 1 ? requestId : undefined;
    const wait = forEachYielding(reading.texts, (item) => {
      if (this.#takeReading(readServerText(item, { server, answers }), item, requestId)) isAnswered = true;
    });
    return wait ? wait.then(() => isAnswered) : isAnswered;
  }

  #takeReading(reading: RawReading, text: string, requestId: RequestId | undefined): boolean {
    const { server, onMessage } = this.#options;
    switch (reading.kind) {
      case "message":
        return this.#takeMessage(reading.message, requestId);
      case "invalid":
        return this.#reject(reading.why);
      case "unreadable": {
        const deep = readTooDeep(text, server);
        if (deep) return this.#takeDeep(deep, requestId);
        if (requestId === undefined) return this.#reject("a message must be JSON");
        onMessage({ jsonrpc: "2.0", id: requestId, error: malformedAnswer("it is not JSON", server) });
        return true;
      }
      default:
        return this.#reject("a message must be an object");
    }
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

  #takeMessage(message: RpcMessage, requestId: RequestId | undefined): boolean {
    this.#options.onMessage(message, requestId);
    return requestId !== undefined && !("method" in message) && String(message.id) === String(requestId);
  }

  #reject(what: string): false {
    const { server, onError } = this.#options;
    onError(new Error(`server "${server}" sent a message that is none: ${what}`));
    return false;
  }
}
