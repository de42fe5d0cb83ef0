import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import { type Admission, ANY_PLACE, type BreakerStatus, type Worker } from "../call/admission.ts";
import { type AskOptions, type Call, derive, type Target } from "../call/call.ts";
import type { ServerBreaker } from "./breaker.ts";
import { noteHolder } from "./holders.ts";
import { type Permit, Permits } from "./permits.ts";

export interface ProcessAdmissionOptions {
  /** The server's name, for messages. */
  name: string;
  /** The permits of all calls of the daemon. */
  permits: Permits;
  /** Calls it may run at once; undefined: no limit of its own. */
  maxInflight?: number;
  /** Its calls of one session that may wait. */
  queueMax: number;
  /** Left out: it is never left alone. */
  breaker?: ServerBreaker;
  /** Whether what it asks waits for slots of its own, and lends the permit of its call meanwhile: see `holders.ts`. */
  asksProviders?: boolean;
  /** A clock that never jumps, in milliseconds. */
  now?: () => number;
}

type Result = Awaited<ReturnType<Target>>;

/** So many times what one session may have waiting, all sessions may have before those with the most are refused. */
const QUEUE_TOTAL_FACTOR = 4;

/**
 * The way of a call to one worker. What is scarce for everybody is taken last: a call waits for the worker's own place
 * first, then for what others find out of a worker that was left alone, and only then for a permit of the daemon and of
 * its session, which it gives back while it waits for its client. All take them in this order, so none waits for
 * another that waits for it.
 */
export class ProcessAdmission implements Admission {
  readonly #own: Permits | undefined;
  readonly #permits: Permits;
  readonly #breaker: ServerBreaker | undefined;
  readonly #asksProviders: boolean;
  readonly #now: () => number;

  constructor(options: ProcessAdmissionOptions) {
    const { name, permits, maxInflight, queueMax, breaker } = options;
    this.#now = options.now ?? (() => performance.now());
    this.#asksProviders = options.asksProviders ?? false;
    this.#permits = permits;
    this.#breaker = breaker;
    this.#own = maxInflight === undefined ? undefined : new Permits({
      perKey: maxInflight,
      total: maxInflight,
      queueMax,
      queueTotalMax: queueMax * QUEUE_TOTAL_FACTOR,
      holder: `server "${name}"`,
    });
  }

  check(): void {
    this.#breaker?.check();
  }

  place(call: Call): Disposable | Promise<Disposable> {
    return this.#own?.acquire(call.caller.id, call.signal, call.trace) ?? ANY_PLACE;
  }

  async run(call: Call, worker: Worker): Promise<Result | undefined> {
    const entered = this.#breaker?.enter(call) ?? 0;
    const era = entered instanceof Promise ? await entered : entered;
    let permit: Permit | undefined;
    let beganMs: number | undefined;
    try {
      const admitted = this.#permits.acquire(call.caller.id, call.signal, call.trace);
      permit = admitted instanceof Promise ? await admitted : admitted;
      // It may have failed for others meanwhile.
      this.#breaker?.check();
      if (!worker.alive) return undefined;
      beganMs = this.#now();
      call.begin?.();
      if (this.#asksProviders) noteHolder(call, permit);
      const work = worker.call(mayBeAsked(call) ? lendingWhileAsked(call, permit) : call);
      const result = await untilAborted(work, call.signal);
      this.#breaker?.leave(era, call);
      return result;
    } catch (thrown) {
      if (beganMs === undefined) throw thrown;
      const ranMs = this.#now() - beganMs - permit!.lentMs;
      this.#breaker?.leave(era, call, { error: ExaiError.from(thrown), ranMs });
      throw thrown;
    } finally {
      // Its client may be busy with this call still, and what it asks for then must not have to wait for it.
      permit?.[Symbol.dispose]();
      if (beganMs === undefined) this.#breaker?.giveUp(era, call);
    }
  }

  reset(): void {
    this.#breaker?.reset();
  }

  get running(): number {
    return this.#own?.held ?? 0;
  }

  get waiting(): number {
    return this.#own?.waiting ?? 0;
  }

  get breaker(): BreakerStatus | undefined {
    return this.#breaker?.status;
  }

  get fault(): string | undefined {
    return this.#breaker?.fault;
  }

  get isClean(): boolean {
    // Nobody waits for a place while none is taken.
    return this.running === 0 && (this.#breaker?.isClean ?? true);
  }
}

/** Whether the caller's client can be asked something that a person or a model answers. */
function mayBeAsked({ caller: { capabilities } }: Call): boolean {
  return isObject(capabilities.elicitation) || isObject(capabilities.sampling) ||
    isObject(capabilities.roots);
}

/** `call`, which gives `permit` back for as long as its client is asked something. */
function lendingWhileAsked(call: Call, permit: Permit): Call {
  const ask = async (method: string, params: Call["params"], options?: AskOptions): Promise<Result> => {
    permit.lend();
    let answer: Result | undefined;
    try {
      return answer = await call.ask(method, params, options);
    } finally {
      const back = permit.takeBack(call);
      // An answer goes on to a server that then works again; a refusal needs no permit to be passed on.
      if (answer) await back;
      else back.catch(() => {});
    }
  };
  return derive(call, { ask });
}
