import type { JsonObject } from "../base/json.ts";
import { type PeekedResponse, withBody } from "../wire/peek.ts";
import { isIdempotent } from "../wire/idempotency.ts";
import { ResponseCache } from "./response_cache.ts";
import { ClientState } from "./client_state.ts";
import type { PendingRequest } from "./pending_messages.ts";

/** What the shim remembers of the conversation, for the time when the daemon is away or another. */
export class ReplayState {
  readonly state = new ClientState();
  readonly lists = new ResponseCache();

  /** Takes in the daemon's answer to a request of the client. */
  noteAnswer(request: PendingRequest, answer: { text: string; response: PeekedResponse }): void {
    if (answer.response.failed) return;
    this.state.noteAnswer(request, answer);
    this.lists.note(request, answer);
  }

  /** The answer to `request` as the daemon gave it before, while it is away; undefined when only it can answer. */
  answerFor(request: PendingRequest): string | undefined {
    if (!this.state.initialize) return undefined;
    if (request.method === "ping") return withBody(request.id, '"result":{}}');
    const body = request.method === "initialize" ? this.state.initializeBody : this.lists.find(request);
    return body === undefined ? undefined : withBody(request.id, body);
  }

  /** Whether running `request` a second time does no harm. */
  isSafeToRepeat(request: PendingRequest): boolean {
    if (request.method !== "tools/call") return isIdempotent(request.method);
    const params: JsonObject = JSON.parse(request.text).params ?? {};
    return this.lists.isSafeToRepeat(params.name);
  }
}
