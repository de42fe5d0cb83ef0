import { getLogger } from "@logtape/logtape";
import { ExaiError } from "../base/errors.ts";
import type { ServerConfig } from "../base/server_config.ts";
import type { Caller } from "../call/call.ts";
import type { ListKind } from "../call/server.ts";
import type { Implementation } from "../wire/mcp.ts";
import { Instance, type UpstreamTransport } from "./instance.ts";
import { fnv1a } from "../base/hash.ts";
import { mayBeAsked, type Scope, type Tenant, toldCapabilities } from "./share_key.ts";
import { Supervisor } from "./supervisor.ts";
import { SessionTurns } from "./turns.ts";

const log = getLogger(["exai", "upstream"]);

/** Connects to a server as its configuration says: starts the process, or opens the URL. */
export type Connect = (config: ServerConfig) => Promise<UpstreamTransport>;

export interface PoolOptions {
  name: string;
  connect: Connect;
  clientInfo: Implementation;
  onListChanged(kinds: readonly ListKind[]): void;
}

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
  /** Names the share key without telling what is in it: the environment may hold secrets. */
  readonly keyHash: string;
  /** Present when sessions must take turns, because what the server asks could be any of theirs. */
  readonly turns: SessionTurns | undefined;
  started: Instance | undefined;
  alive = true;
  readonly #callers = new Map<string, Caller>();
  readonly #idleStopMs: number;
  /** Stops the instance, also one that is still starting. */
  readonly stop: () => void;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(instance: Promise<Instance>, request: SlotRequest, stop: () => void) {
    this.instance = instance;
    this.scope = request.scope;
    this.keyHash = fnv1a(request.key);
    const capabilities = toldCapabilities(request.config, request.tenant);
    this.turns = request.scope !== "session" && mayBeAsked(capabilities) ? new SessionTurns() : undefined;
    this.#idleStopMs = request.config.idleStopMs;
    this.stop = stop;
    instance.then((started) => {
      this.started = started;
      for (const caller of this.#callers.values()) started.attach(caller);
    }, () => {});
  }

  /** Sessions attached. */
  get sessionIds(): string[] {
    return [...this.#callers.keys()];
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

  /** Lets a session go; with the last one the instance is stopped, after a while in which a window may come back. */
  release(caller: Caller): void {
    if (!this.#callers.delete(caller.id)) return;
    this.started?.detach(caller);
    if (this.#callers.size > 0 || !this.alive || this.#idleStopMs === 0) return;
    if (this.scope === "session") return this.stop();
    this.#idleTimer = setTimeout(this.stop, this.#idleStopMs);
  }

  /** The instance is gone or on its way out. */
  close(): void {
    this.alive = false;
    clearTimeout(this.#idleTimer);
  }
}

/** The instances of one server by their share keys; each is started once, however many ask at the same time. */
export class Pool implements AsyncDisposable {
  readonly #slots = new Map<string, Slot>();
  readonly #closing = new Set<Promise<void>>();
  readonly #supervisor: Supervisor;
  readonly #options: PoolOptions;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#supervisor = new Supervisor(options.name);
  }

  [Symbol.iterator](): Iterator<Slot> {
    return this.#slots.values();
  }

  /** Tells the catalog that lists of this server have changed. */
  listChanged(kinds: readonly ListKind[]): void {
    this.#options.onListChanged(kinds);
  }

  /** The slot of `key`; a new one starts an instance. */
  slot(request: SlotRequest): Slot {
    const { key } = request;
    const known = this.#slots.get(key);
    if (known) return known;
    this.#supervisor.checkMayStart();
    const givenUp = new AbortController();
    const slot: Slot = new Slot(this.#start(request, givenUp.signal), request, () => {
      givenUp.abort();
      this.#stop(key, slot);
    });
    this.#slots.set(key, slot);
    slot.instance.then((instance) => this.#watch(key, slot, instance), (thrown) => {
      this.#forget(key, slot);
      this.#supervisor.failed(ExaiError.from(thrown));
      log.warning("{message}", { message: ExaiError.from(thrown).message });
    });
    return slot;
  }

  /** Stops every instance once what runs on it has finished. */
  async retire(): Promise<void> {
    const slots = [...this.#slots];
    await Promise.all(slots.map(async ([, slot]) => (await slot.instance.catch(() => undefined))?.idle()));
    await this[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const slot of this.#slots.values()) slot.stop();
    await Promise.all(this.#closing);
  }

  async #start({ config, tenant, scope }: SlotRequest, givenUp: AbortSignal): Promise<Instance> {
    const transport = await this.#options.connect(config);
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
      onListChanged: (kinds) => this.listChanged(kinds),
    });
  }

  async #watch(key: string, slot: Slot, instance: Instance): Promise<void> {
    const reason = await instance.ended;
    if (!slot.alive) return;
    log.warning("{message}", { message: reason.message });
    this.#forget(key, slot);
    this.#supervisor.failed(reason);
    this.listChanged(["tools", "prompts", "resources", "templates"]);
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
