import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { ExaiError } from "../base/errors.ts";
import { overCapacityFor } from "../base/machine_want.ts";
import type { ServerConfig } from "../base/server_config.ts";
import type { Caller } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
import type { Implementation } from "../wire/mcp.ts";
import { Instance, type UpstreamTransport } from "./instance.ts";
import { toldCapabilities } from "./share_key.ts";
import { Slot, type SlotRequest } from "./slot.ts";
import { type Attempt, Supervisor } from "./supervisor.ts";

const log = getLogger(["exai", "upstream"]);

/** Connects to a server as its configuration says: starts the process, or opens the URL. */
export type Connect = (config: ServerConfig) => Promise<UpstreamTransport>;

export interface PoolOptions {
  name: string;
  connect: Connect;
  clientInfo: Implementation;
  daemonId?: string;
  onListChanged(kinds: readonly ListKind[]): void;
}

/** The instances of one server by their share keys; each is started once, however many ask at the same time. */
export class Pool implements AsyncDisposable {
  /** The instance of `slot` has ended or is being stopped; set by whoever led sessions to it. */
  onLost = (_slot: Slot) => {};
  /** The instance of `slot` has started; set by whoever wants to know what it shows. */
  onStarted = (_slot: Slot, _instance: Instance) => {};
  /** An instance says that its lists have changed, and has told those attached to it; set like the others. */
  onListsStale = (_kinds: readonly ListKind[]) => {};
  /** Says when a server that fails may be started again. */
  readonly supervisor: Supervisor;
  readonly #slots = new Map<string, Slot>();
  readonly #closing = new Set<Promise<void>>();
  /** Aborted when nothing may take its time any more. */
  readonly #ending = new AbortController();
  readonly #options: PoolOptions;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.supervisor = new Supervisor(options.name);
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
  homeOf(caller: Caller, taskId: unknown): Slot | undefined {
    for (const slot of this.#slots.values()) {
      if (slot.started?.ownsTask(caller, taskId)) return slot;
    }
    return undefined;
  }

  /** A session is over: no instance keeps anything for it. */
  forget(caller: Caller): void {
    for (const slot of this.#slots.values()) slot.release(caller);
  }

  /**
   * The slot of `key`; a new one starts an instance.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server has failed too often to be started now
   */
  slot(request: SlotRequest): Slot {
    const { key } = request;
    const known = this.#slots.get(key);
    if (known) return known;
    const attempt = this.supervisor.begin();
    const givenUp = new AbortController();
    const slot: Slot = new Slot(this.#start(request, givenUp.signal), request, () => {
      givenUp.abort();
      this.#stop(key, slot);
    });
    this.#slots.set(key, slot);
    void this.#watch(key, slot, attempt);
    return slot;
  }

  /** Stops the instance of `slot`; its sessions get another when they need one. */
  end(slot: Slot): void {
    if (!slot.alive) return;
    slot.stop();
    this.onLost(slot);
  }

  /**
   * Stops the instance of `slot` once what runs on it has finished, after `graceMs` at the latest. Its sessions get
   * another when they need one.
   */
  retireSlot(slot: Slot, graceMs: number): void {
    const [key] = [...this.#slots].find(([, known]) => known === slot) ?? [];
    if (key === undefined || !slot.alive) return;
    this.#forget(key, slot);
    this.onLost(slot);
    const closing = this.#endInTime(slot, graceMs);
    this.#closing.add(closing);
    closing.finally(() => this.#closing.delete(closing));
  }

  async #endInTime(slot: Slot, graceMs: number): Promise<void> {
    const instance = await slot.instance.catch(() => undefined);
    if (!instance) return;
    const timer = new AbortController();
    const late = delay(graceMs, { signal: AbortSignal.any([timer.signal, this.#ending.signal]) }).catch(
      () => {},
    );
    await Promise.race([instance.idle(), late]);
    timer.abort();
    await instance[Symbol.asyncDispose]();
  }

  /** Stops every instance once what runs on it has finished. */
  async retire(): Promise<void> {
    const slots = [...this.#slots];
    await Promise.all(slots.map(async ([, slot]) => (await slot.instance.catch(() => undefined))?.idle()));
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    for (const slot of this.#slots.values()) slot.stop();
    await Promise.all(this.#closing);
  }

  async #start({ config, tenant, scope }: SlotRequest, givenUp: AbortSignal): Promise<Instance> {
    const transport = await this.#options.connect(config).catch((thrown) => {
      throw overCapacityFor(`server "${config.title}" cannot start`, thrown) ?? thrown;
    });
    // A server that hangs at its start must not hold up the end of the daemon.
    const close = () => void transport.close().catch(() => {});
    if (givenUp.aborted) close();
    else givenUp.addEventListener("abort", close, { once: true });
    return await Instance.start(transport, {
      name: config.name,
      clientInfo: this.#options.clientInfo,
      capabilities: toldCapabilities(config, tenant),
      // A process of one session asks it each time, so that it sees them change.
      roots: scope === "project" ? tenant.roots : undefined,
      startTimeoutMs: config.startTimeoutMs,
      onListChanged: (kinds) => {
        this.onListsStale(kinds);
        this.listChanged(kinds);
      },
    });
  }

  /** Follows an instance to its end; one that was stopped from here has not failed. */
  async #watch(key: string, slot: Slot, attempt: Attempt): Promise<void> {
    let reason: ExaiError;
    try {
      const instance = await slot.instance;
      this.supervisor.started(attempt);
      this.onStarted(slot, instance);
      reason = await instance.ended;
    } catch (thrown) {
      reason = ExaiError.from(thrown);
    }
    if (!slot.alive) return;
    log.warning("{message}", { message: reason.message });
    this.#forget(key, slot);
    // That this machine had no handle for it says nothing of the server.
    if (reason.code !== "OVER_CAPACITY") this.supervisor.failed(attempt, reason);
    if (attempt.startedAtMs !== undefined) this.listChanged(["tools", "prompts", "resources", "templates"]);
    this.onLost(slot);
  }

  #stop(key: string, slot: Slot): void {
    this.#forget(key, slot);
    const closing = slot.instance.then((instance) => instance[Symbol.asyncDispose](), () => {});
    this.#closing.add(closing);
    closing.finally(() => this.#closing.delete(closing));
  }

  #forget(key: string, slot: Slot): void {
    slot.close();
    if (this.#slots.get(key) === slot) this.#slots.delete(key);
  }
}
