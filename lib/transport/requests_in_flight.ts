import type { RequestRef } from "../wire/message_text.ts";
import type { RawMessage } from "../wire/raw_message.ts";
import type { RequestId } from "../wire/rpc.ts";

/** The messages of a POST that may proceed. */
interface Admitted {
  /** By the numbers that the SDK is given in place of their ids. */
  messages: ReadonlyMap<number, RawMessage>;
  /** The requests that were left out, since their ids are in use. */
  duplicates: readonly RequestRef[];
}

/**
 * The requests of one HTTP session that wait for their answers, and the numbers by which the SDK's transport knows them.
 */
export class RequestsInFlight {
  readonly #open = new Map<RequestId, number>();
  /** The numbers of those whose streams the client reads. */
  readonly #read = new Set<number>();
  #next = 1;

  /** Numbers `messages`, without requests whose ids are in use. */
  admit(messages: readonly RawMessage[]): Admitted {
    const duplicates: RequestRef[] = [];
    const admitted = new Map<number, RawMessage>();
    for (const message of messages) {
      const isRequest = message.kind === "request";
      if (isRequest && this.#open.has(message.id)) {
        duplicates.push(message);
        continue;
      }
      const number = this.#next++;
      if (isRequest) this.#open.set(message.id, number);
      admitted.set(number, message);
    }
    return { messages: admitted, duplicates };
  }

  /** The number of the request `id`; undefined when it waits for no answer. */
  numberOf(id: RequestId): number | undefined {
    return this.#open.get(id);
  }

  /** Notes whether the client reads the stream of the requests `numbers`. */
  read(numbers: readonly number[], isRead: boolean): void {
    for (const number of numbers) isRead ? this.#read.add(number) : this.#read.delete(number);
  }

  /** The number of the latest request whose stream the client reads; undefined when it reads none. */
  get latestRead(): number | undefined {
    return [...this.#open.values()].findLast((number) => this.#read.has(number));
  }

  /** As {@linkcode numberOf}, of a request that is answered now, or gets no answer. */
  take(id: RequestId): number | undefined {
    const number = this.#open.get(id);
    this.#open.delete(id);
    return number;
  }
}
