import { assertEquals } from "@std/assert";
import type { Caller } from "../lib/call/call.ts";
import type { ServerConfig } from "../lib/base/server_config.ts";
import { Leases } from "../lib/upstream/leases.ts";
import type { Pool } from "../lib/upstream/pool.ts";
import type { Slot } from "../lib/upstream/slot.ts";
import { call } from "./helpers/call.ts";
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
    onLost: (_slot: Slot, _isBroken: boolean) => {},
    slot() {
      const slot = {
        alive: true,
        instance: made.length === 0
          ? first.promise
          : Promise.resolve({ alive: true, resubscribe: () => ({}) }),
        started: {},
        callers: [caller],
        lease: () => {},
        serves: (_caller: Caller) => true,
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
  pool.onLost(made[0]!, true);
  first.reject(new Error("it is gone"));
  await until("another connection", () => made[1]);
  assertEquals(made.length, 2);
});
