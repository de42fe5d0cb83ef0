import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { isObject } from "../base/json.ts";
import { SECOND_MS } from "../base/units.ts";
import type { Admission, BreakerStatus, Worker } from "../call/admission.ts";
import { type AskOptions, type Call, derive, type Target } from "../call/call.ts";
import { sessionIdOf } from "../call/owner.ts";
import type { Parking } from "../call/parking.ts";
import { type BreakerFailure, isServersTime, type ServerBreaker } from "./breaker.ts";
import { noteHolder } from "./holders.ts";
import { type Permit, Permits } from "./permits.ts";

export interface ProcessAdmissionOptions {
  /** The server's name, for messages. */
  name: string;
  /** The permits of the daemon. */
  permits: Permits;
  /** Calls it may run at once; undefined: unlimited. */
  maxInflight?: number;
  /** Calls of one session that may wait for it. */
  queueMax: number;
  /** Left out: calls are never refused for failures. */
  breaker?: ServerBreaker;
  /** Time limit of its calls, in milliseconds; left out: none. */
  callTimeoutMs?: number;
  /** Whether several sessions may call it. */
  isShared?: boolean;
  /** Whether its calls wait for provider slots and lend their permit meanwhile: see `holders.ts`. */
  asksProviders?: boolean;
  /** A clock that never jumps, in milliseconds. */
  now?: () => number;
}

const UNCOUNTED: Disposable = { [Symbol.dispose]() {} };

type AdmittedResult = Awaited<ReturnType<Target>>;

/** Bound on the waiting calls of all sessions, as a multiple of the bound for one. */
const QUEUE_TOTAL_FACTOR = 4;

/** How long a worker may take to respond to a probe after one of its calls has timed out. */
const PROBE_MS = 5 * SECOND_MS;

/** The same after a caller has given up before the limit: the worker was silent for about a minute. */
const GIVEN_UP_PROBE_MS = 30 * SECOND_MS;

/** A running call. */
interface AdmittedRun {
  generation: number;
  call: Call;
  worker: Worker;
  /** The number of messages the worker had sent when it began. */
  heard: number | undefined;
  beganMs: number;
}

/**
 * Admits calls to one worker. Shared resources are acquired last: first the worker's own permit, then the probe of a
 * half-open breaker, and only then a permit of the daemon and of the session, which is lent back while the call waits
 * for its client. Every call acquires in this order, so there is no deadlock.
 */
export class ProcessAdmission implements Admission {
  readonly #own: Permits | undefined;
  /** Calls that hold one of {@linkcode #own} and may wait for a client that has no request open. */
  readonly #parkable = new Set<Parking>();
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
    if (worker.joinsOthers?.(call)) {
      return worker.alive ? untilAborted(worker.call(call), call.signal) : Promise.resolve(undefined);
    }
    // One promise less for each call of a worker without its own limit.
    return this.#own ? this.#runWithOwnPermit(call, worker) : this.#runWithPermit(call, worker);
  }

  /**
   * A permit of the worker, which limits the calls it runs at once; released by `using`.
   *
   * @throws {ExaiError} `OVER_CAPACITY` when too many calls wait; the signal's reason
   */
  acquireOwn({ caller, signal, trace }: Call): Disposable | Promise<Disposable> {
    return this.#own?.acquire(sessionIdOf(caller), signal, trace) ?? UNCOUNTED;
  }

  async #runWithOwnPermit(call: Call, worker: Worker): Promise<AdmittedResult | undefined> {
    const acquired = this.acquireOwn(call);
    if (acquired instanceof Promise) { for (const holder of this.#parkable) holder.hurry(); }
    using _own = acquired instanceof Promise ? await acquired : acquired;
    using _holder = call.parking && this.#noteHolder(call.parking);
    return await this.#runWithPermit(call, worker);
  }

  /** While calls wait for the permit that a parked one holds, it is not to keep them waiting for long. */
  #noteHolder(parking: Parking): Disposable {
    this.#parkable.add(parking);
    const watching = parking.watch((isParked) => {
      if (isParked && this.waiting > 0) parking.hurry();
    });
    return {
      [Symbol.dispose]: () => {
        watching[Symbol.dispose]();
        this.#parkable.delete(parking);
      },
    };
  }

  async #runWithPermit(call: Call, worker: Worker): Promise<AdmittedResult | undefined> {
    const entered = this.#breaker?.enter(call) ?? 0;
    const generation = entered instanceof Promise ? await entered : entered;
    let permit: Permit | undefined;
    let run: AdmittedRun | undefined;
    try {
      const admitted = this.#permits.acquire(sessionIdOf(call.caller), call.signal, call.trace);
      permit = admitted instanceof Promise ? await admitted : admitted;
      // Other calls may have failed during the wait.
      this.#breaker?.check(call);
      if (!worker.alive) return undefined;
      run = { generation, call, worker, heard: worker.liveness?.heard, beganMs: this.#now() };
      call.begin?.({ inTurn: worker.sendsAtTurnEnd });
      if (this.#asksProviders) noteHolder(call, permit);
      const work = worker.call(acceptsRequests(call) ? lendingWhileAsking(call, permit) : call);
      const result = await untilAborted(work, call.signal);
      this.#breaker?.leave(generation, call);
      return result;
    } catch (thrown) {
      if (!run) throw thrown;
      const ranMs = this.#now() - run.beganMs - permit!.lentMs;
      this.#reportFailure(run, { error: ExaiError.from(thrown), ranMs });
      throw thrown;
    } finally {
      // Released before the answer is delivered, so that the next call of the client does not wait for this one.
      permit?.[Symbol.dispose]();
      if (!run) this.#breaker?.giveUp(generation, call);
    }
  }

  /** Reports a failed call to the breaker; a time-out only after a probe has shown whether the worker responds. */
  #reportFailure({ generation, call, worker, heard }: AdmittedRun, failure: BreakerFailure): void {
    const { liveness } = worker;
    const probeMs = this.#probeMs(call, failure);
    const isAnswering = liveness !== undefined && liveness.heard !== heard;
    const isAsked = liveness !== undefined && probeMs !== undefined && !isAnswering;
    // For a worker of one session the probe makes no difference to the breaker.
    if (!isAsked || !this.#isShared) this.#breaker?.leave(generation, call, { ...failure, isAnswering });
    if (!isAsked) return;
    void liveness.check(probeMs).then((isAnswering) => {
      if (!this.#isShared) return;
      // The next process is another one.
      if (!worker.alive) this.#breaker?.giveUp(generation, call);
      else this.#breaker?.leave(generation, call, { ...failure, isAnswering });
    });
  }

  /** How long the worker may take to respond to a probe; undefined when the failure calls for none. */
  #probeMs(call: Call, { error, ranMs }: BreakerFailure): number | undefined {
    const isTimeout = error.code === "TIMEOUT";
    if (isTimeout && isServersTime(call, { ranMs, callTimeoutMs: this.#callTimeoutMs })) return PROBE_MS;
    // A worker of one session may be silent for long: only that session waits for it.
    const isGivenUp = this.#isShared && (isTimeout || error.code === "CANCELLED");
    return isGivenUp && ranMs >= GIVEN_UP_PROBE_MS ? GIVEN_UP_PROBE_MS : undefined;
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
    // Calls wait for the worker's permit only while others run.
    return this.running === 0 && (this.#breaker?.isClean ?? true);
  }
}

/** Whether the caller's client accepts requests: sampling, elicitation, roots. */
function acceptsRequests({ caller: { capabilities } }: Call): boolean {
  return isObject(capabilities.elicitation) || isObject(capabilities.sampling) ||
    isObject(capabilities.roots);
}

/** `call`, which lends `permit` back while its client answers a request. */
function lendingWhileAsking(call: Call, permit: Permit): Call {
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
      // With an answer the server works on; a refusal can be forwarded without a permit.
      if (answer) await back;
      else back.catch(() => {});
    }
  };
  return derive(call, { ask });
}
