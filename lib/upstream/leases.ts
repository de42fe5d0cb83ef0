import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { ExaiError, messageOf } from "../base/errors.ts";
import { bindToSession, type ServerConfig } from "../base/server_config.ts";
import { VIA_HEADER, VIA_VARIABLE, writeVia } from "../base/via.ts";
import type { Caller } from "../call/call.ts";
import type { Instance } from "./instance.ts";
import type { Pool } from "./pool.ts";
import { scopeOf, shareKey, type Tenant } from "./share_key.ts";
import type { Slot } from "./slot.ts";
import { workspaceOf } from "./workspace.ts";

const log = getLogger(["exai", "upstream"]);

/** What one server has for one session. */
interface Tenancy {
  readonly caller: Caller;
  /** The slot it is attached to; undefined until it needs one. */
  slot: Promise<Slot> | undefined;
  /** The same, once it is known. */
  attached: Slot | undefined;
  /** It goes on in a process of its own. */
  isPrivate: boolean;
  /** Resources it is subscribed to, whichever instance that is with. */
  readonly subscriptions: Set<string>;
  /** Aborted when the session is over. */
  readonly over: AbortController;
  isRestoring: boolean;
}

/**
 * Which running instance of one server each session is led to. A session that loses its instance gets another when it
 * needs one; one that is subscribed to something gets it at once, and is subscribed there again.
 */
export class Leases {
  readonly #config: ServerConfig;
  readonly #pool: Pool;
  readonly #tenancies = new Map<string, Tenancy>();

  constructor(config: ServerConfig, pool: Pool) {
    this.#config = config;
    this.#pool = pool;
    pool.onLost = (slot) => this.#lost(slot);
  }

  /**
   * The slot of a session, which is attached to it.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server cannot be started for it
   */
  lease(caller: Caller): Promise<Slot> {
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
    const slot = this.#tenancies.get(caller.id)?.attached;
    return slot?.alive && slot.serves(caller) ? slot.started : undefined;
  }

  /**
   * The slot a session would be led to, started if it must be, without attaching the session.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when the server cannot be started for it
   */
  visit(caller: Caller): Promise<Slot> {
    return this.#slotFor({ caller, isPrivate: this.#tenancies.get(caller.id)?.isPrivate ?? false });
  }

  /** Another session has had the floor for too long: this one goes on in a process of its own. */
  moveOut(caller: Caller, slot: Slot): void {
    log.info("{server}: session {id} gets a process of its own", {
      server: this.#config.name,
      id: caller.id,
    });
    const tenancy = this.#of(caller);
    tenancy.isPrivate = true;
    this.#leave(tenancy, slot);
  }

  /** A session goes on in another process than that of `slot`: its roots are others now. */
  move(caller: Caller, slot: Slot): void {
    this.#leave(this.#of(caller), slot);
  }

  /** A session has subscribed to `uri` on `slot`. */
  subscribed(caller: Caller, uri: string, slot: Slot): void {
    const tenancy = this.#of(caller);
    tenancy.subscriptions.add(uri);
    if (!slot.alive) void this.#restore(tenancy);
  }

  unsubscribed(caller: Caller, uri: string): void {
    this.#tenancies.get(caller.id)?.subscriptions.delete(uri);
  }

  /** A session is over. */
  end(caller: Caller): void {
    const tenancy = this.#tenancies.get(caller.id);
    this.#tenancies.delete(caller.id);
    tenancy?.over.abort();
    this.#pool.forget(caller);
    // One that is being attached now is let go when it is.
    tenancy?.slot?.then((slot) => slot.release(caller)).catch(() => {});
  }

  /** Every session is let go: the server is on its way out. */
  endAll(): void {
    for (const { over } of this.#tenancies.values()) over.abort();
    this.#tenancies.clear();
  }

  /** Takes the subscriptions of `old` over, the leases of this server under its configuration of before. */
  inherit(old: Leases): void {
    for (const { caller, subscriptions } of old.#tenancies.values()) {
      if (subscriptions.size === 0) continue;
      const tenancy = this.#of(caller);
      for (const uri of subscriptions) tenancy.subscriptions.add(uri);
      void this.#restore(tenancy);
    }
  }

  #of(caller: Caller): Tenancy {
    let tenancy = this.#tenancies.get(caller.id);
    if (!tenancy) {
      const over = new AbortController();
      tenancy = {
        caller,
        slot: undefined,
        attached: undefined,
        isPrivate: false,
        subscriptions: new Set(),
        over,
        isRestoring: false,
      };
      this.#tenancies.set(caller.id, tenancy);
    }
    return tenancy;
  }

  /** The instance of `stale` has ended: the first who notices gets a new one for all. */
  #renew(tenancy: Tenancy, stale: Promise<Slot>): Promise<Slot> {
    if (tenancy.slot === stale) tenancy.slot = undefined;
    return this.lease(tenancy.caller);
  }

  async #attach(tenancy: Tenancy): Promise<Slot> {
    const slot = await this.#slotFor(tenancy);
    slot.lease(tenancy.caller);
    tenancy.attached = slot;
    if (tenancy.subscriptions.size > 0) void this.#resubscribe(tenancy, slot);
    return slot;
  }

  async #slotFor({ caller, isPrivate }: Pick<Tenancy, "caller" | "isPrivate">): Promise<Slot> {
    const roots = await caller.roots();
    const workspace = await workspaceOf(caller, roots);
    const tenant: Tenant = { caller, workspace, roots };
    const own = bindToSession(
      isPrivate ? { ...this.#config, share: "session" as const } : this.#config,
      workspace,
    );
    const bound = markedVia(own, [...caller.via ?? [], ...[this.#pool.daemonId ?? []].flat()]);
    const key = shareKey(bound, tenant);
    return this.#pool.slot({ key, config: bound, tenant, scope: scopeOf(bound, tenant) });
  }

  #leave(tenancy: Tenancy, slot: Slot): void {
    // Another call of the session has left it already.
    if (!slot.serves(tenancy.caller)) return;
    tenancy.slot = undefined;
    slot.leave(tenancy.caller);
    void this.#restore(tenancy);
  }

  #lost(slot: Slot): void {
    for (const { id } of slot.callers) {
      const tenancy = this.#tenancies.get(id);
      if (tenancy) void this.#restore(tenancy);
    }
  }

  /** Gets a session that is subscribed to something a new instance, however often that takes. */
  async #restore(tenancy: Tenancy): Promise<void> {
    if (tenancy.isRestoring) return;
    tenancy.isRestoring = true;
    const { caller, over, subscriptions } = tenancy;
    const { signal } = over;
    while (subscriptions.size > 0 && !signal.aborted) {
      try {
        const slot = await this.lease(caller);
        if (await slot.instance.then(() => slot.alive, () => false)) break;
      } catch (thrown) {
        const { retryAfterMs, message } = ExaiError.from(thrown);
        if (retryAfterMs === undefined) {
          log.warning("{server}: subscriptions are lost: {message}", { server: this.#config.name, message });
          break;
        }
        await delay(retryAfterMs, { signal }).catch(() => {});
      }
    }
    tenancy.isRestoring = false;
  }

  /** Subscribes a session on a new instance to all it was subscribed to, and tells it that it may have missed something. */
  async #resubscribe({ caller, subscriptions }: Tenancy, slot: Slot): Promise<void> {
    const instance = await slot.instance.catch(() => undefined);
    if (!instance || !slot.serves(caller)) return;
    await Promise.all(Array.from(subscriptions, async (uri) => {
      try {
        const { error } = await instance.resubscribe(caller, uri);
        if (error) throw new Error(error.message);
        caller.notify("notifications/resources/updated", { uri });
      } catch (thrown) {
        // The next instance will be asked.
        if (!instance.alive) return;
        subscriptions.delete(uri);
        log.warning("{server}: {uri} cannot be subscribed to again: {message}", {
          server: this.#config.name,
          uri,
          message: messageOf(thrown),
        });
        caller.notify("notifications/resources/updated", { uri });
      }
    }));
  }
}

/**
 * `config` with the daemons by which its server is started or reached. As part of what the server gets it is part of
 * its share key: what another daemon does here must not be led back to it under our name.
 */
function markedVia<T extends ServerConfig>(config: T, via: readonly string[]): T {
  if (via.length === 0) return config;
  return config.kind === "stdio"
    ? { ...config, env: { ...config.env, [VIA_VARIABLE]: writeVia(via) } }
    : { ...config, headers: { ...config.headers, [VIA_HEADER]: writeVia(via) } };
}
