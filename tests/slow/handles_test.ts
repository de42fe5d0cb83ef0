import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { ExaiError } from "../../lib/base/errors.ts";
import { exhaustedResource, overCapacityFor } from "../../lib/base/exhaustion.ts";
import { HandleBudget } from "../../lib/edge/handle_budget.ts";
import { Pool } from "../../lib/upstream/pool.ts";
import { RawClient } from "../helpers/raw_client.ts";

const IS_LINUX = Deno.build.os === "linux";
const daemonFile = fromFileUrl(new URL("../../daemon.ts", import.meta.url));

async function waitFor(isSo: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + 40_000;
  while (!await isSo()) {
    assert(performance.now() < deadlineMs, what);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The real daemon with no more than `limit` handles. */
async function startWithHandles(limit: number) {
  const home = await Deno.makeTempDir({ prefix: "exai-handles-" });
  const process = new Deno.Command("/bin/sh", {
    args: [
      "-c",
      'ulimit -n "$1" && exec "$2" run -A --no-check "$3"',
      "sh",
      `${limit}`,
      Deno.execPath(),
      daemonFile,
    ],
    env: { EXAI_HOME: home, XDG_RUNTIME_DIR: home, EXAI_WS_PORT: "0", ENV_FILE: "" },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  let url = "";
  await waitFor(async () => {
    const text = await Deno.readTextFile(`${home}/daemon.json`).catch(() => "{}");
    url = JSON.parse(text || "{}").url ?? "";
    return url !== "";
  }, "the daemon did not start");
  return {
    url,
    home,
    async [Symbol.asyncDispose]() {
      process.kill("SIGKILL");
      await process.status;
      await Deno.remove(home, { recursive: true });
    },
  };
}

Deno.test({
  name:
    "a daemon whose handles a hundred silent clients hold serves again within seconds, and says what it wanted for",
  ignore: !IS_LINUX,
  async fn() {
    await using daemon = await startWithHandles(64);
    const { hostname, port } = new URL(daemon.url);
    const silent: Deno.Conn[] = [];
    for (let n = 0; n < 100; n++) {
      await Deno.connect({ hostname, port: Number(port) }).then((one) => silent.push(one), () => {});
    }
    let health: { reasons: string[]; handles: { open: number; max: number } } | undefined;
    await waitFor(async () => {
      const signal = AbortSignal.timeout(500);
      const response = await fetch(new URL("/health", daemon.url.replace("ws", "http")), { signal }).catch(
        () => {},
      );
      health = await response?.json().catch(() => undefined);
      return health !== undefined;
    }, "the daemon never served again");
    assertMatch(String(health!.reasons), /64 file handles.*ulimit -n/);
    assertEquals(health!.handles.max, 64);
    assert(health!.handles.open < 64);
    using good = await RawClient.hello(daemon.url);
    assertEquals((await good.call("version")).error, undefined);
    await good.close();
    for (const one of silent) one.close();
  },
});

Deno.test({
  name:
    "a daemon without handles keeps its address from others until it serves there again, and health says so",
  ignore: !IS_LINUX,
  async fn() {
    await using daemon = await startWithHandles(64);
    const { hostname, port: text } = new URL(daemon.url);
    const port = Number(text);
    const silent: Deno.Conn[] = [];
    let refusals = 0;
    let reasons = "";
    const client = Deno.createHttpClient({
      proxy: { transport: "unix", path: `${daemon.home}/daemon.sock` },
    });
    await waitFor(async () => {
      await Deno.connect({ hostname, port }).then((one) => silent.push(one), () => refusals++);
      assertThrows(() => Deno.listen({ hostname, port }), Deno.errors.AddrInUse);
      const signal = AbortSignal.timeout(500);
      const health = await fetch("http://localhost/health", { signal, client }).then(
        (r) => r.json(),
        () => {},
      );
      reasons = String(health?.reasons ?? "");
      return refusals > 0 && /was not served for .* is served again/.test(reasons);
    }, "the address was never given up by the server, or never served again");
    client.close();
    assertMatch(reasons, new RegExp(`ws://127.0.0.1:${port} was not served`));
    for (const one of silent) one.close();
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
    eras: { known: () => ({ is: "configured", era: "legacy" }), found: () => {} },
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
    await waitFor(() => ![...pool].includes(slot), "the slot stays");
  }
  assertEquals([...pool.records].flatMap(({ supervisor }) => supervisor.failureState ?? []), []);
  await pool[Symbol.asyncDispose]();
});
