import { abortError } from "../base/abort.ts";

/** What a session gets that has the floor: dispose it when the call is over. */
export type Turn = Disposable;

interface Waiter {
  session: string;
  grant(): void;
}

/**
 * Lets one session at a time call a shared process: as many calls of it at once as it likes, but none of another, so
 * that whatever the process asks meanwhile can only be that session's. Turns go round in the order of asking. Calls
 * that run already go on, and are waited for.
 */
export class SessionTurns {
  /** When nothing of another session runs or may be spoken of, in milliseconds; Infinity: not known yet. */
  readonly #quietInMs: (session: string) => number;
  #holder: string | undefined;
  #running = 0;
  readonly #waiting: Waiter[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(quietInMs: (session: string) => number) {
    this.#quietInMs = quietInMs;
  }

  /** A call has ended: whoever waits may have its turn, at the latest when that call is spoken of no more. */
  ended(): void {
    this.#pass();
  }

  /** The session whose calls run; undefined while there is none. */
  get holder(): string | undefined {
    return this.#holder;
  }

  /**
   * The floor for `session`; undefined when it was not free within `maxWaitMs`.
   *
   * @throws {ExaiError} the signal's reason
   */
  acquire(
    session: string,
    options: { signal: AbortSignal; maxWaitMs: number },
  ): Turn | Promise<Turn | undefined> {
    const free = this.#holder === undefined || this.#holder === session;
    if (free && this.#waiting.length === 0 && this.#quietInMs(session) <= 0) return this.#take(session);
    const turn = this.#wait(session, options);
    this.#pass();
    return turn;
  }

  #wait(session: string, { signal, maxWaitMs }: { signal: AbortSignal; maxWaitMs: number }) {
    if (signal.aborted) throw abortError(signal);
    const { promise, resolve, reject } = Promise.withResolvers<Turn | undefined>();
    const leave = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
    };
    const giveUp = () => {
      leave();
      resolve(undefined);
      this.#pass();
    };
    const onAbort = () => {
      leave();
      reject(abortError(signal));
      this.#pass();
    };
    const waiter: Waiter = {
      session,
      grant: () => {
        leave();
        resolve(this.#take(session));
      },
    };
    const timer = setTimeout(giveUp, maxWaitMs);
    signal.addEventListener("abort", onAbort);
    this.#waiting.push(waiter);
    return promise;
  }

  #take(session: string): Turn {
    this.#holder = session;
    this.#running++;
    let over = false;
    return {
      [Symbol.dispose]: () => {
        if (over) return;
        over = true;
        this.#running--;
        if (this.#running === 0) this.#holder = undefined;
        this.#pass();
      },
    };
  }

  // The first in line gets the floor with everything else it waits for, up to the next session in line.
  #pass(): void {
    clearTimeout(this.#timer);
    while (this.#waiting.length > 0) {
      const next = this.#waiting[0]!;
      if (this.#holder !== undefined && this.#holder !== next.session) return;
      const quietInMs = this.#quietInMs(next.session);
      if (quietInMs > 0) return this.#passIn(quietInMs);
      next.grant();
    }
  }

  // Where calls still run their end is the next to be heard of.
  #passIn(delayMs: number): void {
    if (Number.isFinite(delayMs)) this.#timer = setTimeout(() => this.#pass(), delayMs);
  }
}
