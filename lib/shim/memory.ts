import type { JsonObject } from "../base/json.ts";
import { type PeekedResponse, withBody } from "../wire/peek.ts";
import { isRepeatable } from "../wire/repeatable.ts";
import { ListCache } from "./cache.ts";
import { ClientState } from "./client_state.ts";
import type { RequestEntry } from "./ledger.ts";

/** What the shim remembers of the conversation, for the time when the daemon is away or another. */
export class Memory {
  readonly state = new ClientState();
  readonly lists = new ListCache();

  /** Takes in the daemon's answer to a request of the client. */
  noteAnswer(request: RequestEntry, answer: { text: string; response: PeekedResponse }): void {
    if (answer.response.failed) return;
    this.state.noteAnswer(request, answer);
    this.lists.note(request, answer);
  }

  /** The answer to `request` as the daemon gave it before, while it is away; undefined when only it can answer. */
  answerFor(request: RequestEntry): string | undefined {
    if (!this.state.initialize) return undefined;
    if (request.method === "ping") return withBody(request.id, '"result":{}}');
    const body = request.method === "initialize" ? this.state.initializeBody : this.lists.find(request);
    return body === undefined ? undefined : withBody(request.id, body);
  }

  /** Whether running `request` a second time does no harm. */
  isSafeToRepeat(request: RequestEntry): boolean {
    if (request.method !== "tools/call") return isRepeatable(request.method);
    const params: JsonObject = JSON.parse(request.text).params ?? {};
    return this.lists.isSafeToRepeat(params.name);
  }
}
