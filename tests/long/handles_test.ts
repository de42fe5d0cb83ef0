import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ExaiError } from "../../lib/base/errors.ts";
import { exhaustedResource, overCapacityFor } from "../../lib/base/exhaustion.ts";
import { HandleBudget } from "../../lib/edge/handle_budget.ts";
import { Pool } from "../../lib/upstream/pool.ts";
import { startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { until } from "../helpers/until.ts";

const IS_LINUX = Deno.build.os === "linux";
/** More than the daemon needs itself, and less than it needs beside a hundred connections. */
const HANDLES = 128;

interface Health {
  reasons: string[];
  handles: { open: number; max: number };
}

/** The health report of the daemon at `url`, unless it does not answer now. */
async function healthOf(url: string, client?: Deno.HttpClient): Promise<Health | undefined> {
  const signal = AbortSignal.timeout(500);
  const response = await fetch(new URL("/health", url.replace("ws", "http")), { signal, client }).catch(
    () => {},
  );
  return await response?.json().catch(() => undefined);
}

Deno.test({
  name:
    "a daemon whose handles a hundred silent clients hold serves again within seconds, and says what it wanted for",
  ignore: !IS_LINUX,
  async fn() {
    await using daemon = await startDaemon({ handles: HANDLES });
    const { hostname, port } = new URL(daemon.url);
    const before = await until("the daemon serves", () => healthOf(daemon.url));
    assert(!/file handles/.test(String(before.reasons)), "it has enough for itself");
    using silent = new DisposableStack();
    for (let n = 0; n < 100; n++) {
      // The last are refused, once there are no handles left to accept them with.
      await Deno.connect({ hostname, port: Number(port) }).then((one) => silent.use(one), () => {});
    }
    const handles = await until("the daemon serves again and says why it did not", async () => {
      const health = await healthOf(daemon.url);
      return /128 file handles.* are free again.*ulimit -n/.test(String(health?.reasons))
        ? health!.handles
        : undefined;
    });
    assertEquals(handles.max, HANDLES);
    assert(handles.open < HANDLES);
    // Who is refused is told to try again in a moment.
    using good = await until("a client is let in", () => RawClient.hello(daemon.url).catch(() => undefined));
    assertEquals((await good.call("version")).error, undefined);
    await good.close();
  },
});

Deno.test({
  name:
    "a daemon without handles keeps its address from others until it serves there again, and health says so",
  ignore: !IS_LINUX,
  async fn() {
    await using daemon = await startDaemon({ handles: HANDLES });
    const { hostname, port: text } = new URL(daemon.url);
    const port = Number(text);
    using silent = new DisposableStack();
    using client = Deno.createHttpClient({
      proxy: { transport: "unix", path: `${daemon.home}/daemon.sock` },
    });
    let refusals = 0;
    const reasons = await until("the address is given up by the server, and served again", async () => {
      await Deno.connect({ hostname, port }).then((one) => silent.use(one), () => refusals++);
      assertThrows(() => Deno.listen({ hostname, port }), Deno.errors.AddrInUse);
      const reasons = String((await healthOf("ws://localhost", client))?.reasons);
      return refusals > 0 && /was not served for .* is served again/.test(reasons) ? reasons : undefined;
    });
    assertMatch(reasons, new RegExp(`ws://127.0.0.1:${port} was not served`));
  },
});

Deno.test("handles kept back are given up when the system has none left, and taken again when there are", async () => {
  let open = 60;
  let dropped = 0;
  const told: string[] = [];
  using handles: HandleBudget = new HandleBudget({
    max: 64,
    count: () => open,
    onChange: () => told.push(String(handles.fault)),
  });
  assert(handles.isLow);
  const free = handles.waitUntilFree(() => dropped++);
  assertMatch(String(handles.fault), /are used up/);
  open = 20;
  await free;
  assertEquals([handles.isLow, dropped], [false, 0]);
  assertMatch(String(handles.fault), /are free again/);
  assertEquals(handles.state, { open: 20, max: 64 });
  assertEquals(told.map((fault) => /are used up|are free again/.exec(fault)?.[0]), [
    "are used up",
    "are free again",
  ]);
});

Deno.test("where the system does not say how many handles there are, nobody is turned away but while there are none", async () => {
  using handles = new HandleBudget({ max: undefined, count: () => 1e6 });
  assertEquals([handles.isLow, handles.state, handles.fault], [false, undefined, undefined]);
  const free = handles.waitUntilFree(() => {});
  assert(handles.isLow, "whoever comes while there are none is turned away all the same");
  await free;
  assert(!handles.isLow);
});

const SPAWN = Object.assign(new Error("spawn EMFILE"), { code: "EMFILE" });

Deno.test("what this machine wants for is told from what a server says", () => {
  for (const code of ["EMFILE", "ENFILE", "ENOMEM", "EAGAIN"]) {
    assert(exhaustedResource(Object.assign(new Error(code), { code })), code);
  }
  assert(
    exhaustedResource(
      new TypeError("error sending request: tcp connect error: Too many open files (os error 24)"),
    ),
  );
  assert(exhaustedResource(new TypeError("fetch failed", { cause: SPAWN })));
  assertEquals(exhaustedResource(new Error("the server says: too many open files")), undefined);
  assertEquals(exhaustedResource(new ExaiError("INTERNAL", "too many open files")), undefined);
  const refusal = overCapacityFor("it cannot start", SPAWN)!;
  assertEquals([refusal.code, refusal.retryAfterMs], ["OVER_CAPACITY", 1000]);
});

Deno.test("a server that cannot be started for want of handles is tried again at once, and has not failed", async () => {
  const pool = new Pool({
    name: "poor",
    connect: () => Promise.reject(SPAWN),
    eras: {
      of: () => ({
        known: () => ({ is: "configured", era: "legacy" }),
        found: () => {},
        presumeLegacy: () => {},
      }),
    },
    clientInfo: { name: "test", version: "1" },
    onListChanged: () => {},
  });
  const caller = { id: "a", capabilities: {} };
  for (let n = 0; n < 6; n++) {
    const config = {
      kind: "stdio",
      name: "poor",
      title: "poor",
      command: "x",
      args: [],
      env: {},
      idleStopMs: 0,
    };
    const listScope = { resourcesFor: "everybody" };
    const request = { key: "k", config, session: { caller }, scope: "machine", listScope };
    const slot = pool.slot(request as unknown as Parameters<Pool["slot"]>[0]);
    const error = await slot.instance.catch((thrown) => thrown);
    assertEquals(error.code, "OVER_CAPACITY");
    await until("the slot is gone", () => ![...pool].includes(slot) || undefined);
  }
  assertEquals([...pool.records].flatMap(({ supervisor }) => supervisor.failureState ?? []), []);
  await pool[Symbol.asyncDispose]();
});
