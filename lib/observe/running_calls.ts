import type { Call } from "../call/call.ts";
import type { OngoingWork } from "../call/trace.ts";
import type { Belonging } from "../call/owner.ts";

/** A call that has begun and not ended. */
export interface RunningCall {
  readonly id: number;
  readonly call: Call;
  /** The owner of the call, with the workspace its caller was in when the call began. */
  readonly belonging: Belonging;
  /** By `performance.now()`. */
  readonly begunMs: number;
}

/** Ids reserved for each millisecond of uptime, so that the ids of the next daemon do not overlap. */
const IDS_PER_MS = 32;

/** The calls in flight, and those whose work goes on without them, each under an id that is unique across daemon restarts. */
export class RunningCalls {
  readonly #byId = new Map<number, RunningCall>();
  readonly #goingOn = new Map<number, RunningCall & { work: OngoingWork }>();
  #nextId: number;

  constructor(nowMs = Date.now()) {
    this.#nextId = nowMs * IDS_PER_MS;
  }

  begin(call: Call): RunningCall {
    const running = {
      id: this.#nextId++,
      call,
      belonging: call.caller.belonging,
      begunMs: performance.now(),
    };
    this.#byId.set(running.id, running);
    return running;
  }

  end({ id }: RunningCall): void {
    this.#byId.delete(id);
  }

  get(id: number): RunningCall | undefined {
    return this.#byId.get(id);
  }

  /** Keeps a call that has ended while its work goes on; resolves when that has ended. */
  async goOn(running: RunningCall, work: OngoingWork): Promise<void> {
    this.#goingOn.set(running.id, { ...running, work });
    await work.ended.catch(() => {});
    this.#goingOn.delete(running.id);
  }

  /** A call that has ended and whose work goes on. */
  goingOn(id: number): RunningCall & { readonly work: OngoingWork } | undefined {
    return this.#goingOn.get(id);
  }

  [Symbol.iterator](): IterableIterator<RunningCall> {
    return this.#byId.values();
  }
}

/**
 * The id of a call as users see it: base 36.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { formatCallId, parseCallId } from "./running_calls.ts";
 *
 * assertEquals(formatCallId(57_240_000_000_000), "kafoy3uo0");
 * assertEquals(parseCallId("kafoy3uo0"), 57_240_000_000_000);
 * assertEquals(parseCallId("no id"), undefined);
 * ```
 */
export function formatCallId(id: number): string {
  return id.toString(36);
}

/** The inverse of {@linkcode formatCallId}; undefined when `text` is not an id. */
export function parseCallId(text: string): number | undefined {
  if (!/^[0-9a-z]{1,10}$/i.test(text)) return undefined;
  return parseInt(text, 36);
}
