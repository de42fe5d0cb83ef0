import { resolvedWithin } from "../../base/abort.ts";
import { ExaiError } from "../../base/errors.ts";
import { isObject } from "../../base/json.ts";
import { SECOND_MS } from "../../base/units.ts";
import type { Caller } from "../../call/call.ts";
import { ROOTS_WAIT } from "../../call/wait.ts";
import type { InitializeResult } from "../../wire/mcp.ts";
import type { Leases } from "../leases.ts";
import { onNextProcess } from "../next_process.ts";
import type { Pool } from "../pool.ts";
import type { Slot } from "../slot.ts";
import type { SlotRequest } from "../slot_request.ts";
import { isListReader } from "./list_reader.ts";
import { ProbeQueue } from "./probe_queue.ts";

/** How long a process that is started elsewhere is waited for before another is started for its lists. */
const MAX_WAIT_MS = 5 * SECOND_MS;

interface ProbesOptions {
  /** The server's name. */
  name: string;
  leases: Leases;
  pool: Pool;
  /** Bounds the servers that are started at once; left out: as if this server were the only one. */
  queue?: ProbeQueue;
  /** Reads the lists of the process in `slot`. */
  read(slot: Slot): Promise<void>;
}

/** Processes of one server that run only so that its lists can be read, at most one for each scope. */
export class Probes {
  readonly #options: ProbesOptions;
  readonly #queue: ProbeQueue;
  /** Those that wait for their turn or run, by list key. */
  readonly #queued = new Map<string, Promise<void>>();
  /** Those that run. */
  readonly #running = new Map<string, Promise<void>>();
  /** List key of a scope that is read while no window is there, and that no window is in; undefined: none is. */
  readerKey: string | undefined;
  /** Number of those whose process is starting. */
  #starting = 0;
  /** Sessions whose place is being looked up, and how often. */
  readonly #placing = new Map<Caller, number>();

  constructor(options: ProbesOptions) {
    this.#options = options;
    this.#queue = options.queue ?? new ProbeQueue();
  }

  /** Settles as the reading that is running in a scope; undefined: none is. */
  running(listKey: string): Promise<void> | undefined {
    return this.#running.get(listKey);
  }

  /** What a session that needs a list waits for; undefined: nothing that is to be done first. */
  waitOf(caller: Caller): string | undefined {
    if (this.#placing.has(caller)) return ROOTS_WAIT;
    return this.#queued.size + this.#starting > 0 ? `server "${this.#options.name}" to start` : undefined;
  }

  /** Describes the process that serves a session, which may be asked for its roots. */
  async placeOf(caller: Caller): Promise<SlotRequest> {
    this.#placing.set(caller, (this.#placing.get(caller) ?? 0) + 1);
    try {
      const request = await this.#options.leases.requestOf(caller);
      const { listKey, resourcesFor } = request.listScope;
      if (isListReader(caller) && resourcesFor !== "everybody") this.readerKey = listKey;
      return request;
    } finally {
      const others = this.#placing.get(caller)! - 1;
      if (others > 0) this.#placing.set(caller, others);
      else this.#placing.delete(caller);
    }
  }

  /**
   * What the server says of itself to a session. One whose client cannot be asked yet (`isUnasked`) is not attached: its
   * calls are to run where its roots are.
   */
  describe(caller: Caller, isUnasked: boolean): Promise<InitializeResult> {
    return onNextProcess(() => this.#describe(caller, isUnasked));
  }

  async #describe(caller: Caller, isUnasked: boolean): Promise<InitializeResult> {
    const { leases } = this.#options;
    const isNoPlace = isUnasked && !leases.running(caller) && isObject(caller.capabilities.roots);
    const slot = isNoPlace ? await this.#withoutRoots(caller) : undefined;
    if (!slot) return (await (await leases.lease(caller)).instance).description;
    slot.beginCall();
    try {
      return (await slot.instance).description;
    } finally {
      slot.endCall();
    }
  }

  /** Undefined for a server that cannot be started without the roots. */
  async #withoutRoots(caller: Caller): Promise<Slot | undefined> {
    const { leases, pool } = this.#options;
    try {
      return pool.slot(await leases.requestOf(caller, true));
    } catch (thrown) {
      if (thrown instanceof ExaiError && thrown.details?.reason !== undefined) return undefined;
      throw thrown;
    }
  }

  /** Waits for a process that is being started in any scope, but not for one that hangs. */
  async settled(): Promise<void> {
    const all = Array.from(this.#queued.values(), (probe) => probe.catch(() => {}));
    if (all.length > 0) await resolvedWithin(Promise.race(all), MAX_WAIT_MS);
  }

  /**
   * Reads the lists of a session's scope when it is its turn.
   *
   * @param isKnown whether lists can be shown meanwhile
   */
  async request(caller: Caller, isKnown: boolean): Promise<void> {
    const { listKey } = (await this.placeOf(caller)).listScope;
    const known = this.#queued.get(listKey);
    if (known) {
      return await known.catch((thrown) => {
        // The session it was to be read for is over.
        if (thrown instanceof ExaiError && thrown.code === "CANCELLED") return this.request(caller, isKnown);
        throw thrown;
      });
    }
    const probe = this.#queue.run(() => this.now(caller), { isKnown });
    const ended = probe.finally(() => this.#queued.delete(listKey));
    this.#queued.set(listKey, ended);
    await ended;
  }

  /** Reads the lists of a session's scope, starting the server if none runs there; it may stop again afterwards. */
  async now(caller: Caller): Promise<void> {
    const request = await this.placeOf(caller);
    const { listKey } = request.listScope;
    const known = this.#running.get(listKey);
    if (known) return await known;
    const slot = this.#options.pool.slot(request);
    const reading = this.#read(slot).finally(() => this.#running.delete(listKey));
    this.#running.set(listKey, reading);
    await reading;
    // Of a process in a directory of its own no window has any use; another is kept for a moment.
    if (listKey === this.readerKey) slot.stopUnused();
  }

  async #read(slot: Slot): Promise<void> {
    // The session it was started for may end, while others wait for the lists too.
    using _kept = slot.keep();
    this.#starting++;
    await slot.instance.finally(() => this.#starting--);
    // Not before: a server that is taken out of mcp.json meanwhile is not to start for this.
    slot.beginCall();
    try {
      await this.#options.read(slot);
    } catch (thrown) {
      // A person has stopped it: the next is started by what is asked later.
      throw slot.putAway?.failsWith ?? thrown;
    } finally {
      slot.endCall();
    }
  }
}
