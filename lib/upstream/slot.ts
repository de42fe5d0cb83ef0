import { fnv1a } from "../base/text.ts";
import { isObject, type JsonObject } from "../base/json.ts";
import type { ServerConfig } from "../config/server_config.ts";
import { visible } from "../base/visible.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import type { Admission } from "../call/admission.ts";
import type { Instance } from "./instance.ts";
import type { ServerQuestion } from "./inbound_context.ts";
import {
  likenessKey,
  type ListPlace,
  type Scope,
  type ShareDecision,
  type SharingSession,
} from "./share_key.ts";

/** How often an instance that only tasks keep running is looked at: a timer cannot be set for as long as some last. */
const TASK_CHECK_MS = MINUTE_MS;

/**
 * An instance whose last session goes on in another ends as soon as that: its roots, say, are others now, and nobody
 * else has those of before. One that changes them again and again would leave an instance behind each time.
 */
const LEFT_STOP_MS = 3 * SECOND_MS;

/** Questions of a server that were refused, as it could not be told whose they were. */
interface RefusedQuestions {
  count: number;
  lastMethod: string;
  lastAt: Date;
}

/** What a new instance is made for. */
export interface SlotRequest extends ShareDecision {
  /** Share key. */
  key: string;
  /** Bound to the session. */
  config: ServerConfig;
  tenant: SharingSession;
  /** Client capabilities it is told of. */
  told: JsonObject;
  /** Whose lists it shows. */
  listed: ListPlace;
  /** Whether windows that tell roots and such that tell none share it, as long as its server does not ask for any. */
  mixesRoots: boolean;
}

/** The place of one share key: an instance that is starting or running, and who is attached to it. */
export class Slot {
  readonly instance: Promise<Instance>;
  readonly scope: Scope;
  /** Share key. */
  readonly key: string;
  /** Names the share key without telling what is in it: the environment may hold secrets. */
  readonly keyHash: string;
  /** What it has in common with those of other sessions that are made alike, of one that is a single session's. */
  readonly likeness: string | undefined;
  /** Whether it has answered a call that did work. */
  hasAnswered = false;
  /** Client capabilities the instance is told of. */
  readonly capabilities: JsonObject;
  /** Whose lists it shows. */
  readonly listed: ListPlace;
  /** Whether windows that tell roots and such that tell none share it, as long as its server does not ask for any. */
  readonly mixesRoots: boolean;
  /** Whether it has roots to tell its server. */
  readonly hasRoots: boolean;
  /** Decides when calls may run on it. */
  readonly admission: Admission;
  /** Why it is shared as far as it is. */
  readonly why: string;
  /** Whether a session may leave for a process of its own; one that everybody was told to share stays shared. */
  readonly mayMove: boolean;
  /** Client capabilities its server has made use of. */
  readonly asked = new Set<string>();
  /** Sessions a question may have been for that could not be attributed. */
  readonly #suspects = new Set<string>();
  /** Questions of its server that could not be attributed; undefined while there were none. */
  refused: RefusedQuestions | undefined;
  started: Instance | undefined;
  alive = true;
  /** Stops the instance, also one that is still starting. */
  readonly stop: () => void;
  readonly #callers = new Map<string, Caller>();
  readonly #idleStopMs: number;
  #calls = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether the last of its sessions goes on elsewhere. */
  #isLeft = false;

  constructor(
    instance: Promise<Instance>,
    request: SlotRequest & { admission: Admission },
    stop: () => void,
  ) {
    this.instance = instance;
    this.admission = request.admission;
    this.scope = request.scope;
    this.key = request.key;
    this.keyHash = fnv1a(request.key);
    const { scope, config, tenant, told } = request;
    this.likeness = scope === "session" ? likenessKey(config, tenant, told) : undefined;
    this.why = request.why;
    this.mayMove = request.mayMove && request.scope !== "session";
    this.capabilities = request.told;
    this.listed = request.listed;
    this.mixesRoots = request.mixesRoots;
    this.hasRoots = request.tenant.roots !== undefined;
    this.#idleStopMs = request.config.idleStopMs;
    this.stop = stop;
    instance.then((started) => {
      this.started = started;
      for (const caller of this.#callers.values()) started.attach(caller);
    }, () => {});
  }

  /** Sessions attached. */
  get callers(): Iterable<Caller> {
    return this.#callers.values();
  }

  get sessionIds(): string[] {
    return [...this.#callers.keys()];
  }

  /** Whether `caller` is attached. */
  serves(caller: Caller): boolean {
    return this.#callers.has(caller.id);
  }

  /** Whether nothing runs on it and nobody waits for anything from it: a call, a task, word of a resource. */
  get isIdle(): boolean {
    const { started } = this;
    return started !== undefined && this.#calls === 0 && started.inflight === 0 &&
      started.tasks.remainingMs() === 0 && !started.hasSubscriptions;
  }

  /**
   * Its server has asked a session something, or may have: then nobody was asked, and nobody's calls wait for that. Where
   * they may, the sessions it may have been for go on apart.
   */
  questioned({ method, capability, suspects, isRefused }: ServerQuestion): void {
    if (capability) this.asked.add(capability);
    if (isRefused) {
      this.refused = {
        count: (this.refused?.count ?? 0) + 1,
        lastMethod: visible(method),
        lastAt: new Date(),
      };
    }
    if (!this.mayMove) return;
    for (const { id } of suspects) this.#suspects.add(id);
  }

  /**
   * Why the calls of `caller` must run in a process of its own from now on; undefined where they may run together with
   * those of others. A server that asks can be shared as long as nobody else's calls run when it does.
   */
  apartFor({ id, capabilities }: Caller): string | undefined {
    if (!this.mayMove || this.asked.size === 0 || !this.started) return undefined;
    const asked = this.asked.values().find((capability) => isObject(capabilities[capability]));
    if (asked === undefined) return undefined;
    if (this.#suspects.has(id) && this.#callers.size > 1) {
      return `a question of its server (${asked}) could have been for this window or another`;
    }
    if (this.started.attribution.quietInMs(id) === 0) return undefined;
    return `its server asks questions (${asked}), and another window's calls were running`;
  }

  /** Attaches a session; the instance runs at least as long as one is attached. */
  lease(caller: Caller): void {
    clearTimeout(this.#idleTimer);
    this.#isLeft = false;
    this.#callers.set(caller.id, caller);
    this.started?.attach(caller);
  }

  /** Lets a session go that goes on elsewhere; the tasks it has begun here stay its own. */
  leave(caller: Caller): void {
    if (!this.#drop(caller)) return;
    this.#isLeft = this.#callers.size === 0;
    this.started?.leave(caller);
    this.#mayStop();
  }

  /** Lets go of all of a session that is over. */
  release(caller: Caller): void {
    const wasHere = this.#drop(caller);
    if (wasHere) this.#suspects.delete(caller.id);
    this.started?.detach(caller);
    // Every server hears of every session's end: one that was never here does not begin its time anew.
    if (wasHere || this.scope === "session") this.#mayStop();
  }

  /** Its id may be another session's by now, that stays. */
  #drop(caller: Caller): boolean {
    return this.#callers.get(caller.id) === caller && this.#callers.delete(caller.id);
  }

  /** Whether calls run on it or wait for it. */
  get isCalled(): boolean {
    return this.#calls > 0;
  }

  /** A call is about to run, and keeps the instance whether or not its session stays; {@linkcode endCall} follows. */
  beginCall(): void {
    this.#calls++;
  }

  endCall(): void {
    if (--this.#calls === 0 && this.#callers.size === 0) this.#mayStop();
  }

  /** The instance is gone or on its way out. */
  close(): void {
    this.alive = false;
    clearTimeout(this.#idleTimer);
  }

  /** With nobody left the instance is stopped, after a while in which a window may come back. */
  #mayStop(): void {
    clearTimeout(this.#idleTimer);
    if (!this.#isUnused) return;
    if (this.scope === "session") return this.#stopOnceTasksAreOver();
    const idleStopMs = this.#idleStopMs || Infinity;
    const waitMs = this.#isLeft ? Math.min(LEFT_STOP_MS, idleStopMs) : idleStopMs;
    if (waitMs === Infinity) return;
    this.#idleTimer = setTimeout(() => this.#stopOnceTasksAreOver(), waitMs);
  }

  #stopOnceTasksAreOver(): void {
    if (!this.#isUnused) return;
    const remainingMs = this.started?.tasks.remainingMs() ?? 0;
    if (remainingMs === 0) return this.stop();
    const waitMs = Math.min(remainingMs, TASK_CHECK_MS);
    this.#idleTimer = setTimeout(() => this.#stopOnceTasksAreOver(), waitMs);
  }

  get #isUnused(): boolean {
    return this.alive && this.#callers.size === 0 && this.#calls === 0;
  }
}
