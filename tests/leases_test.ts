import { assertEquals } from "@std/assert";
import type { Caller } from "../lib/call/call.ts";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { Leases } from "../lib/upstream/leases.ts";
import type { Pool } from "../lib/upstream/pool.ts";
import type { Slot } from "../lib/upstream/slot.ts";
import { call } from "./helpers/call.ts";
import { settled } from "./helpers/instance.ts";
import { mountedServer } from "./helpers/shared_server.ts";
import { until } from "./helpers/until.ts";

Deno.test("a window that loses the server it hears while it is being subscribed again hears it again, also when it unsubscribes meanwhile", async () => {
  await using server = mountedServer({}, () => Promise.reject(new Error("not used")));
  const config = {
    ...server.mounted.config,
    kind: "http",
    url: "http://localhost/",
    headers: {},
  } as ServerConfig;
  const { caller } = call();
  const first = Promise.withResolvers<never>();
  first.promise.catch(() => {});
  const made: Slot[] = [];
  const pool = {
    daemonId: undefined,
    slot() {
      const slot = {
        alive: true,
        instance: made.length === 0
          ? first.promise
          : Promise.resolve({ alive: true, resubscribe: () => ({}) }),
        started: {},
        callers: [caller],
        attach: () => {},
        hasSession: (_caller: Caller) => true,
      };
      made.push(slot as unknown as Slot);
      return slot;
    },
  };
  const leases = new Leases(config, pool as unknown as Pool);
  leases.subscribed(caller, "x://a", { alive: false } as Slot);
  await until("the first attempt", () => made[0]);
  leases.unsubscribed(caller, "x://a");
  made[0]!.alive = false;
  leases.slotLost(made[0]!, true);
  first.reject(new Error("it is gone"));
  await until("another connection", () => made[1]);
  assertEquals(made.length, 2);
});

/** The leases of a server behind a URL, and the slots its windows were led to. */
function ledTo({ isStarted = true } = {}) {
  const made: (Slot & { left: string[] })[] = [];
  const pool = {
    sessionEnded: () => {},
    slot() {
      const callers = new Map<string, Caller>();
      const left: string[] = [];
      const slot = {
        alive: true,
        instance: Promise.resolve({}),
        started: isStarted ? {} : undefined,
        get callers() {
          return callers.values();
        },
        attach: (caller: Caller) => void callers.set(caller.id, caller),
        leave: (caller: Caller) => (callers.delete(caller.id), void left.push(caller.id)),
        detach: (caller: Caller) => void callers.delete(caller.id),
        hasSession: ({ id }: Caller) => callers.has(id),
        left,
      };
      made.push(slot as unknown as typeof made[number]);
      return slot;
    },
  };
  const config = { kind: "http", name: "far", share: "auto", url: "http://localhost/", headers: {} };
  const leases = new Leases(config as unknown as ServerConfig, pool as unknown as Pool);
  return { leases, made, caller: call().caller };
}

Deno.test("a connection that breaks is made anew for who could hear it; one that never was is not tried on and on", async () => {
  for (const isStarted of [true, false]) {
    const { leases, made, caller } = ledTo({ isStarted });
    const slot = await leases.lease(caller);
    slot.alive = false;
    leases.slotLost(slot, true);
    await settled();
    assertEquals(made.length, isStarted ? 2 : 1);
  }
});

Deno.test("of a window that is over nothing is kept, and what it was led to lets it go", async () => {
  const { leases, caller } = ledTo();
  const slot = await leases.lease(caller);
  leases.end(caller);
  await settled();
  assertEquals([leases.current(caller), leases.waitOf(caller), [...slot.callers]], [
    undefined,
    undefined,
    [],
  ]);
});

Deno.test("a window that moves leaves the process it was led to", async () => {
  const { leases, made, caller } = ledTo();
  leases.relocate(caller, await leases.lease(caller));
  await leases.lease(caller);
  assertEquals(made.map(({ left }) => left), [[caller.id], []]);
});

Deno.test("a window that was never led anywhere may end like any other", () => {
  const { leases, caller } = ledTo();
  leases.end(caller);
  assertEquals([leases.current(caller), leases.waitOf(caller)], [undefined, undefined]);
});
