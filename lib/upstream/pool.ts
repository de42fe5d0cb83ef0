import { getLogger } from "@logtape/logtape";
import { untilAborted } from "../base/abort.ts";
import { ExaiError } from "../base/errors.ts";
import { MINUTE_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
import type { Instance } from "./instance/instance.ts";
import { ProcessStoppedError } from "./next_process.ts";
import { type ProcessRecord, ProcessRecords } from "./process_records.ts";
import type { ListScope } from "./share_key.ts";
import type { PoolListener, PoolOptions } from "./server_options.ts";
import { Slot } from "./slot.ts";
import type { SlotRequest } from "./slot_request.ts";
import { type InstanceEvents, startInstance } from "./start_instance.ts";
import type { StartAttempt } from "./supervisor.ts";
import { OrphanedHandles } from "./tasks/orphaned_handles.ts";
import { untilUnused } from "./tasks/unfetched_tasks.ts";

const log = getLogger(["exai", "upstream"]);

/** How long calls may run on after the server has lost our session. */
const LOST_GRACE_MS = 10 * MINUTE_MS;

/** The instances of one server by share key. Concurrent requests for one key start one instance. */
export class Pool implements AsyncDisposable {
  /** What is remembered of each process, whether it runs or not. */
  readonly records: ProcessRecords;
  readonly #slots = new Map<string, Slot>();
  /** Slots that take nothing new and end once their calls have finished. */
  readonly retiring = new Set<Slot>();
  readonly #closing = new Set<Promise<void>>();
  /** Thrown in place of a start once the pool is retired. */
  retiredError: ExaiError | undefined;
  /** Aborted when shutdown waits no longer. */
  readonly #disposed = new AbortController();
  readonly #options: PoolOptions;
  readonly #listener: Partial<PoolListener>;
  #orphaned = new OrphanedHandles();

  constructor(options: PoolOptions, listener: Partial<PoolListener> = {}) {
    this.#options = options;
    this.#listener = listener;
    this.records = new ProcessRecords({ ...options, inUse: (key) => this.#slots.has(key) });
  }

  [Symbol.iterator](): Iterator<Slot> {
    return this.#slots.values();
  }

  /** A shared instance that runs in a scope of lists. */
  runningIn({ listKey }: ListScope): Instance | undefined {
    const slots = this.#slots.values();
    return slots.find(({ started, scope, listScope }) =>
      started !== undefined && scope !== "session" && listScope.listKey === listKey
    )?.started;
  }

  get daemonId(): string | undefined {
    return this.#options.daemonId;
  }

  /** Handles given out by instances that have ended, also under earlier configurations of the server. */
  get orphaned(): OrphanedHandles {
    return this.#orphaned;
  }

  /** Takes over the handles of this server under its earlier configuration. */
  inherit(old: Pool): void {
    this.#orphaned = old.#orphaned;
  }

  /** Tells the catalog that lists of this server have changed. */
  listChanged(kinds: readonly ListKind[]): void {
    this.#options.onListChanged(kinds);
  }

  /** The slot whose instance runs the task `taskId` of `caller`. */
  slotOfTask(caller: Caller, taskId: unknown): Slot | undefined {
    return this.allSlots().find(({ started }) => started?.alive && started.handles.isTaskOf(caller, taskId));
  }

  *allSlots(): Generator<Slot> {
    yield* this.#slots.values();
    yield* this.retiring;
  }

  /** Forgets a session that has ended. */
  sessionEnded(caller: Caller): void {
    for (const slot of this.allSlots()) slot.detach(caller);
    this.records.forget(caller);
    this.#orphaned.forget(caller);
  }

  /**
   * The slot of a share key; starts an instance if there is none.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server has failed too often to be started now, or is retired
   */
  slot(request: SlotRequest): Slot {
    const known = this.#slots.get(request.key);
    if (known) return known;
    if (this.retiredError) throw this.retiredError;
    this.records.checkGroup(request, this.#slots.values());
    const record = this.records.of(request);
    const attempt = record.supervisor.beginFor(request.session.caller.id);
    const slot = this.#createSlot(request, { record, attempt });
    this.#slots.set(request.key, slot);
    void this.#watch(slot, { record, attempt }).then((reason) => {
      if (reason) this.records.groupFailed(request, { slot, attempt, reason });
    });
    return slot;
  }

  #createSlot(request: SlotRequest, { record, attempt }: SlotStart): Slot {
    const stopping = new AbortController();
    const observer = this.#options.sharing?.observe(request.session.workspace);
    const events: InstanceEvents = {
      onQuestion: (question) => {
        slot.noteQuestion(question);
        this.#listener.onQuestion?.(slot);
      },
      onRootsAsked: () => {
        observer?.asked("roots");
        this.#listener.onRootsAsked?.(slot);
      },
      onConnectionLost: (why, { isFault }) => this.#connectionLost(slot, { why, isFault, record, attempt }),
      onSubscriptionLost: (caller, uri, why) =>
        this.#listener.onSubscriptionLost?.(slot, { caller, uri, why }),
      onListChanged: (kinds) => {
        this.#listener.onListsStale?.(kinds, request.listScope);
        this.listChanged(kinds);
      },
    };
    const onStartAgain = () => void (attempt.processes = 2);
    const parts = { orphaned: this.#orphaned, onStartAgain, signal: stopping.signal, events };
    const starting = startInstance(request, { ...this.#options, ...parts });
    // Whoever waits for it goes on at once, not when its process has ended.
    const instance = untilAborted(starting, stopping.signal);
    let closing: Promise<void> | undefined;
    const stop = (reason: ExaiError = new ProcessStoppedError(this.#options.name)) => {
      stopping.abort(reason);
      return closing ??= this.#stop(slot, starting);
    };
    const slot: Slot = new Slot(instance, { ...request, admission: record.admission, observer }, stop);
    return slot;
  }

  #connectionLost(
    slot: Slot,
    { why, isFault, record, attempt }: SlotStart & { why: ExaiError; isFault: boolean },
  ): void {
    if (!slot.alive) return;
    const { supervisor } = record;
    // Some servers drop one session after another.
    const level = supervisor.shouldLogLoss(why) ? "warning" : "debug";
    log[level]("{message}; another connection is made", { message: why.message });
    if (isFault) this.records.failed(record, attempt, why);
    else supervisor.connectionLost(why);
    this.#orphanHandles(slot, why.message);
    this.#retire(slot, { graceMs: LOST_GRACE_MS, isBroken: true });
  }

  /**
   * Stops the instance of `slot`, also one that is starting or being retired; resolves when it has ended. Its sessions get
   * another when they need one; for a person it is put away, and calls that could be made again there fail with `reason`.
   */
  end(slot: Slot, reason?: ExaiError): Promise<void> {
    const wasAlive = slot.alive;
    if (reason) slot.putAway = { failsWith: reason };
    const closing = slot.stop(reason);
    if (wasAlive) this.#listener.onSlotLost?.(slot, false);
    return closing;
  }

  /**
   * Stops the instance of `slot` once its calls have finished, after `graceMs` at the latest. Its sessions get another
   * when they need one.
   */
  retireSlot(slot: Slot, graceMs: number): void {
    this.#retire(slot, { graceMs, isBroken: false });
  }

  #retire(slot: Slot, { graceMs, isBroken }: { graceMs: number; isBroken: boolean }): void {
    if (this.#slots.get(slot.key) !== slot || !slot.alive) return;
    if (!isBroken) this.records.known(slot.key)?.supervisor.stopped();
    this.#remove(slot);
    this.retiring.add(slot);
    this.#listener.onSlotLost?.(slot, isBroken);
    const closing = this.#endWithin(slot, graceMs);
    this.#closing.add(closing);
    closing.finally(() => (this.#closing.delete(closing), this.retiring.delete(slot)));
  }

  async #endWithin(slot: Slot, graceMs: number): Promise<void> {
    const expired = new AbortController();
    const timer = setTimeout(() => expired.abort(), graceMs);
    const signal = AbortSignal.any([expired.signal, this.#disposed.signal]);
    // One that is starting may hang, and its calls wait for it.
    const instance = await untilAborted(slot.instance, signal).catch(() => undefined);
    if (instance) {
      await untilAborted(slot.calls.none(), signal).catch(() => {});
      await untilUnused(instance, signal);
    }
    clearTimeout(timer);
    this.#orphanHandles(slot, `the process of server "${this.#options.name}" was replaced`);
    await slot.stop();
  }

  /** Starts no more instances; one that is still starting is stopped unless a call waits for it. */
  stopAccepting(): void {
    const { name } = this.#options;
    const why = `server "${name}" was taken out of mcp.json or changed there; list and call again`;
    this.retiredError ??= new ExaiError("UPSTREAM_UNAVAILABLE", why, { details: { server: name } });
    for (const slot of this.#slots.values()) if (!slot.started && !slot.isCalled) void slot.stop();
  }

  /** Stops every instance once its calls have finished and its tasks were fetched or have expired. */
  async retire(): Promise<void> {
    this.stopAccepting();
    const ending = Array.from(this.#slots.values(), async (slot) => {
      const instance = await slot.instance.catch(() => undefined);
      if (!instance) return;
      for (const caller of [...instance.attached.values()]) instance.leave(caller);
      await untilUnused(instance, this.#disposed.signal);
      void slot.stop();
    });
    await Promise.all([...ending, ...this.#closing]);
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed.abort();
    this.stopAccepting();
    for (const slot of this.#slots.values()) void slot.stop();
    await Promise.all(this.#closing);
  }

  /** Follows an instance to its end; resolves with the failure, undefined if it was stopped from here. */
  async #watch(
    slot: Slot,
    { record, attempt }: SlotStart,
  ): Promise<ExaiError | undefined> {
    const { scope, supervisor } = record;
    let reason: ExaiError;
    try {
      const instance = await slot.instance;
      this.records.started(record, attempt);
      this.#listener.onStarted?.(slot, instance);
      reason = await instance.ended;
      if (scope !== "session") attempt.suspect = instance.suspect;
    } catch (thrown) {
      reason = ExaiError.from(thrown);
    }
    if (!slot.alive) return undefined;
    this.#orphanHandles(slot, reason.message);
    if (supervisor.shouldLog(reason)) log.warning("{message}", { message: reason.message });
    // A machine out of handles is not a failure of the server.
    const isFault = reason.code !== "OVER_CAPACITY";
    if (isFault) {
      this.records.crashes.processEnded(attempt, reason);
      this.records.failed(record, attempt, reason);
    } else supervisor.connectionLost(reason);
    this.#remove(slot);
    if (attempt.startedAtMs !== undefined) this.listChanged(["tools", "prompts", "resources", "templates"]);
    this.#listener.onSlotLost?.(slot, true);
    return isFault ? reason : undefined;
  }

  #orphanHandles({ started }: Slot, why: string): void {
    if (started) this.#orphaned.add(started, why);
  }

  #stop(slot: Slot, starting: Promise<Instance>): Promise<void> {
    this.#orphanHandles(slot, `server "${this.#options.name}" was stopped`);
    if (this.#slots.get(slot.key) === slot) this.records.known(slot.key)?.supervisor.stopped();
    if (slot.alive) this.#remove(slot);
    // At once where it has started, so that no call is sent to it any more.
    const closing = slot.started?.[Symbol.asyncDispose]() ??
      starting.then((instance) => instance[Symbol.asyncDispose](), () => {});
    this.#closing.add(closing);
    return closing.finally(() => this.#closing.delete(closing));
  }

  #remove(slot: Slot): void {
    slot.close();
    if (this.#slots.get(slot.key) !== slot) return;
    this.#slots.delete(slot.key);
    this.records.release(slot.key);
  }
}

/** One start of a process, and what is remembered of that process. */
interface SlotStart {
  record: ProcessRecord;
  attempt: StartAttempt;
}
