import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { ExaiError } from "../base/errors.ts";
import { choosesByDirectory } from "../config/account_choice.ts";
import type { ServerConfig } from "../config/server_config.ts";
import type { Params } from "../wire/raw_object.ts";
import { MINUTE_MS } from "../base/units.ts";
import type { Caller } from "../call/call.ts";
import { ROOTS_WAIT } from "../call/wait.ts";
import type { Instance } from "./instance/instance.ts";
import type { Pool } from "./pool.ts";
import {
  createSessionLease,
  loseSubscription,
  retryDelayMs,
  type SessionLease,
  subscribeAgain,
} from "./session_lease.ts";
import type { ListScope } from "./share_key.ts";
import type { Slot } from "./slot.ts";
import { type SlotRequest, slotRequestFor } from "./slot_request.ts";

const log = getLogger(["exai", "upstream"]);

/** How long calls may run on in a process whose sessions have moved to others. */
const SPLIT_GRACE_MS = 10 * MINUTE_MS;

/** The notification of a client whose roots have changed (MCP client/roots). */
export const ROOTS_CHANGED = "notifications/roots/list_changed";

interface LeasesOptions {
  /** Whether the server is known to ask for roots. */
  asksRoots?(): boolean;
  /** Called when it is known whose lists a session is shown. */
  onScopeKnown?(caller: Caller, scope: ListScope): void;
}

/**
 * Which running instance of one server serves each session. A session that loses its instance gets another when it
 * needs one; a session with subscriptions gets it at once and is subscribed there again. Where a person has put an
 * instance away, subscriptions wait for the next one too.
 */
export class Leases {
  readonly #config: ServerConfig;
  readonly #pool: Pool;
  readonly #options: LeasesOptions;
  readonly #bySession = new Map<string, SessionLease>();
  /** Sessions that have ended: work still in progress for them must not create a lease. */
  readonly #ended = new WeakSet<Caller>();

  constructor(config: ServerConfig, pool: Pool, options: LeasesOptions = {}) {
    this.#config = config;
    this.#pool = pool;
    this.#options = options;
  }

  /**
   * The slot of a session; attaches the session to it.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server cannot be started for it, `CANCELLED` when the session
   * has ended
   */
  lease(caller: Caller): Promise<Slot> {
    if (this.#ended.has(caller)) return Promise.reject(new ExaiError("CANCELLED", "the session is over"));
    const lease = this.#of(caller);
    const known = lease.slot;
    if (known) return known.then((slot) => slot.alive ? slot : this.#renew(lease, known));
    const slot = this.#attach(lease);
    lease.slot = slot;
    slot.catch(() => lease.slot === slot && (lease.slot = undefined));
    return slot;
  }

  /** The slot a session is attached to; undefined: none. */
  current(caller: Caller): Promise<Slot> | undefined {
    return this.#bySession.get(caller.id)?.slot;
  }

  /** The running instance a session is attached to. */
  running(caller: Caller): Instance | undefined {
    return this.ready(caller)?.started;
  }

  /** The slot {@linkcode lease} would resolve with, if its instance runs already. */
  ready(caller: Caller): Slot | undefined {
    const slot = this.#bySession.get(caller.id)?.attached;
    return slot?.alive && slot.hasSession(caller) && slot.started ? slot : undefined;
  }

  /** What a session that has asked for its slot waits for; undefined: nothing. */
  waitOf(caller: Caller): string | undefined {
    const lease = this.#bySession.get(caller.id);
    if (!lease?.slot) return undefined;
    if (!lease.attached?.alive) return ROOTS_WAIT;
    return lease.attached.started ? undefined : `server "${this.#config.name}" to start`;
  }

  /**
   * Describes the instance that serves a session, or the one that would if its client had no roots (`isUnasked`). The
   * session is not attached and nothing is started.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server cannot be started for it
   */
  requestOf(caller: Caller, isUnasked = false): Promise<SlotRequest> {
    const { isolationReason } = this.#bySession.get(caller.id) ?? {};
    return this.#requestFor({ caller, isolationReason }, isUnasked);
  }

  /** Moves a session to its own process, as questions of a shared one could not be attributed to it. */
  isolate(caller: Caller, slot: Slot, why: string): void {
    if (!slot.hasSession(caller)) return;
    log.info("{server}: a window gets its own process: {why}", { server: this.#config.name, why });
    const lease = this.#of(caller);
    lease.isolationReason = why;
    this.#leave(lease, slot);
  }

  /** Moves a session away from `slot`, as its roots have changed. */
  relocate(caller: Caller, slot: Slot): void {
    const lease = this.#of(caller);
    this.#leave(lease, slot);
    lease.retry?.abort();
  }

  /** The roots of a session have changed: moves it where they are part of the share key, notifies its server otherwise. */
  rootsChanged(caller: Caller, params: Params): void {
    this.current(caller)?.then(async (slot) => {
      // A copy of a shared process is told what that is told.
      const scope = slot.copyOf ?? slot.scope;
      if (scope === "project" || choosesByDirectory(this.#config)) this.relocate(caller, slot);
      if (scope === "session") (await slot.instance).notify(caller, ROOTS_CHANGED, params);
    }).catch(() => {});
  }

  /** The server of `slot` asks for roots: separates sessions that have roots from sessions that have none. */
  splitByRoots(slot: Slot): void {
    if (!slot.hasRoots) return this.#pool.retireSlot(slot, SPLIT_GRACE_MS);
    for (const caller of [...slot.callers]) {
      const move = () => slot.hasSession(caller) && this.relocate(caller, slot);
      caller.roots().then((roots) => roots?.length || move()).catch(() => {});
    }
  }

  /** A session has subscribed to `uri` on `slot`. */
  subscribed(caller: Caller, uri: string, slot: Slot): void {
    if (this.#ended.has(caller)) return;
    const lease = this.#of(caller);
    lease.subscriptions.add(uri);
    if (!slot.alive && !slot.putAway) void this.#restore(lease);
    else if (!slot.hasSession(caller)) void this.#carryOver(lease, slot);
  }

  /** A session moved away from `slot` while it subscribed there: subscribes it on its new slot. */
  async #carryOver(lease: SessionLease, slot: Slot): Promise<void> {
    slot.started?.leave(lease.caller);
    const current = await this.lease(lease.caller).catch(() => undefined);
    if (current) await this.#resubscribe(lease, current);
    else void this.#restore(lease);
  }

  /** A session has unsubscribed from `uri`; returns whether it was subscribed. */
  unsubscribed(caller: Caller, uri: string): boolean {
    return this.#bySession.get(caller.id)?.subscriptions.delete(uri) ?? false;
  }

  /** Reverts {@linkcode unsubscribed}: the server refused to end the subscription. */
  keepSubscription(caller: Caller, uri: string): void {
    this.#bySession.get(caller.id)?.subscriptions.add(uri);
  }

  /** The server of `slot` has ended the subscription of a session to `uri`. */
  subscriptionLost(slot: Slot, { caller, uri, why }: { caller: Caller; uri: string; why: string }): void {
    const lease = this.#bySession.get(caller.id);
    // A session whose process ends is subscribed again on the next one.
    if (slot.alive && lease?.attached === slot) loseSubscription(lease, uri, `${why}; subscribe again`);
  }

  /** Ends the lease of a session that has ended. */
  end(caller: Caller): void {
    const lease = this.#bySession.get(caller.id);
    this.#bySession.delete(caller.id);
    this.#ended.add(caller);
    lease?.ended.abort();
    this.#pool.sessionEnded(caller);
    // An attach that is still in progress is undone when it is done.
    lease?.slot?.then((slot) => slot.detach(caller)).catch(() => {});
  }

  /** Ends every lease; `why` is reported to sessions with subscriptions, if it is given. */
  endAll(why?: string): void {
    for (const lease of this.#bySession.values()) {
      lease.ended.abort();
      if (why === undefined) continue;
      for (const uri of [...lease.subscriptions]) loseSubscription(lease, uri, why);
    }
    this.#bySession.clear();
  }

  /** Takes over the subscriptions of `old`, the leases of this server under its earlier configuration. */
  inherit(old: Leases): void {
    for (const { caller, subscriptions } of old.#bySession.values()) {
      if (subscriptions.size === 0) continue;
      const lease = this.#of(caller);
      for (const uri of subscriptions) lease.subscriptions.add(uri);
      // The end of the old server must not report them as lost.
      subscriptions.clear();
      void this.#restore(lease);
    }
  }

  #of(caller: Caller): SessionLease {
    let lease = this.#bySession.get(caller.id);
    if (!lease) this.#bySession.set(caller.id, lease = createSessionLease(caller, this.#config.name));
    return lease;
  }

  /** Replaces a slot that has ended; concurrent callers share the new one. */
  #renew(lease: SessionLease, stale: Promise<Slot>): Promise<Slot> {
    if (lease.slot === stale) lease.slot = undefined;
    return this.lease(lease.caller);
  }

  async #attach(lease: SessionLease): Promise<Slot> {
    const slot = this.#pool.slot(await this.#requestFor(lease));
    slot.attach(lease.caller);
    lease.attached = slot;
    if (lease.subscriptions.size > 0) void this.#resubscribe(lease, slot);
    return slot;
  }

  async #requestFor(
    { caller, isolationReason }: Pick<SessionLease, "caller" | "isolationReason">,
    isUnasked = false,
  ): Promise<SlotRequest> {
    const asksRoots = () => this.#options.asksRoots?.() ?? false;
    const parts = { isolationReason, isUnasked, asksRoots, daemonId: this.#pool.daemonId };
    const request = await slotRequestFor(this.#config, caller, parts);
    if (!isUnasked) this.#options.onScopeKnown?.(caller, request.listScope);
    return request;
  }

  #leave(lease: SessionLease, slot: Slot): void {
    if (!slot.hasSession(lease.caller)) return;
    lease.slot = undefined;
    slot.leave(lease.caller);
    void this.#restore(lease);
  }

  /** The instance of `slot` has ended or is being stopped; `isBroken`: it failed or lost its connection. */
  slotLost(slot: Slot, isBroken: boolean): void {
    if (slot.putAway) return;
    // Sessions attached to a URL server hear its unsolicited messages, even if they make no calls.
    const wantsStream = isBroken && slot.started !== undefined && this.#config.kind !== "stdio";
    for (const { id } of slot.callers) {
      const lease = this.#bySession.get(id);
      if (lease) void this.#restore(lease, wantsStream);
    }
  }

  /** Retries until a session with subscriptions has a new instance. */
  async #restore(lease: SessionLease, wantsStream = false): Promise<void> {
    lease.wantsStream ||= wantsStream;
    if (lease.isRestoring) return;
    lease.isRestoring = true;
    const { ended: { signal }, subscriptions } = lease;
    for (let failures = 0; (subscriptions.size > 0 || lease.wantsStream) && !signal.aborted;) {
      const delayMs = await this.#tryRestore(lease, failures);
      if (delayMs === undefined) break;
      lease.retry = new AbortController();
      await delay(delayMs, { signal: AbortSignal.any([signal, lease.retry.signal]) }).catch(() => {});
      failures = lease.retry.signal.aborted ? 0 : failures + 1;
    }
    lease.retry = undefined;
    lease.wantsStream = lease.isRestoring = false;
  }

  /** One attempt after `failures` failed ones; resolves with the delay before the next, undefined: no next one. */
  async #tryRestore(lease: SessionLease, failures: number): Promise<number | undefined> {
    let slot: Slot;
    try {
      slot = await this.lease(lease.caller);
    } catch (thrown) {
      const error = ExaiError.from(thrown);
      if (error.retryAfterMs !== undefined) return retryDelayMs(error, failures);
      const why = `${error.message}; subscribe again`;
      for (const uri of [...lease.subscriptions]) loseSubscription(lease, uri, why);
      return undefined;
    }
    const error = await slot.instance.then(() => undefined, ExaiError.from);
    return slot.putAway || !error && slot.alive ? undefined : retryDelayMs(error, failures);
  }

  async #resubscribe(lease: SessionLease, slot: Slot): Promise<void> {
    const instance = await slot.instance.catch(() => undefined);
    if (instance && slot.hasSession(lease.caller)) await subscribeAgain(lease, instance);
  }
}
