import { SECOND_MS } from "../base/units.ts";
import type { Call, Caller } from "../call/call.ts";
import { isSameSession } from "../call/owner.ts";
import { mintedId, type RequestId } from "../wire/rpc.ts";

/** Withdrawn requests whose answers are looked out for; beyond that the oldest count as late. */
const MAX_LATE = 1000;

/** How long a server may take to name the task that a withdrawn request has begun. */
const NAMING_MS = 30 * SECOND_MS;

/** What begins a task, and whose it is: of a call no more is kept when that is withdrawn. */
export type Beginning = Pick<Call, "caller" | "progressToken">;

/** Requests that were to begin a task and were withdrawn before their answers: they may have begun it all the same. */
export class LateTasks {
  /** Undefined once the session is over. */
  readonly #byId = new Map<RequestId, Beginning | undefined>();

  readonly #over = new WeakSet<Caller>();
  readonly #waits = new Map<RequestId, { timer: ReturnType<typeof setTimeout>; onLate(): void }>();

  /** `onLate` is called when the answer has not come in time. */
  withdrawn({ caller, progressToken }: Call, id: RequestId, onLate?: () => void): void {
    this.#byId.set(id, this.#over.has(caller) ? undefined : { caller, progressToken });
    if (onLate) {
      const timer = setTimeout(() => (this.#waits.delete(id), onLate()), NAMING_MS);
      this.#waits.set(id, { timer, onLate });
    }
    if (this.#byId.size <= MAX_LATE) return;
    const [oldest] = this.#byId.keys();
    const wait = this.#waits.get(oldest!);
    this.take(oldest!);
    wait?.onLate();
  }

  /** Whether the answer to `id` may still come. */
  has(id: RequestId | null): id is RequestId {
    return id !== null && this.#byId.has(mintedId(id));
  }

  /** Whose request `id` was; undefined when that session is over. */
  take(id: RequestId): Beginning | undefined {
    const own = mintedId(id);
    const beginning = this.#byId.get(own);
    this.#byId.delete(own);
    clearTimeout(this.#waits.get(own)?.timer);
    this.#waits.delete(own);
    return beginning;
  }

  /** The server has ended: nothing is answered any more. */
  end(): void {
    for (const id of [...this.#byId.keys()]) this.take(id);
  }

  /** A session is over: what its requests begin is nobody's. */
  forget(caller: Caller): void {
    this.#over.add(caller);
    for (const [id, beginning] of this.#byId) {
      if (beginning && isSameSession(beginning.caller, caller)) this.#byId.set(id, undefined);
    }
  }
}
