import type { Call } from "../call/call.ts";
import type { Belonging } from "../call/owner.ts";

/** A call that has begun and not ended. */
export interface RunningCall {
  readonly id: number;
  readonly call: Call;
  /** Whose it is, where its caller worked when it began. */
  readonly belonging: Belonging;
  /** In milliseconds since 1970. */
  readonly startedAtMs: number;
}

/** So many ids there are for each millisecond of a daemon's life; the next daemon's begin after them. */
const IDS_PER_MS = 32;

/** The calls that run now, each under an id no other call ever had. */
export class RunningCalls {
  readonly #byId = new Map<number, RunningCall>();
  #nextId: number;

  constructor(nowMs = Date.now()) {
    this.#nextId = nowMs * IDS_PER_MS;
  }

  begin(call: Call): RunningCall {
    const running = {
      id: this.#nextId++,
      call,
      belonging: call.caller.belonging,
      startedAtMs: Date.now(),
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

  [Symbol.iterator](): IterableIterator<RunningCall> {
    return this.#byId.values();
  }
}

/** An id of a call as people see it: letters and digits. */
export function formatCallId(id: number): string {
  return id.toString(36);
}

/** The id `text` stands for; undefined when it is none. */
export function parseCallId(text: string): number | undefined {
  if (!/^[0-9a-z]{1,10}$/i.test(text)) return undefined;
  return parseInt(text, 36);
}
