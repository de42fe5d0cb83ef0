import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { ExaiError, messageOf } from "../base/errors.ts";
import { bindToSession, type ServerConfig } from "../config/server_config.ts";
import { isObject } from "../base/json.ts";
import { MINUTE_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import { ROOTS_WAIT } from "../call/wait.ts";
import type { Instance } from "./instance/instance.ts";
import type { Pool } from "./pool.ts";
import {
  advertisedCapabilities,
  decideShare,
  isDirectoryBound,
  type ListScope,
  listScopeOf,
  type ShareDecision,
  shareKey,
  type SharingSession,
} from "./share_key.ts";
import type { Slot, SlotRequest } from "./slot.ts";
import { createSessionLease, loseSubscription, retryDelayMs, type SessionLease } from "./session_lease.ts";
import { markedVia } from "./marked_via.ts";
import { locationOf, startedIn, workspaceOf } from "./sharing/working_directory.ts";

const log = getLogger(["exai", "upstream"]);

/** How long calls may go on in a process whose sessions go on elsewhere. */
const PARTING_GRACE_MS = 10 * MINUTE_MS;

/**
 * Which running instance of one server each session is led to. A session that loses its instance gets another when it
 * needs one; one that is subscribed to something gets it at once, and is subscribed there again.
 */
export class Leases {
  readonly #config: ServerConfig;
  readonly #pool: Pool;
  readonly #tenancies = new Map<string, SessionLease>();
  /** Sessions that are over: what still runs for them begins nothing, for nobody would end it. */
  readonly #over = new WeakSet<Caller>();
  /** Whether the server is known to ask for roots; set by whoever knows. */
  asksRoots = () => false;
  /** It is known where a session is led to; set by whoever wants to know. */
  onPlaced = (_caller: Caller, _place: ListScope) => {};

  constructor(config: ServerConfig, pool: Pool) {
    this.#config = config;
    this.#pool = pool;
    pool.onLost = (slot, isBroken) => this.#lost(slot, isBroken);
    pool.onSubscriptionLost = (slot, { caller, uri, why }) => {
      const tenancy = this.#tenancies.get(caller.id);
      // One whose process ends is subscribed again on the next.
      if (slot.alive && tenancy?.attached === slot) loseSubscription(tenancy, uri, `${why}; subscribe again`);
    };
  }

  /**
   * The slot of a session, which is attached to it.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server cannot be started for it, `CANCELLED` when it is over
   */
  lease(caller: Caller): Promise<Slot> {
    if (this.#over.has(caller)) return Promise.reject(new ExaiError("CANCELLED", "the session is over"));
    const tenancy = this.#of(caller);
    const known = tenancy.slot;
    if (known) return known.then((slot) => slot.alive ? slot : this.#renew(tenancy, known));
    const slot = this.#attach(tenancy);
    tenancy.slot = slot;
    slot.catch(() => tenancy.slot === slot && (tenancy.slot = undefined));
    return slot;
  }

  /** The slot a session is attached to, if it is to any. */
  current(caller: Caller): Promise<Slot> | undefined {
    return this.#tenancies.get(caller.id)?.slot;
  }

  /** The running instance a session is attached to. */
  running(caller: Caller): Instance | undefined {
    return this.ready(caller)?.started;
  }

  /** The slot that {@linkcode attach} would resolve with, if its instance runs: nothing need be waited for then. */
  ready(caller: Caller): Slot | undefined {
    const slot = this.#tenancies.get(caller.id)?.attached;
    return slot?.alive && slot.hasSession(caller) && slot.started ? slot : undefined;
  }

  /** What a session waits for that has asked for its slot; undefined: nothing, or it has not. */
  waitOf(caller: Caller): string | undefined {
    const tenancy = this.#tenancies.get(caller.id);
    if (!tenancy?.slot) return undefined;
    if (!tenancy.attached?.alive) return ROOTS_WAIT;
    return tenancy.attached.started ? undefined : `server "${this.#config.name}" to start`;
  }

  /**
   * What the instance a session is led to is made for. The session is not attached, and nothing is started.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server cannot be started for it
   */
  placeOf(caller: Caller): Promise<SlotRequest> {
    return this.#requestFor({ caller, isolationReason: this.#tenancies.get(caller.id)?.isolationReason });
  }

  /** What a server asks would not be certain to be this session's: it goes on in a process of its own. */
  isolate(caller: Caller, slot: Slot, why: string): void {
    log.info("{server}: a window gets a process of its own: {why}", { server: this.#config.name, why });
    const tenancy = this.#of(caller);
    tenancy.isolationReason = why;
    this.#leave(tenancy, slot);
  }

  /** A session goes on in another process than that of `slot`: its roots are others now. */
  relocate(caller: Caller, slot: Slot): void {
    const tenancy = this.#of(caller);
    this.#leave(tenancy, slot);
    tenancy.retry?.abort();
  }

  /** The server of `slot` asks for roots: sessions that tell some and such that tell none go on apart. */
  splitByRoots(slot: Slot): void {
    if (!slot.hasRoots) return this.#pool.retireSlot(slot, PARTING_GRACE_MS);
    for (const caller of [...slot.callers]) {
      if (!isObject(caller.capabilities.roots)) this.#leave(this.#of(caller), slot);
    }
  }

  /** A session has subscribed to `uri` on `slot`. */
  subscribed(caller: Caller, uri: string, slot: Slot): void {
    if (this.#over.has(caller)) return;
    const tenancy = this.#of(caller);
    tenancy.subscriptions.add(uri);
    if (!slot.alive) void this.#restore(tenancy);
    else if (!slot.hasSession(caller)) void this.#carryOver(tenancy, slot);
  }

  /** A session was led elsewhere while it subscribed on `slot`: the subscription follows it. */
  async #carryOver(tenancy: SessionLease, slot: Slot): Promise<void> {
    slot.started?.leave(tenancy.caller);
    const current = await this.lease(tenancy.caller).catch(() => undefined);
    if (current) await this.#resubscribe(tenancy, current);
    else void this.#restore(tenancy);
  }

  /** A session is not subscribed to `uri` any more; whether it was. */
  unsubscribed(caller: Caller, uri: string): boolean {
    return this.#tenancies.get(caller.id)?.subscriptions.delete(uri) ?? false;
  }

  /** A session that was taken to have unsubscribed from `uri` is subscribed after all: the server did not let it go. */
  keepSubscription(caller: Caller, uri: string): void {
    this.#tenancies.get(caller.id)?.subscriptions.add(uri);
  }

  /** A session is over. */
  end(caller: Caller): void {
    const tenancy = this.#tenancies.get(caller.id);
    this.#tenancies.delete(caller.id);
    this.#over.add(caller);
    tenancy?.ended.abort();
    this.#pool.sessionEnded(caller);
    // One that is being attached now is let go when it is.
    tenancy?.slot?.then((slot) => slot.detach(caller)).catch(() => {});
  }

  /** Every session is let go: the server is on its way out, for which `why` is told to those that are subscribed. */
  endAll(why?: string): void {
    for (const tenancy of this.#tenancies.values()) {
      tenancy.ended.abort();
      if (why === undefined) continue;
      for (const uri of [...tenancy.subscriptions]) loseSubscription(tenancy, uri, why);
    }
    this.#tenancies.clear();
  }

  /** Takes the subscriptions of `old` over, the leases of this server under its configuration of before. */
  inherit(old: Leases): void {
    for (const { caller, subscriptions } of old.#tenancies.values()) {
      if (subscriptions.size === 0) continue;
      const tenancy = this.#of(caller);
      for (const uri of subscriptions) tenancy.subscriptions.add(uri);
      // Whatever becomes of the old server, they are not lost.
      subscriptions.clear();
      void this.#restore(tenancy);
    }
  }

  #of(caller: Caller): SessionLease {
    let tenancy = this.#tenancies.get(caller.id);
    if (!tenancy) this.#tenancies.set(caller.id, tenancy = createSessionLease(caller, this.#config.name));
    return tenancy;
  }

  /** The instance of `stale` has ended: the first who notices gets a new one for all. */
  #renew(tenancy: SessionLease, stale: Promise<Slot>): Promise<Slot> {
    if (tenancy.slot === stale) tenancy.slot = undefined;
    return this.lease(tenancy.caller);
  }

  async #attach(tenancy: SessionLease): Promise<Slot> {
    const slot = this.#pool.slot(await this.#requestFor(tenancy));
    slot.attach(tenancy.caller);
    tenancy.attached = slot;
    if (tenancy.subscriptions.size > 0) void this.#resubscribe(tenancy, slot);
    return slot;
  }

  async #requestFor(
    { caller, isolationReason: whyApart }: Pick<SessionLease, "caller" | "isolationReason">,
  ): Promise<SlotRequest> {
    const roots = await caller.roots();
    const named = await workspaceOf(caller, roots);
    const { workspace, rootPaths: places } = await locationOf(named, roots);
    const asksRoots = this.asksRoots();
    const rootless = asksRoots && roots === undefined;
    const tenant: SharingSession = { caller, workspace, roots, rootPaths: places, isRootless: rootless };
    const via = [...caller.via ?? [], ...[this.#pool.daemonId ?? []].flat()];
    const [shared, own] = [workspace, named].map((dir) => markedVia(bindToSession(this.#config, dir), via));
    const config = startedIn(own!, shared!);
    const decision: ShareDecision = whyApart === undefined
      ? decideShare(this.#config)
      : { scope: "session", why: whyApart, canIsolate: false };
    const { scope } = decision;
    const placed = isDirectoryBound(config, scope);
    const told = advertisedCapabilities({ scope, placed, rootless: tenant.isRootless }, caller);
    const listed = listScopeOf(this.#config, tenant, { scope, told });
    this.onPlaced(caller, listed);
    const mixesRoots = scope === "project" && placed && !asksRoots;
    return {
      ...decision,
      key: shareKey(shared!, tenant, scope),
      config,
      session: tenant,
      advertised: told,
      listScope: listed,
      mixesRoots,
    };
  }

  #leave(tenancy: SessionLease, slot: Slot): void {
    // Another call of the session has left it already.
    if (!slot.hasSession(tenancy.caller)) return;
    tenancy.slot = undefined;
    slot.leave(tenancy.caller);
    void this.#restore(tenancy);
  }

  #lost(slot: Slot, isBroken: boolean): void {
    // What a server behind a URL says of its own accord is heard by those attached, whether they call it or not.
    const listens = isBroken && slot.started !== undefined && this.#config.kind !== "stdio";
    for (const { id } of slot.callers) {
      const tenancy = this.#tenancies.get(id);
      if (tenancy) void this.#restore(tenancy, listens);
    }
  }

  /** Gets a session that is subscribed to something a new instance, however often that takes. */
  async #restore(tenancy: SessionLease, listens = false): Promise<void> {
    tenancy.wantsStream ||= listens;
    if (tenancy.isRestoring) return;
    tenancy.isRestoring = true;
    const { ended: { signal }, subscriptions } = tenancy;
    for (let failures = 0; (subscriptions.size > 0 || tenancy.wantsStream) && !signal.aborted;) {
      const pauseMs = await this.#tryRestore(tenancy, failures);
      if (pauseMs === undefined) break;
      tenancy.retry = new AbortController();
      await delay(pauseMs, { signal: AbortSignal.any([signal, tenancy.retry.signal]) }).catch(() => {});
      failures = tenancy.retry.signal.aborted ? 0 : failures + 1;
    }
    tenancy.retry = undefined;
    tenancy.wantsStream = tenancy.isRestoring = false;
  }

  /** One attempt after `failures` that came to nothing; gives the pause before the next, undefined when there is none. */
  async #tryRestore(tenancy: SessionLease, failures: number): Promise<number | undefined> {
    let slot: Slot;
    try {
      slot = await this.lease(tenancy.caller);
    } catch (thrown) {
      const error = ExaiError.from(thrown);
      if (error.retryAfterMs !== undefined) return retryDelayMs(error, failures);
      const why = `${error.message}; subscribe again`;
      for (const uri of [...tenancy.subscriptions]) loseSubscription(tenancy, uri, why);
      return undefined;
    }
    const error = await slot.instance.then(() => undefined, ExaiError.from);
    return !error && slot.alive ? undefined : retryDelayMs(error, failures);
  }

  /** Subscribes a session on a new instance to all it was subscribed to, and tells it that it may have missed something. */
  async #resubscribe(tenancy: SessionLease, slot: Slot): Promise<void> {
    const { caller, subscriptions } = tenancy;
    const instance = await slot.instance.catch(() => undefined);
    if (!instance || !slot.hasSession(caller)) return;
    await Promise.all(Array.from(subscriptions, async (uri) => {
      try {
        const { error } = await instance.resubscribe(caller, uri);
        if (error) throw new Error(error.message);
        // It may have unsubscribed meanwhile.
        if (subscriptions.has(uri)) caller.notify("notifications/resources/updated", { uri });
      } catch (thrown) {
        // The next instance will be asked.
        if (!instance.alive || !subscriptions.has(uri)) return;
        loseSubscription(tenancy, uri, `${messageOf(thrown)}; subscribe again`);
      }
    }));
  }
}
