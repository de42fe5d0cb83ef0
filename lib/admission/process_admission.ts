import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Admission, BreakerStatus, Worker } from "../call/admission.ts";
import { type AskOptions, type Call, derive, type Target } from "../call/call.ts";
import { type BreakerFailure, isServersTime, type ServerBreaker } from "./breaker.ts";
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
  /** How long one of its calls may take, in milliseconds; left out: any time. */
  callTimeoutMs?: number;
  /** Whether several sessions may call it. */
  isShared?: boolean;
  /** Whether what it asks waits for slots of its own, and lends the permit of its call meanwhile: see `holders.ts`. */
  asksProviders?: boolean;
  /** A clock that never jumps, in milliseconds. */
  now?: () => number;
}

const UNCOUNTED_PLACE: Disposable = { [Symbol.dispose]() {} };

type AdmittedResult = Awaited<ReturnType<Target>>;

/** So many times what one session may have waiting, all sessions may have before those with the most are refused. */
const QUEUE_TOTAL_FACTOR = 4;

/** How long a worker that let a call run out of all the time it had may take to show that it answers at all. */
const PATIENCE_MS = 5 * SECOND_MS;

/** The same, where a caller gave up before: clients wait for a minute, and so long a worker must have been silent. */
const GIVEN_UP_PATIENCE_MS = 30 * SECOND_MS;

/** A call that has begun. */
interface AdmittedRun {
  era: number;
  call: Call;
  worker: Worker;
  /** What the worker had sent by then. */
  heard: number | undefined;
  beganMs: number;
}

/**
 * Admits calls to one worker. Shared resources are acquired last: first the worker's own place, then the probe of a
 * half-open breaker, and only then a permit of the daemon and of the session, which is lent back while the call waits
 * for its client. Every call acquires in this order, so there is no deadlock.
 */
export class ProcessAdmission implements Admission {
  readonly #own: Permits | undefined;
  readonly #permits: Permits;
  readonly #breaker: ServerBreaker | undefined;
  readonly #asksProviders: boolean;
  readonly #callTimeoutMs: number;
  readonly #isShared: boolean;
  readonly #now: () => number;

  constructor(options: ProcessAdmissionOptions) {
    const { name, permits, maxInflight, queueMax, breaker } = options;
    this.#now = options.now ?? (() => performance.now());
    this.#asksProviders = options.asksProviders ?? false;
    this.#callTimeoutMs = options.callTimeoutMs ?? Infinity;
    this.#isShared = options.isShared ?? false;
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

  check(call: Call): void {
    this.#breaker?.check(call);
  }

  run(call: Call, worker: Worker): Promise<AdmittedResult | undefined> {
    // One promise less for each call of a worker without a limit of its own.
    return this.#own ? this.#runInPlace(call, worker) : this.#runWithPermit(call, worker);
  }

  /**
   * A place among the calls the worker may run at once; released by `using`.
   *
   * @throws {ExaiError} `OVER_CAPACITY` when too many calls wait; the signal's reason
   */
  place({ caller, signal, trace }: Call): Disposable | Promise<Disposable> {
    return this.#own?.acquire(caller.id, signal, trace) ?? UNCOUNTED_PLACE;
  }

  async #runInPlace(call: Call, worker: Worker): Promise<AdmittedResult | undefined> {
    const acquired = this.place(call);
    using _place = acquired instanceof Promise ? await acquired : acquired;
    return await this.#runWithPermit(call, worker);
  }

  async #runWithPermit(call: Call, worker: Worker): Promise<AdmittedResult | undefined> {
    const entered = this.#breaker?.enter(call) ?? 0;
    const era = entered instanceof Promise ? await entered : entered;
    let permit: Permit | undefined;
    let run: AdmittedRun | undefined;
    try {
      const admitted = this.#permits.acquire(call.caller.id, call.signal, call.trace);
      permit = admitted instanceof Promise ? await admitted : admitted;
      // It may have failed for others meanwhile.
      this.#breaker?.check(call);
      if (!worker.alive) return undefined;
      run = { era, call, worker, heard: worker.liveness?.heard, beganMs: this.#now() };
      call.begin?.();
      if (this.#asksProviders) noteHolder(call, permit);
      const work = worker.call(mayBeAsked(call) ? lendingWhileAsked(call, permit) : call);
      const result = await untilAborted(work, call.signal);
      this.#breaker?.leave(era, call);
      return result;
    } catch (thrown) {
      if (!run) throw thrown;
      const ranMs = this.#now() - run.beganMs - permit!.lentMs;
      this.#learn(run, { error: ExaiError.from(thrown), ranMs });
      throw thrown;
    } finally {
      // Its client may be busy with this call still, and what it asks for then must not have to wait for it.
      permit?.[Symbol.dispose]();
      if (!run) this.#breaker?.giveUp(era, call);
    }
  }

  /** What is learnt from a call that failed; of one that was not answered in time, once it is known who was late. */
  #learn({ era, call, worker, heard }: AdmittedRun, failure: BreakerFailure): void {
    const { liveness } = worker;
    const patienceMs = this.#patienceMs(call, failure);
    const isAnswering = liveness !== undefined && liveness.heard !== heard;
    const isAsked = liveness !== undefined && patienceMs !== undefined && !isAnswering;
    // Where one session has it for itself, it makes no difference to the breaker.
    if (!isAsked || !this.#isShared) this.#breaker?.leave(era, call, { ...failure, isAnswering });
    if (!isAsked) return;
    void liveness.check(patienceMs).then((isAnswering) => {
      if (!this.#isShared) return;
      // The next process is another: what this one was like says nothing of it.
      if (!worker.alive) this.#breaker?.giveUp(era, call);
      else this.#breaker?.leave(era, call, { ...failure, isAnswering });
    });
  }

  /** How long a worker may take to show that it answers at all; undefined where its call says nothing of that. */
  #patienceMs(call: Call, { error, ranMs }: BreakerFailure): number | undefined {
    const isLate = error.code === "TIMEOUT";
    if (isLate && isServersTime(call, { ranMs, callTimeoutMs: this.#callTimeoutMs })) return PATIENCE_MS;
    // What one session has for itself may work for long without a word, and waits for nobody but that session.
    const isGivenUp = this.#isShared && (isLate || error.code === "CANCELLED");
    return isGivenUp && ranMs >= GIVEN_UP_PATIENCE_MS ? GIVEN_UP_PATIENCE_MS : undefined;
  }

  reset(): void {
    this.#breaker?.reset();
  }

  forget(id: string): void {
    this.#breaker?.forget(id);
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
  const ask = async (
    method: string,
    params: Call["params"],
    options?: AskOptions,
  ): Promise<AdmittedResult> => {
    permit.lend();
    let answer: AdmittedResult | undefined;
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
