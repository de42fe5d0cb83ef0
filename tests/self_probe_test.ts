import { assert, assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { Listeners } from "../lib/edge/listeners.ts";
import { probeListeners } from "../lib/edge/self_probe.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { statePaths } from "../lib/config/paths.ts";
import type { HttpRequestHandler } from "../lib/edge/request_context.ts";
import { assertServes, testDaemon } from "./helpers/daemon.ts";

const letAllIn: HttpRequestHandler = (request) => {
  if (request.headers.get("upgrade") !== "websocket") return new Response("come in");
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = () => socket.send('{"op":"hello_ack","ok":true}');
  return response;
};

async function openWith(handler: HttpRequestHandler, settings: Record<string, unknown> = {}) {
  const home = await Deno.makeTempDir();
  const all = defaultSettings({ port: 0, home, ...settings });
  try {
    await using doors = await Listeners.open({ settings: all, paths: statePaths(all), handler });
    await doors.probe();
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

Deno.test("a daemon whose doors let a stranger in does not start, and says how they got in", async () => {
  const error = await assertRejects(() => openWith(letAllIn, { token: "correct-horse" }), ExaiError);
  assertEquals(error.code, "CONFIG");
  for (
    const how of ["another Host", "page's request", "page's WebSocket", "request without", "hello without"]
  ) {
    assert(error.message.includes(how), `${how} in: ${error.message}`);
  }
  const doors = Deno.build.os === "windows" ? 1 : 2;
  assertEquals(error.message.split("hello without the token").length - 1, doors);
});

Deno.test("a door that checks one thing and not another is found out", async () => {
  const hostOnly: HttpRequestHandler = (request, context) =>
    /^localhost(:\d+)?$/.test(request.headers.get("host") ?? "")
      ? letAllIn(request, context)
      : new Response("no", { status: 403 });
  const error = await assertRejects(() => openWith(hostOnly, { socket: "off" }), ExaiError);
  assert(!error.message.includes("another Host") && !error.message.includes("token"), error.message);
  assert(error.message.includes("page's WebSocket"), error.message);
});

Deno.test("a door that does not answer lets nobody in, and does not keep the daemon", async () => {
  using silent = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { hostname, port } = silent.addr as Deno.NetAddr;
  await probeListeners([{ kind: "address", hostname, port }], { requiresToken: true, timeoutMs: 50 });
});

Deno.test("what the daemon tries itself is not counted as somebody turned away", async () => {
  await using it = await testDaemon({ settings: { token: "correct-horse" } });
  const headers = { authorization: "Bearer correct-horse" };
  const { refused } = await (await fetch(new URL("/health", it.http), { headers })).json();
  assert(Object.values(refused).every((count) => count === 0));
  await assertServes(it.url, { token: "correct-horse" });
});
