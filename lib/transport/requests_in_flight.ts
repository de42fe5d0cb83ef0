import { isObject } from "../base/json.ts";
import { isRequestId, type RequestId } from "../wire/rpc.ts";

/** The body of a POST without the requests whose ids are in use. */
interface Admitted {
  /** The rest of the body, an array if the client sent one; undefined when nothing is left. */
  body: unknown;
  /**
   * The requests that are now in flight, until {@linkcode RequestsInFlight.answered} or
   * {@linkcode RequestsInFlight.release}.
   */
  ids: readonly RequestId[];
  /** Ids of the requests that were left out. */
  duplicates: readonly RequestId[];
}

/**
 * The requests of one HTTP session that wait for their answers. The SDK's transport finds the stream of an answer by
 * the id alone, so a second request with the same id would get the first one's answer.
 */
export class RequestsInFlight {
  /** By id: the unanswered requests of the same POST. The SDK forgets them together, at the last answer. */
  readonly #open = new Map<RequestId, { ids: readonly RequestId[]; waiting: Set<RequestId> }>();

  /** Registers the requests in `body`, without those whose ids are in use. */
  admit(body: unknown): Admitted {
    const messages = Array.isArray(body) ? body : [body];
    const ids = new Set<RequestId>();
    const duplicates: RequestId[] = [];
    const kept = messages.filter((message) => {
      if (!isObject(message) || message.method === undefined || !isRequestId(message.id)) return true;
      const isDuplicate = this.#open.has(message.id) || ids.has(message.id);
      if (isDuplicate) duplicates.push(message.id);
      else ids.add(message.id);
      return !isDuplicate;
    });
    const post = { ids: [...ids], waiting: ids };
    for (const id of post.ids) this.#open.set(id, post);
    if (duplicates.length === 0) return { body, ids: post.ids, duplicates };
    return { body: kept.length === 0 ? undefined : kept, ids: post.ids, duplicates };
  }

  /** Notes that the request `id` has been answered. */
  answered(id: RequestId): void {
    const post = this.#open.get(id);
    post?.waiting.delete(id);
    if (post?.waiting.size === 0) this.release(post.ids);
  }

  /** Forgets the requests `ids`, which get no answer. */
  release(ids: readonly RequestId[]): void {
    for (const id of ids) this.#open.delete(id);
  }
}
