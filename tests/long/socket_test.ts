import { assert, assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../../lib/base/errors.ts";
import { NodeListener } from "../../lib/edge/node_listener.ts";
import { SocketFile } from "../../lib/edge/socket_file.ts";
import { openPipe } from "../../lib/transport/pipe_client.ts";
import { connectWebSocket, opened } from "../../lib/transport/websocket_client.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";
import { freePort } from "../../tools/lib/free_port.ts";

const ignore = Deno.build.os === "windows";
const URL_ON_SOCKET = "ws://localhost/";

async function helloOn(socket: string, hello = {}) {
  const client = await connectWebSocket(URL_ON_SOCKET, { socket, timeoutMs: 5000 });
  const { promise, resolve } = Promise.withResolvers<string>();
  client.onframe = resolve;
  client.send(JSON.stringify({ op: "hello", ...hello }));
  const ack = JSON.parse(await promise);
  client.drop("done");
  await client.closed;
  return ack;
}

function modeOf(path: string): number {
  return Deno.statSync(path).mode! & 0o777;
}

Deno.test(
  "the daemon listens on a socket of its user alone, says so in its file, and removes it at its end",
  { ignore },
  async () => {
    const home = await Deno.makeTempDir();
    const path = join(home, "daemon.sock");
    {
      await using it = await testDaemon({ settings: { home } });
      assertEquals(it.daemon.socket, path);
      assertEquals(modeOf(path), 0o600);
      assertEquals(modeOf(home), 0o700);
      const endpoint = JSON.parse(await Deno.readTextFile(join(home, "daemon.json")));
      assertEquals([endpoint.url, endpoint.socket], [it.url, path]);
      assertEquals((await helloOn(path)).ok, true);
    }
    await assertRejects(() => Deno.stat(path), Deno.errors.NotFound);
    await Deno.remove(home, { recursive: true });
  },
);

Deno.test("on the socket, too, the token is asked and a web page is refused", { ignore }, async () => {
  await using it = await testDaemon({ settings: { token: "correct-horse" } });
  const path = it.daemon.socket!;
  assertEquals(await helloOn(path), { op: "hello_ack", ok: false, error: "unauthorized" });
  assertEquals((await helloOn(path, { token: "correct-horse" })).ok, true);
  using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
  const headers = { authorization: "Bearer correct-horse" };
  const get = async (url: string, more = {}) => {
    const response = await fetch(url, { client, headers: { ...headers, ...more } });
    await response.body?.cancel();
    return response.status;
  };
  assertEquals(await get("http://localhost/health"), 200);
  assertEquals(await get("http://localhost/health", { origin: "https://evil.example" }), 403);
  assertEquals(await get("http://evil.example/health"), 403);
});

Deno.test("a socket can be switched off, or put where the settings say", { ignore }, async () => {
  const dir = await Deno.makeTempDir();
  {
    await using off = await testDaemon({ settings: { socket: "off" } });
    assertEquals(off.daemon.socket, undefined);
    const path = join(dir, "mine.sock");
    await using moved = await testDaemon({ settings: { socket: path } });
    assertEquals(moved.daemon.socket, path);
    assertEquals((await helloOn(path)).ok, true);
  }
  await Deno.remove(dir, { recursive: true });
});

Deno.test("the socket of a daemon that was killed is replaced; a live one's never", { ignore }, async () => {
  const home = await Deno.makeTempDir();
  const path = join(home, "daemon.sock");
  {
    await using killed = await startDaemon({ home });
    killed.process.kill("SIGKILL");
    await killed.process.status;
    assert((await Deno.lstat(path)).isSocket);
    await using next = await testDaemon({ settings: { home } });
    assertEquals(next.daemon.socket, path);
    assertEquals((await helloOn(path)).daemon.pid, Deno.pid);
    const error = await assertRejects(() => testDaemon({ settings: { socket: path } }), ExaiError);
    assert(/daemon\.sock cannot be used: another daemon listens there/.test(error.message), error.message);
    assertEquals((await helloOn(path)).ok, true);
  }
  await Deno.remove(home, { recursive: true });
});

Deno.test("what is there and is no socket of ours is left as it is", { ignore }, async () => {
  const dir = await Deno.makeTempDir();
  const path = join(dir, "it");
  const claim = () => SocketFile.claim({ path, lockPath: `${path}.lock` });
  await Deno.writeTextFile(path, "precious");
  await assertRejects(claim, ExaiError, "is no socket");
  assertEquals(await Deno.readTextFile(path), "precious");
  await Deno.remove(path);
  {
    using _stranger = Deno.listen({ transport: "unix", path });
    await assertRejects(claim, ExaiError, "another program listens there");
  }
  await Deno.chmod(dir, 0o777);
  await assertRejects(claim, ExaiError, "other users may write");
  await Deno.remove(dir, { recursive: true });
});

Deno.test("where the path is too long for a socket, the user's runtime directory has it, or nobody", {
  ignore,
}, async () => {
  const base = await Deno.makeTempDir();
  const home = join(base, "x".repeat(120));
  const before = Deno.env.get("XDG_RUNTIME_DIR");
  try {
    Deno.env.set("XDG_RUNTIME_DIR", base);
    {
      await using it = await testDaemon({ settings: { home } });
      assert(it.daemon.socket?.startsWith(join(base, "exai-")), it.daemon.socket);
      assertEquals((await helloOn(it.daemon.socket!)).ok, true);
    }
    Deno.env.set("XDG_RUNTIME_DIR", join(base, "y".repeat(120)));
    {
      await using without = await testDaemon({ settings: { home } });
      assertEquals(without.daemon.socket, undefined);
    }
    await assertRejects(
      () => testDaemon({ settings: { home, socket: join(base, "z".repeat(120)) } }),
      ExaiError,
      "longer than the",
    );
  } finally {
    if (before === undefined) Deno.env.delete("XDG_RUNTIME_DIR");
    else Deno.env.set("XDG_RUNTIME_DIR", before);
    await Deno.remove(base, { recursive: true });
  }
});

Deno.test(
  "a shim goes through the socket, and by the address when the socket fails",
  { ignore },
  async () => {
    await using it = await testDaemon();
    const port = Number(new URL(it.url).port);
    const env = { LOG_LEVEL: "debug" };
    {
      await using shim = await Shim.ready({ port, home: it.home, env });
      assertEquals((await shim.call("version")).error, undefined);
      assert(!shim.stderr.includes("not through"), shim.stderr);
    }
    await Deno.remove(it.daemon.socket!);
    await using shim = await Shim.ready({ port, home: it.home, env });
    assertEquals((await shim.call("version")).error, undefined);
    assert(shim.stderr.includes(`not through ${it.daemon.socket}`), shim.stderr);
  },
);

Deno.test("a shim that was told another port does not use the socket of this one", { ignore }, async () => {
  await using other = await testDaemon();
  await using it = await testDaemon();
  const port = Number(new URL(other.url).port);
  await using shim = await Shim.ready({ port, home: it.home });
  await shim.call("version");
  const health = await (await fetch(new URL("/health", it.http))).json();
  assertEquals(health.sessions, 0);
});

Deno.test("a window whose port nobody has uses the daemon of its state directory", async () => {
  for (const socket of ["auto", "off"]) {
    await using it = await testDaemon({ settings: { socket } });
    const env = { EXAI_SOCKET: socket, EXAI_WS_AUTOSTART: "true" };
    await using shim = await Shim.ready({ port: freePort(), home: it.home, env });
    assertEquals((await shim.call("version")).error, undefined);
    assert(shim.stderr.includes("no daemon listens at ws://127.0.0.1:"), shim.stderr);
    assert(!shim.stderr.includes("starting"), shim.stderr);
  }
});

Deno.test("a command whose port nobody has asks the daemon of its state directory", async () => {
  await using it = await testDaemon();
  for (const command of [["ps"], ["threads", "export"]]) {
    const ended = await runDaemon({
      args: command,
      env: { EXAI_WS_PORT: String(freePort()) },
      home: it.home,
    });
    // On a busy machine it says what it waits for.
    assertEquals([ended.code, ended.stderr.replaceAll(/^.* \(\d+ s\)\n/gm, "")], [0, ""]);
  }
});

Deno.test("what a daemon that is gone has left sends no window to whoever has its port now", async () => {
  const dir = await tempDir({});
  await using _dir = dir;
  let asked = 0;
  await using stranger = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => {
    asked++;
    return new Response("hello");
  });
  const url = `ws://127.0.0.1:${stranger.addr.port}/`;
  // A process that runs, as after the system has given the daemon's id to another.
  await Deno.writeTextFile(join(dir.path, "daemon.json"), JSON.stringify({ url, pid: Deno.pid }));
  const port = freePort();
  await using shim = await Shim.start({ port, home: dir.path, env: { EXAI_WS_CONNECT_TIMEOUT: "0.5" } });
  const { error } = await shim.ask("initialize", INITIALIZE);
  assert(
    JSON.stringify(error).includes(`no daemon listens at ws://127.0.0.1:${port}/`),
    JSON.stringify(error),
  );
  assert(asked > 0);
});

Deno.test(
  "the door for named pipes does as the others: guard, HTTP, WebSocket, size",
  { ignore },
  async () => {
    await using it = await testDaemon({ settings: { token: "correct-horse", maxFrameBytes: 2048 } });
    const path = join(it.home, "pipe");
    await using _door = await NodeListener.listen({ path, handler: it.daemon.handler });
    using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
    const get = async (url: string, headers = {}) => {
      const response = await fetch(url, { client, headers });
      await response.body?.cancel();
      return response.status;
    };
    const authorization = "Bearer correct-horse";
    assertEquals(await get("http://localhost/health"), 401);
    assertEquals(await get("http://localhost/health", { authorization }), 200);
    assertEquals(
      await get("http://localhost/health", { authorization, origin: "https://evil.example" }),
      403,
    );
    assertEquals(await get("http://evil.example/health", { authorization }), 403);
    await assertRejects(
      () => opened(openPipe("ws://evil.example/", path), { timeoutMs: 5000 }),
      Error,
      "403",
    );
    const socket = await opened(openPipe(URL_ON_SOCKET, path), { timeoutMs: 5000 });
    const frames: string[] = [];
    const twice = Promise.withResolvers<void>();
    socket.onframe = (text) => frames.push(text) === 2 && twice.resolve();
    socket.send(JSON.stringify({ op: "hello", token: "correct-horse" }));
    socket.send(JSON.stringify({ op: "call_tool", request_id: 1, name: "version" }));
    await twice.promise;
    assertEquals(frames.map((text) => JSON.parse(text).op), ["hello_ack", "call_tool_res"]);
    socket.send(JSON.stringify({ op: "health", pad: "x".repeat(4096) }));
    assertEquals((await socket.closed).code, 1009);
  },
);
