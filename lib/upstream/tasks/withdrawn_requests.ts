import { SECOND_MS } from "../../base/units.ts";
import type { Call, Caller } from "../../call/call.ts";
import { endsWithCaller } from "../../call/owner.ts";
import { mintedId, type RequestId } from "../../wire/rpc.ts";

/** Withdrawn requests kept at most; beyond that the oldest count as timed out. */
const MAX_WITHDRAWN = 1000;

/** How long a server may take to name the task that a withdrawn request has created. */
const ANSWER_TIMEOUT_MS = 30 * SECOND_MS;

/** What is kept of a withdrawn call. */
export type TaskRequest = Pick<Call, "caller" | "progressToken">;

/** Requests to create a task that were withdrawn before their answers: the server may create the task nevertheless. */
export class WithdrawnTaskRequests {
  /** Undefined once the session has ended. */
  readonly #byId = new Map<RequestId, TaskRequest | undefined>();

  readonly #ended = new WeakSet<Caller>();
  readonly #waits = new Map<RequestId, { timer: ReturnType<typeof setTimeout>; onTimeout(): void }>();

  /** `onTimeout` is called when the answer does not arrive in time. */
  add({ caller, progressToken }: Call, id: RequestId, onTimeout?: () => void): void {
    this.#byId.set(id, this.#ended.has(caller) ? undefined : { caller, progressToken });
    if (onTimeout) {
      const timer = setTimeout(() => (this.#waits.delete(id), onTimeout()), ANSWER_TIMEOUT_MS);
      this.#waits.set(id, { timer, onTimeout });
    }
    if (this.#byId.size <= MAX_WITHDRAWN) return;
    const [oldest] = this.#byId.keys();
    const wait = this.#waits.get(oldest!);
    this.take(oldest!);
    wait?.onTimeout();
  }

  /** Whether the answer to `id` may still arrive. */
  has(id: RequestId | null): id is RequestId {
    return id !== null && this.#byId.has(mintedId(id));
  }

  /** Removes the request `id`; returns undefined if its session has ended. */
  take(id: RequestId): TaskRequest | undefined {
    const own = mintedId(id);
    const request = this.#byId.get(own);
    this.#byId.delete(own);
    clearTimeout(this.#waits.get(own)?.timer);
    this.#waits.delete(own);
    return request;
  }

  /** The server has ended: no answer will arrive. */
  clear(): void {
    for (const id of [...this.#byId.keys()]) this.take(id);
  }

  /** Forgets a session that has ended: tasks of its requests get no owner. */
  forget(caller: Caller): void {
    this.#ended.add(caller);
    for (const [id, request] of this.#byId) {
      if (request && endsWithCaller(request.caller, caller)) this.#byId.set(id, undefined);
    }
  }
}
