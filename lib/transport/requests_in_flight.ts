import { isObject } from "../base/json.ts";
import { isRequestId, type RequestId } from "../wire/rpc.ts";

/** What a POST carries once the requests are left out whose ids are in use. */
interface Admitted {
  /** The body without them, in the shape the client sent; undefined when nothing is left. */
  body: unknown;
  /** The requests taken note of, until {@linkcode RequestsInFlight.answered} or {@linkcode RequestsInFlight.release}. */
  ids: readonly RequestId[];
  /** Ids of the requests that were left out. */
  twins: readonly RequestId[];
}

/**
 * The requests of one HTTP session that wait for their answers. The SDK's transport finds the stream of an answer by
 * the request's id alone, so a second request under the same id would take the first one's answer away.
 */
export class RequestsInFlight {
  /** By id: the requests of the same POST that are not answered. The SDK forgets them together, at the last answer. */
  readonly #open = new Map<RequestId, { ids: readonly RequestId[]; waiting: Set<RequestId> }>();

  /** Takes note of the requests in `body`, and leaves out those whose ids are in use. */
  admit(body: unknown): Admitted {
    const messages = Array.isArray(body) ? body : [body];
    const ids = new Set<RequestId>();
    const twins: RequestId[] = [];
    const kept = messages.filter((message) => {
      if (!isObject(message) || message.method === undefined || !isRequestId(message.id)) return true;
      const isTwin = this.#open.has(message.id) || ids.has(message.id);
      if (isTwin) twins.push(message.id);
      else ids.add(message.id);
      return !isTwin;
    });
    const post = { ids: [...ids], waiting: ids };
    for (const id of post.ids) this.#open.set(id, post);
    if (twins.length === 0) return { body, ids: post.ids, twins };
    return { body: kept.length === 0 ? undefined : kept, ids: post.ids, twins };
  }

  /** The request `id` has its answer. */
  answered(id: RequestId): void {
    const post = this.#open.get(id);
    post?.waiting.delete(id);
    if (post?.waiting.size === 0) this.release(post.ids);
  }

  /** The requests `ids` wait no more, or never came to. */
  release(ids: readonly RequestId[]): void {
    for (const id of ids) this.#open.delete(id);
  }
}
