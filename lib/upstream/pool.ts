import { getLogger } from "@logtape/logtape";
import { ExaiError } from "../base/errors.ts";
import { overCapacityFor } from "../base/exhaustion.ts";
import { MINUTE_MS } from "../base/units.ts";
import { redact } from "../base/log.ts";
import { visible } from "../base/visible.ts";
import type { Caller } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
import type { ServerQuestion } from "./instance/inbound_context.ts";
import type { InstanceOptions } from "./instance/instance_options.ts";
import { Instance } from "./instance/instance.ts";
import { OrphanedHandles } from "./tasks/orphaned_handles.ts";
import type { PoolOptions } from "./pool_options.ts";
import { type ProcessRecord, ProcessRecords } from "./process_records.ts";
import { quiet } from "./quiet.ts";
import { type ListScope, refusalAdvice } from "./share_key.ts";
import { Slot, type SlotRequest } from "./slot.ts";
import type { StartAttempt } from "./supervisor.ts";

const log = getLogger(["exai", "upstream"]);

/** How much of what a server says of its own accord is kept in its log file, for each message. */
const MAX_LOG_CHARS = 4096;

/** What one session has for itself may work for long without a word, and nobody else waits for it. */
const MAX_SILENCES_OF_OWN = 3;

/** How long calls may go on that were under way when the server lost our session. */
const LOST_GRACE_MS = 10 * MINUTE_MS;

/** The instances of one server by their share keys; each is started once, however many ask at the same time. */
export class Pool implements AsyncDisposable {
  /**
   * The instance of `slot` has ended or is being stopped; set by whoever led sessions to it. `isBroken` says that nobody
   * wanted it.
   */
  onLost = (_slot: Slot, _isBroken: boolean) => {};
  /** The instance of `slot` has started; set by whoever wants to know what it shows. */
  onStarted = (_slot: Slot, _instance: Instance) => {};
  /** An instance says that its lists have changed, and has told those attached to it; set like the others. */
  onListsStale = (_kinds: readonly ListKind[], _place: ListScope) => {};
  /** The server has asked a session something; set like the others. */
  onAsked = (_slot: Slot) => {};
  /** The server has asked for the roots that the sessions of `slot` share; set like the others. */
  onRootsAsked = (_slot: Slot) => {};
  /** The server of `slot` has ended a subscription that nobody has given up; set like the others. */
  onSubscriptionLost = (_slot: Slot, _lost: { caller: Caller; uri: string; why: string }) => {};
  /** What is remembered of each process, whether it runs or not. */
  readonly records: ProcessRecords;
  readonly #slots = new Map<string, Slot>();
  /** Those that take nothing new, and end once what runs on them has finished. */
  readonly retiring = new Set<Slot>();
  /** Tasks of instances that are gone, of the server's configurations of before too. */
  orphaned = new OrphanedHandles();
  readonly #closing = new Set<Promise<void>>();
  /** What is thrown in place of a start once nothing may be started any more. */
  retiredError: ExaiError | undefined;
  /** Aborted when nothing may take its time any more. */
  readonly #ending = new AbortController();
  readonly #options: PoolOptions;

  constructor(options: PoolOptions) {
    this.#options = options;
    const inUse = (key: string) => this.#slots.has(key);
    this.records = new ProcessRecords({ name: options.name, admissionFor: options.admissionFor, inUse });
  }

  [Symbol.iterator](): Iterator<Slot> {
    return this.#slots.values();
  }

  /** Which daemon this is, where that matters. */
  get daemonId(): string | undefined {
    return this.#options.daemonId;
  }

  /** Tells the catalog that lists of this server have changed. */
  listChanged(kinds: readonly ListKind[]): void {
    this.#options.onListChanged(kinds);
  }

  /** The slot whose instance runs the task `taskId` of `caller`. */
  slotOfTask(caller: Caller, taskId: unknown): Slot | undefined {
    return this.allSlots().find(({ started: started }) =>
      started?.alive && started.handles.isTaskOf(caller, taskId)
    );
  }

  /** Every slot, those among them that take nothing new. */
  *allSlots(): Generator<Slot> {
    yield* this.#slots.values();
    yield* this.retiring;
  }

  /** A session is over: no instance keeps anything for it. */
  sessionEnded(caller: Caller): void {
    for (const slot of this.allSlots()) slot.detach(caller);
    this.records.forget(caller);
    this.orphaned.forget(caller);
  }

  /**
   * The slot of `key`; a new one starts an instance.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server has failed too often to be started now, or is retired
   */
  slot(request: SlotRequest): Slot {
    const { key } = request;
    const known = this.#slots.get(key);
    if (known) return known;
    if (this.retiredError) throw this.retiredError;
    this.records.checkGroup(request, this.#slots.values());
    const record = this.records.of(request);
    const attempt = record.supervisor.beginFor(request.session.caller.id);
    const givenUp = new AbortController();
    const made = { ...request, admission: record.admission };
    const onQuestion = (question: ServerQuestion) => {
      slot.noteQuestion(question);
      this.onAsked(slot);
    };
    const onLost: InstanceOptions["onLost"] = (why, { isFault }) => {
      if (!slot.alive) return;
      // A server may lose one session after another.
      const level = record.supervisor.shouldLogLoss(why) ? "warning" : "debug";
      log[level]("{message}; another connection is made", { message: why.message });
      if (isFault) record.supervisor.failed(attempt, why);
      else record.supervisor.connectionLost(why);
      this.#loseTasks(slot, why.message);
      this.#retire(slot, { graceMs: LOST_GRACE_MS, isBroken: true });
    };
    const onRootsAsked = () => this.onRootsAsked(slot);
    const onSubscriptionLost = (caller: Caller, uri: string, why: string) =>
      this.onSubscriptionLost(slot, { caller, uri, why });
    const hooks = { onQuestion, onRootsAsked, onLost, onSubscriptionLost };
    const start = this.#start(request, { givenUp: givenUp.signal, ...hooks });
    const slot: Slot = new Slot(start, made, () => {
      givenUp.abort();
      this.#stop(key, slot);
    });
    this.#slots.set(key, slot);
    void this.#watch(record, slot, attempt).then((reason) => {
      if (reason) this.records.groupFailed(request, { slot, attempt, reason });
    });
    return slot;
  }

  /** Stops the instance of `slot`; its sessions get another when they need one. */
  end(slot: Slot): void {
    if (this.retiring.has(slot)) void slot.instance.then((it) => it[Symbol.asyncDispose]()).catch(() => {});
    if (!slot.alive) return;
    slot.stop();
    this.onLost(slot, false);
  }

  /**
   * Stops the instance of `slot` once what runs on it has finished, after `graceMs` at the latest. Its sessions get
   * another when they need one.
   */
  retireSlot(slot: Slot, graceMs: number): void {
    this.#retire(slot, { graceMs, isBroken: false });
  }

  #retire(slot: Slot, { graceMs, isBroken }: { graceMs: number; isBroken: boolean }): void {
    if (this.#slots.get(slot.key) !== slot || !slot.alive) return;
    if (!isBroken) this.records.known(slot.key)?.supervisor.stopped();
    this.#forget(slot.key, slot);
    this.retiring.add(slot);
    this.onLost(slot, isBroken);
    const closing = this.#endInTime(slot, graceMs);
    this.#closing.add(closing);
    closing.finally(() => (this.#closing.delete(closing), this.retiring.delete(slot)));
  }

  async #endInTime(slot: Slot, graceMs: number): Promise<void> {
    const instance = await slot.instance.catch(() => undefined);
    if (!instance) return;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(), graceMs);
    await quiet(instance, AbortSignal.any([late.signal, this.#ending.signal]));
    clearTimeout(timer);
    this.#loseTasks(slot, `the process of server "${this.#options.name}" was replaced`);
    await instance[Symbol.asyncDispose]();
  }

  /** Nothing is started any more; what is starting goes on only where calls wait for it. */
  close(): void {
    const why =
      `server "${this.#options.name}" was taken out of mcp.json or changed there; list and call again`;
    this.retiredError ??= new ExaiError("UPSTREAM_UNAVAILABLE", why, {
      details: { server: this.#options.name },
    });
    for (const slot of this.#slots.values()) if (!slot.started && !slot.isCalled) slot.stop();
  }

  /** Stops every instance once what runs on it has finished, and its tasks have been fetched or are over. */
  async retire(): Promise<void> {
    this.close();
    const ending = Array.from(this.#slots.values(), async (slot) => {
      const instance = await slot.instance.catch(() => undefined);
      if (!instance) return;
      for (const caller of [...instance.attached.values()]) instance.leave(caller);
      await quiet(instance, this.#ending.signal);
      slot.stop();
    });
    await Promise.all([...ending, ...this.#closing]);
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    this.close();
    for (const slot of this.#slots.values()) slot.stop();
    await Promise.all(this.#closing);
  }

  async #start(
    { config, session: tenant, scope, advertised: told, listScope: listed, canIsolate: mayMove }: SlotRequest,
    { givenUp, ...hooks }:
      & { givenUp: AbortSignal }
      & Pick<InstanceOptions, "onQuestion" | "onRootsAsked" | "onLost" | "onSubscriptionLost">,
  ): Promise<Instance> {
    const { clientInfo, settleMs, log } = this.#options;
    const transport = await this.#options.connect(config).catch((thrown) => {
      throw overCapacityFor(`server "${config.title}" cannot start`, thrown) ?? thrown;
    });
    // A server that hangs at its start must not hold up the end of the daemon.
    const close = () => void transport.close().catch(() => {});
    if (givenUp.aborted) close();
    else givenUp.addEventListener("abort", close, { once: true });
    return await Instance.start(transport, {
      name: config.name,
      clientInfo,
      capabilities: told,
      refusalAdvice: refusalAdvice(config, mayMove),
      settleMs,
      orphaned: this.orphaned,
      log: (line) => log?.(config.name, `${visible(redact(line), MAX_LOG_CHARS)}\n`),
      ...hooks,
      // A process of one session asks it each time, so that it sees them change.
      roots: scope === "project" ? tenant.roots ?? "none" : undefined,
      startTimeoutMs: config.startTimeoutMs,
      maxSilences: scope === "session" ? MAX_SILENCES_OF_OWN : undefined,
      onListChanged: (kinds) => {
        this.onListsStale(kinds, listed);
        this.listChanged(kinds);
      },
    });
  }

  /** Follows an instance to its end, and says why it failed; one that was stopped from here has not. */
  async #watch(
    { key, scope, supervisor }: ProcessRecord,
    slot: Slot,
    attempt: StartAttempt,
  ): Promise<ExaiError | undefined> {
    let reason: ExaiError;
    try {
      const instance = await slot.instance;
      supervisor.started(attempt);
      this.onStarted(slot, instance);
      reason = await instance.ended;
      if (scope !== "session") attempt.suspect = instance.suspect;
    } catch (thrown) {
      reason = ExaiError.from(thrown);
    }
    if (!slot.alive) return undefined;
    this.#loseTasks(slot, reason.message);
    if (supervisor.shouldLog(reason)) log.warning("{message}", { message: reason.message });
    // That this machine had no handle for it says nothing of the server.
    const isFault = reason.code !== "OVER_CAPACITY";
    if (isFault) {
      this.records.crashes.processEnded(attempt, reason);
      supervisor.failed(attempt, reason);
    } else supervisor.connectionLost(reason);
    this.#forget(key, slot);
    if (attempt.startedAtMs !== undefined) this.listChanged(["tools", "prompts", "resources", "templates"]);
    this.onLost(slot, true);
    return isFault ? reason : undefined;
  }

  #loseTasks({ started: started }: Slot, why: string): void {
    if (started) this.orphaned.add(started, why);
  }

  #stop(key: string, slot: Slot): void {
    this.#loseTasks(slot, `server "${this.#options.name}" was stopped`);
    if (this.#slots.get(key) === slot) this.records.known(key)?.supervisor.stopped();
    this.#forget(key, slot);
    const closing = slot.instance.then((instance) => instance[Symbol.asyncDispose](), () => {});
    this.#closing.add(closing);
    closing.finally(() => this.#closing.delete(closing));
  }

  #forget(key: string, slot: Slot): void {
    slot.close();
    if (this.#slots.get(key) !== slot) return;
    this.#slots.delete(key);
    this.records.release(key);
  }
}
