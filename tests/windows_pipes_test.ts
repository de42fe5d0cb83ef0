import { assert, assertEquals, assertRejects } from "@std/assert";
import { Listeners } from "../lib/edge/listeners.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { statePaths } from "../lib/config/paths.ts";
import { withVariable } from "../lib/config/process_variables.ts";
import { isListening } from "../lib/transport/listener_process.ts";
import { ConnectError, connectWebSocket } from "../lib/transport/websocket_client.ts";
import { tempDir } from "./helpers/files.ts";

/** Tests of what only Windows has; `deno task windows` runs them elsewhere. */
const onWindows = { ignore: Deno.build.os !== "windows" };

Deno.test("a variable that is set for one call is as it was before, whatever the call does", () => {
  const name = "EXAI_TEST_OF_A_VARIABLE";
  assertEquals(withVariable(name, "1", () => Deno.env.get(name)), "1");
  assertEquals(Deno.env.get(name), undefined);
  Deno.env.set(name, "own");
  try {
    withVariable(name, "1", () => {
      throw new Error("no");
    });
  } catch {
    assertEquals(Deno.env.get(name), "own");
  } finally {
    Deno.env.delete(name);
  }
});

/** A listener on a pipe of its own that accepts every WebSocket. */
async function pipeListener() {
  const dir = await tempDir({});
  const settings = defaultSettings({ port: 0, home: dir.path, token: "correct-horse" });
  const listeners = await Listeners.open({
    settings,
    paths: statePaths(settings),
    handler: (request, context) => {
      if (request.headers.get("upgrade") !== "websocket") return new Response("no", { status: 403 });
      return context.upgrade!(request, { idleTimeoutMs: 60_000 } as never).response;
    },
  });
  return {
    path: listeners.socket!,
    connect: () => connectWebSocket("ws://localhost/", { socket: listeners.socket!, timeoutMs: 5000 }),
    async [Symbol.asyncDispose]() {
      await listeners[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test({
  name: "as many windows as a user has use the named pipe at once, and it takes more when some have gone",
  ...onWindows,
  async fn() {
    const it = await pipeListener();
    const sockets = await Promise.all(Array.from({ length: 60 }, () => it.connect()));
    assertEquals(sockets.filter(({ isOpen }) => isOpen).length, 60);
    for (const socket of sockets) socket.drop("no use of it");
    const late = await it.connect();
    assert(late.isOpen);
    late.drop("no use of it");
    await it[Symbol.asyncDispose]();
  },
  sanitizeOps: false,
  sanitizeResources: false,
});

Deno.test({
  name: "a named pipe that is not there is no daemon, and no error that nobody catches",
  ...onWindows,
  async fn() {
    const uncaught: unknown[] = [];
    const note = (event: ErrorEvent) => {
      event.preventDefault();
      uncaught.push(event.error);
    };
    globalThis.addEventListener("error", note);
    for (let n = 0; n < 3; n++) {
      const thrown = await assertRejects(
        () => connectWebSocket("ws://localhost/", { socket: "\\\\.\\pipe\\exai-none", timeoutMs: 2000 }),
        ConnectError,
      );
      assertEquals(thrown.isRefused, true);
    }
    await new Promise((resolve) => setTimeout(resolve, 0));
    globalThis.removeEventListener("error", note);
    assertEquals(uncaught, []);
  },
});

Deno.test({
  name: "whether somebody listens is known without a connection",
  ...onWindows,
  async fn() {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    assertEquals(await isListening({ hostname: "localhost", port }), true);
    assertEquals(await isListening({ hostname: "127.0.0.1", port }), true);
    listener.close();
    assertEquals(await isListening({ hostname: "127.0.0.1", port }), false);
  },
});
