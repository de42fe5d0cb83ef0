import { isObject, parseJson } from "../base/json.ts";
import { UNLIMITED } from "../wire/json_scan.ts";
import { withBody } from "../wire/peek.ts";
import { idTextOf } from "../wire/envelope.ts";
import { isIdempotent } from "../wire/idempotency.ts";
import { readRawMessage } from "../wire/raw_message.ts";
import { isClaimed, ResponseCache } from "./response_cache.ts";
import { ClientState } from "./client_state.ts";
import type { PendingRequest } from "./pending_messages.ts";

/** What the shim needs of the conversation to bridge the absence of a daemon and to initialize the next one. */
export class ReplayState {
  readonly client = new ClientState();
  readonly lists = new ResponseCache();

  /** Records the daemon's result for a request of the client. */
  noteResponse(request: PendingRequest, answer: { readonly text: string }): void {
    this.client.noteResponse(request, answer);
    this.lists.note(request, answer);
  }

  /** The response to `request` without a daemon: the one it gave before. Undefined when there is none. */
  responseFor(request: PendingRequest): string | undefined {
    const known = this.#bodyFor(request);
    if (known === undefined) return undefined;
    const text = withBody(idTextOf(request), known);
    const message = readRawMessage(text, UNLIMITED);
    // It may have changed since: the client is to ask again.
    return message?.body?.has("ttlMs") ? message.toText({ body: message.body.with("ttlMs", 0) }) : text;
  }

  #bodyFor(request: PendingRequest): string | undefined {
    const query = this.lists.queryOf(request);
    // A request that says who asks needs no `initialize` before it.
    if (query && isClaimed(query)) return this.lists.get(query);
    if (!this.client.initialize) return undefined;
    if (request.method === "ping") return '"result":{}}';
    if (request.method === "initialize") return this.client.initializeBody;
    return query && this.lists.get(query);
  }

  /** Whether `request` may run twice: by its method, or by the annotations of the tool it calls. */
  isSafeToRepeat(request: PendingRequest): boolean {
    if (request.method !== "tools/call") return isIdempotent(request.method);
    const message = parseJson(request.text);
    // A line that was passed on unread, and is no JSON: no daemon has done anything for it.
    if (message === undefined) return true;
    const params = isObject(message) ? message.params : undefined;
    return this.lists.isSafeToRepeat(isObject(params) ? params.name : undefined);
  }
}
