import { isObject } from "../base/json.ts";
import { forEachYielding } from "../base/event_loop.ts";
import type { RequestId, RpcMessage, RpcResponse } from "../wire/rpc.ts";
import { parseLenient } from "../wire/lenient.ts";
import { malformedAnswer, readServerMessage } from "../wire/server_message.ts";
import { readTooDeep, TOO_DEEP, type TooDeep, tooDeepAnswer } from "../wire/too_deep.ts";

interface MessageReaderOptions {
  server: string;
  /** `about`: the request in whose answer it came. */
  onmessage(message: RpcMessage, about?: RequestId): void;
  /** A request of the server cannot be taken. */
  onrefused(answer: RpcResponse): void;
  onerror(error: Error): void;
}

/** Reads the messages a server behind a URL sends, in a body or in events. */
export class MessageReader {
  readonly #options: MessageReaderOptions;

  constructor(options: MessageReaderOptions) {
    this.#options = options;
  }

  /**
   * Takes one text of JSON: a message, or a batch of them (revision 2025-03-26).
   *
   * @param asked the request whose answer it should hold; an answer that names none is to this one
   * @returns whether that answer was in it; of a long batch, when all of it is taken
   */
  take(text: string, asked?: RequestId): boolean | Promise<boolean> {
    const { server, onmessage } = this.#options;
    const deep = readTooDeep(text, server);
    if (deep) return this.#takeDeep(deep, asked);
    let value: unknown;
    try {
      value = parseLenient(text).value;
    } catch {
      if (asked === undefined) this.#refuse("a message must be JSON");
      else onmessage({ jsonrpc: "2.0", id: asked, error: malformedAnswer("it is not JSON", server) });
      return asked !== undefined;
    }
    let isAnswered = false;
    const items = Array.isArray(value) ? value : [value];
    const wait = forEachYielding(items, (item) => {
      // In the body of an answer to one request it is plain which request an answer without an id is to.
      const named =
        asked !== undefined && items.length === 1 && isObject(item) && item.method === undefined &&
          (item.id === null || item.id === undefined)
          ? { ...item, id: asked }
          : item;
      if (this.#takeOne(named, asked)) isAnswered = true;
    });
    return wait ? wait.then(() => isAnswered) : isAnswered;
  }

  #takeDeep(deep: TooDeep, asked: RequestId | undefined): boolean {
    const { server, onmessage, onrefused, onerror } = this.#options;
    if (deep.error) onerror(deep.error);
    else if (asked === undefined) this.#refuse(TOO_DEEP);
    for (const refusal of deep.refusals) onrefused(refusal);
    const named = deep.answers.filter(({ id }) => id !== null);
    // As above: what names no request, and is none, can be nothing else where the answer to one is due.
    const isNameless = asked !== undefined && named.length === 0 && !deep.asks;
    const answers = isNameless ? [tooDeepAnswer(asked, server)] : asked === undefined ? deep.answers : named;
    for (const answer of answers) onmessage(answer, asked);
    return asked !== undefined && answers.some(({ id }) => String(id) === String(asked));
  }

  #takeOne(value: unknown, asked: RequestId | undefined): boolean {
    const message = readServerMessage(value, this.#options.server);
    if (typeof message === "string") {
      this.#refuse(message);
      return false;
    }
    this.#options.onmessage(message, asked);
    return asked !== undefined && !("method" in message) && String(message.id) === String(asked);
  }

  #refuse(what: string): void {
    const { server, onerror } = this.#options;
    onerror(new Error(`server "${server}" sent a message that is none: ${what}`));
  }
}
