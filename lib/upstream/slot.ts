import { fnv1a } from "../base/hash.ts";
import type { JsonObject } from "../base/json.ts";
import type { ServerConfig } from "../base/server_config.ts";
import { MINUTE_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import type { Admission } from "../call/admission.ts";
import type { Instance } from "./instance.ts";
import { mayBeAsked, type Scope, type Tenant, toldCapabilities } from "./share_key.ts";
import { SessionTurns } from "./turns.ts";

/** How often an instance that only tasks keep running is looked at: a timer cannot be set for as long as some last. */
const TASK_CHECK_MS = MINUTE_MS;

/** What a new instance is made for. */
export interface SlotRequest {
  /** Share key. */
  key: string;
  /** Bound to the session. */
  config: ServerConfig;
  tenant: Tenant;
  scope: Scope;
}

/** The place of one share key: an instance that is starting or running, and who is attached to it. */
export class Slot {
  readonly instance: Promise<Instance>;
  readonly scope: Scope;
  /** Share key. */
  readonly key: string;
  /** Names the share key without telling what is in it: the environment may hold secrets. */
  readonly keyHash: string;
  /** Client capabilities the instance is told of. */
  readonly capabilities: JsonObject;
  /** Decides when calls may run on it. */
  readonly admission: Admission;
  /** Present when sessions must take turns, because what the server asks could be any of theirs. */
  readonly turns: SessionTurns | undefined;
  started: Instance | undefined;
  alive = true;
  /** Stops the instance, also one that is still starting. */
  readonly stop: () => void;
  readonly #callers = new Map<string, Caller>();
  readonly #idleStopMs: number;
  #calls = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

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
    this.capabilities = toldCapabilities(request.config, request.tenant);
    this.turns = request.scope !== "session" && mayBeAsked(this.capabilities)
      ? new SessionTurns()
      : undefined;
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

  /** Whether a session may leave for a process of its own; one that everybody was told to share stays shared. */
  get mayMove(): boolean {
    return this.scope === "project";
  }

  /** Attaches a session; the instance runs at least as long as one is attached. */
  lease(caller: Caller): void {
    clearTimeout(this.#idleTimer);
    this.#callers.set(caller.id, caller);
    this.started?.attach(caller);
  }

  /** Lets a session go that goes on elsewhere; the tasks it has begun here stay its own. */
  leave(caller: Caller): void {
    if (!this.#callers.delete(caller.id)) return;
    this.started?.leave(caller);
    this.#mayStop();
  }

  /** Lets go of all of a session that is over. */
  release(caller: Caller): void {
    this.#callers.delete(caller.id);
    this.started?.detach(caller);
    this.#mayStop();
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
    if (this.#idleStopMs === 0) return;
    this.#idleTimer = setTimeout(() => this.#stopOnceTasksAreOver(), this.#idleStopMs);
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
