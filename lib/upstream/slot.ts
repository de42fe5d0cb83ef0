import type { ExaiError } from "../base/errors.ts";
import { fnv1a } from "../base/text.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import { visible } from "../base/visible.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { Call, Caller } from "../call/call.ts";
import type { Admission } from "../call/admission.ts";
import type { Instance } from "./instance/instance.ts";
import type { RefusedQuestions, ServerQuestion } from "./instance/instance_options.ts";
import { CallCount } from "./call_count.ts";
import { type ListScope, processGroupKey } from "./share_key.ts";
import type { Scope } from "./sharing/decide_share.ts";
import type { UsageObserver } from "./sharing/usage_observer.ts";
import type { Result } from "../wire/rpc.ts";
import type { SlotRequest } from "./slot_request.ts";
import { type CallTurn, Turns } from "./turns.ts";

/** How often to check an instance that only tasks keep running: these may outlast what `setTimeout` can wait. */
const TASK_CHECK_MS = MINUTE_MS;

/**
 * When to stop an instance whose last session has moved to another one, after its roots changed: no other session is
 * likely to come for it, and a client that changes roots often would leave one behind each time. The same goes for one
 * that was started only to read its lists.
 */
const LEFT_STOP_MS = 3 * SECOND_MS;

/** The instance of one share key, starting or running, and the sessions attached to it. */
export class Slot {
  readonly instance: Promise<Instance>;
  readonly scope: Scope;
  /** Share key. */
  readonly key: string;
  /** Identifies the share key without revealing the environment in it. */
  readonly keyHash: string;
  /** Key of its process group, for scope `session`; see {@linkcode processGroupKey}. */
  readonly groupKey: string | undefined;
  /** Whether it has answered a call that does work. */
  hasAnswered = false;
  readonly #observer: UsageObserver | undefined;
  /** Client capabilities advertised to the instance. */
  readonly advertised: JsonObject;
  readonly listScope: ListScope;
  /** As its connection has it; undefined: it is a process. */
  readonly url: string | undefined;
  /** See {@linkcode SlotRequest}. */
  readonly mixesRoots: boolean;
  /** See {@linkcode SlotRequest}. */
  readonly copyOf: Scope | undefined;
  /** Whether its process is told roots. */
  readonly hasRoots: boolean;
  /** Decides when calls may run on it. */
  readonly admission: Admission;
  /** Why it is shared as far as it is. */
  readonly why: string;
  /** Whether a session may move to its own process. */
  readonly canIsolate: boolean;
  /** Client capabilities its server has made use of. */
  readonly usedCapabilities = new Set<string>();
  /** Ids of sessions that a refused question may have been for although they had their turn. */
  readonly #candidates = new Set<string>();
  refusedQuestions: RefusedQuestions | undefined;
  /** The instance, once it has started. */
  started: Instance | undefined;
  alive = true;
  /** A person has it end: no subscription starts another, and no call that `failsWith` what is said. */
  putAway: { failsWith?: ExaiError } | undefined;
  /** Stops the instance, also one that is still starting; resolves when it has ended. */
  readonly stop: (reason?: ExaiError) => Promise<void>;
  /** Running, or waiting for its start or a permit. */
  readonly calls = new CallCount();
  readonly #callers = new Map<string, Caller>();
  readonly #turns: Turns;
  readonly #idleStopMs: number;
  /** How many need it although they are no calls; see {@linkcode keep}. */
  #keepers = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether a session was ever attached to it; otherwise it was started only to read its lists. */
  #wasAttached = false;
  /** Whether its last session has moved to another instance. */
  #isAbandoned = false;

  constructor(
    instance: Promise<Instance>,
    request: SlotRequest & { admission: Admission; observer?: UsageObserver },
    stop: Slot["stop"],
  ) {
    this.instance = instance;
    this.admission = request.admission;
    this.#observer = request.observer;
    this.scope = request.scope;
    this.key = request.key;
    this.keyHash = fnv1a(request.key);
    const { scope, config, session } = request;
    this.groupKey = scope === "session" ? processGroupKey(config, session) : undefined;
    this.why = request.why;
    this.canIsolate = request.canIsolate && request.scope !== "session";
    this.advertised = request.advertised;
    this.listScope = request.listScope;
    this.url = config.kind === "stdio" ? undefined : config.url;
    this.mixesRoots = request.mixesRoots;
    this.copyOf = request.copyOf;
    this.hasRoots = Array.isArray(request.roots);
    this.#idleStopMs = request.config.idleStopMs;
    this.stop = stop;
    this.#turns = new Turns({
      name: config.name,
      canIsolate: this.canIsolate,
      running: () => this.started?.attribution.runningCalls() ?? [],
      quietInMs: (caller) => this.started?.attribution.askableInMs(caller) ?? 0,
      serves: ({ caller }) => this.alive && this.hasSession(caller),
    });
    instance.then((started) => {
      this.started = started;
      for (const caller of this.#callers.values()) started.attach(caller);
    }, () => {});
  }

  /** The sessions attached to it. */
  get callers(): Iterable<Caller> {
    return this.#callers.values();
  }

  get sessionIds(): string[] {
    return [...this.#callers.keys()];
  }

  /** Whether `caller` is attached. */
  hasSession(caller: Caller): boolean {
    return this.#callers.has(caller.id);
  }

  /** Whether it has started and has no call, no unfetched task and no subscription. */
  get isIdle(): boolean {
    const { started } = this;
    return started !== undefined && !this.isCalled && started.inflight === 0 &&
      started.tasks.remainingMs() === 0 && !started.hasSubscriptions;
  }

  /** Notes a question of its server. Sessions it may have been for though they had their turn are isolated later. */
  noteQuestion({ method, capability, candidates, isRefused }: ServerQuestion): void {
    if (capability) this.usedCapabilities.add(capability);
    if (capability) this.#observer?.asked(capability);
    if (!isRefused) return;
    this.refusedQuestions = {
      count: (this.refusedQuestions?.count ?? 0) + 1,
      lastMethod: visible(method),
      lastAt: new Date(),
    };
    if (!this.canIsolate) return;
    // A session that cannot be asked takes no turns, and its call may have run beside one that had its turn.
    for (const { id } of candidates) if (this.#turns.holds(id)) this.#candidates.add(id);
  }

  /**
   * Whether calls of `caller` take turns with those of others: its server has asked clients for something that this one
   * has, and it cannot be told from which calls its questions come while calls of several sessions run.
   */
  takesTurns(caller: Caller): boolean {
    return this.usedCapabilities.size > 0 && this.scope !== "session" &&
      this.started?.speaks.asksBesideCalls === true && this.#askedOf(caller) !== undefined;
  }

  /**
   * The turn of a call whose session {@linkcode takesTurns}.
   *
   * @throws the signal's reason
   */
  turnOf(call: Call): Promise<CallTurn> | CallTurn {
    const { caller } = call;
    const asked = this.#askedOf(caller) ?? "";
    if (!this.#candidates.has(caller.id) || this.#callers.size === 1) return this.#turns.take(call, asked);
    const why = `a question of its server (${asked}) could have been for this window or another`;
    return { is: "apart", why, [Symbol.dispose]() {} };
  }

  /** What its server has asked clients for that `caller` can be asked. */
  #askedOf({ capabilities }: Caller): string | undefined {
    return this.usedCapabilities.values().find((capability) => isObject(capabilities[capability]));
  }

  /** Attaches a session; the instance runs at least while one is attached. */
  attach(caller: Caller): void {
    clearTimeout(this.#idleTimer);
    this.#isAbandoned = false;
    this.#wasAttached = true;
    this.#callers.set(caller.id, caller);
    this.started?.attach(caller);
  }

  /** Detaches a session that has moved to another instance; it keeps the tasks it has begun here. */
  leave(caller: Caller): void {
    if (!this.#remove(caller)) return;
    this.#isAbandoned = this.#callers.size === 0;
    this.started?.leave(caller);
    this.#scheduleStop();
  }

  /** Detaches a session that has ended, and forgets its tasks. */
  detach(caller: Caller): void {
    const wasHere = this.#remove(caller);
    this.started?.detach(caller);
    // Called for every session that ends: one that was never attached must not restart the idle timer.
    if (wasHere || this.scope === "session") this.#scheduleStop();
  }

  /** A later session may have the same id and must stay attached. */
  #remove(caller: Caller): boolean {
    const wasHere = this.#callers.get(caller.id) === caller && this.#callers.delete(caller.id);
    if (wasHere) {
      this.#candidates.delete(caller.id);
      this.#turns.leave(caller.id);
    }
    return wasHere;
  }

  /** Whether it has calls, running or waiting for its start. */
  get isCalled(): boolean {
    return this.calls.size > 0;
  }

  /** Keeps the instance running for a call until {@linkcode endCall}, even if the call's session ends. */
  beginCall(): void {
    this.calls.begin();
    if (this.started) this.#observer?.begins();
  }

  /**
   * Keeps the instance, also while it starts, from being stopped because nobody uses it, until disposed of: whoever needs
   * its lists may be none of its sessions. Unlike a call it does not keep one that starts for a server that is taken out.
   */
  keep(): Disposable {
    clearTimeout(this.#idleTimer);
    this.#keepers++;
    return {
      [Symbol.dispose]: () => {
        if (--this.#keepers === 0) this.#scheduleStop();
      },
    };
  }

  /** A call that does work was answered. */
  answered(call: Call, result: Result): void {
    this.hasAnswered = true;
    if (this.#observer && this.started && !result.error) this.#observer.answered(call, result, this.started);
  }

  endCall(): void {
    this.calls.end();
    if (!this.isCalled && this.#callers.size === 0) this.#scheduleStop();
    this.#turns.changed();
  }

  /** Marks the instance as ended or ending. */
  close(): void {
    this.alive = false;
    clearTimeout(this.#idleTimer);
    this.#observer?.ended();
    this.#turns.changed();
  }

  /** Stops an unused instance, after a delay in which a session may return. */
  #scheduleStop(): void {
    clearTimeout(this.#idleTimer);
    if (!this.#isUnused) return;
    if (this.scope === "session" && this.#wasAttached) return this.#stopOnceFetched();
    const waitMs = this.#unusedStopMs;
    if (waitMs === Infinity) return;
    this.#idleTimer = setTimeout(() => this.#stopOnceFetched(), waitMs);
  }

  /** How long it is kept for a session that may come for it. */
  get #unusedStopMs(): number {
    if (!this.#wasAttached) return LEFT_STOP_MS;
    const idleStopMs = this.#idleStopMs || Infinity;
    return this.#isAbandoned ? Math.min(LEFT_STOP_MS, idleStopMs) : idleStopMs;
  }

  /** Stops an instance that nobody uses, without the delay. */
  stopUnused(): void {
    clearTimeout(this.#idleTimer);
    this.#stopOnceFetched();
  }

  #stopOnceFetched(): void {
    if (!this.#isUnused) return;
    const remainingMs = this.started?.tasks.remainingMs() ?? 0;
    if (remainingMs === 0) return void this.stop();
    const waitMs = Math.min(remainingMs, TASK_CHECK_MS);
    this.#idleTimer = setTimeout(() => this.#stopOnceFetched(), waitMs);
  }

  get #isUnused(): boolean {
    return this.alive && this.#callers.size === 0 && this.calls.size + this.#keepers === 0;
  }
}
