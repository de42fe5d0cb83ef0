import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { openLink } from "../lib/client/link.ts";
import {
  type DaemonLocation,
  LinkError,
  type LinkFault,
  type LinkTarget,
  type VerifiedConnection,
} from "../lib/client/link_target.ts";
import { connectToDaemon, openVerified } from "../lib/client/connect.ts";
import { PeerUsers } from "../lib/transport/peer_user.ts";
import { ScriptedDaemon } from "./fixtures/scripted_daemon.ts";
import { CapturedLog } from "./helpers/captured_log.ts";
import { tempDir } from "./helpers/files.ts";

/** Something that takes WebSockets and says nothing; with a path, on that socket. */
function listener(path?: string) {
  const sockets: WebSocket[] = [];
  const closed: Promise<void>[] = [];
  const serve = (request: Request) => {
    const { socket, response } = Deno.upgradeWebSocket(request);
    sockets.push(socket);
    closed.push(new Promise((resolve) => socket.onclose = () => resolve()));
    return response;
  };
  const server = path === undefined
    ? Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, serve)
    : Deno.serve({ path, onListen: () => {} }, serve);
  const { addr } = server;
  return {
    url: `ws://127.0.0.1:${"port" in addr ? addr.port : 0}/`,
    sockets,
    closed,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.close();
      await server.shutdown();
    },
  };
}

function freeUrl(): string {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return `ws://127.0.0.1:${taken.addr.port}/`;
}

function at(url: string, parts: Partial<LinkTarget> = {}): LinkTarget {
  return {
    readUrl: () => Promise.resolve(url),
    usesToken: false,
    allowsAnyUser: true,
    readToken: () => Promise.resolve(undefined),
    ...parts,
  };
}

/** Where `target` was reached; the connection is let go. */
async function reach(target: LinkTarget) {
  const { socket, dialed: way, ...rest } = await connectToDaemon(
    target,
    (reached: VerifiedConnection) => Promise.resolve(reached),
  );
  socket.drop("seen");
  await socket.closed;
  return { ...way, ...rest };
}

async function faultOf(target: LinkTarget): Promise<[LinkFault, string]> {
  const { fault, message } = await assertRejects(() => reach(target), LinkError);
  return [fault, message];
}

const onUnix = { ignore: Deno.build.os === "windows" };

Deno.test("the socket is the first way, and the address is not even read", onUnix, async () => {
  await using dir = await tempDir({});
  await using it = listener(`${dir.path}/d.sock`);
  const target = at("", {
    socket: `${dir.path}/d.sock`,
    readUrl: () => Promise.reject(new Error("not to be read")),
  });
  assertEquals(await reach(target), {
    url: "ws://localhost/",
    socket: `${dir.path}/d.sock`,
    timeoutMs: 2000,
  });
  assertEquals(it.sockets.length, 1);
});

Deno.test("whatever is wrong with the socket, the address is tried after it, and the log says so", async () => {
  await using dir = await tempDir({ file: "" });
  await using it = listener();
  using log = new CapturedLog();
  const socket = `${dir.path}/file`;
  let isLogReady = false;
  const logReady = Promise.resolve().then(() => isLogReady = true);
  const target = at(it.url, { socket, logReady });
  assertEquals(await reach(target), { url: it.url, timeoutMs: 5000, tls: undefined });
  assertEquals([log.take(), isLogReady], [[`debug: not through ${socket}: it is no socket`], true]);
});

Deno.test("what was wrong where the daemon was looked for is said", async () => {
  await using it = listener();
  using log = new CapturedLog();
  const logReady = new Promise<void>((resolve) => setTimeout(resolve, 10));
  await reach(at(it.url, { fault: "daemon.json is not believed", logReady }));
  assertEquals(log.take(), ["warning: daemon.json is not believed"]);
});

Deno.test("a named pipe, which nobody can be seen to own, is used with a token alone", async () => {
  await using it = listener();
  using log = new CapturedLog();
  const socket = "\\\\.\\pipe\\exai-none";
  await reach(at(it.url, { socket }));
  assertEquals(log.take(), []);
  await reach(at(it.url, { socket, usesToken: true }));
  assertStringIncludes(log.take()[0]!, `not through ${socket}`);
});

Deno.test("a link is a connection on which the daemon has said welcome", async () => {
  await using daemon = new ScriptedDaemon();
  const { socket, ack } = await openLink(at(`ws://127.0.0.1:${daemon.port}/`), { client: "test" });
  assertEquals([ack.session_id, (await daemon.connection()).hello], ["window", {
    op: "hello",
    client: "test",
  }]);
  socket.close(1000);
  await socket.closed;
});

Deno.test("nobody at an address, and somebody who is no daemon, are told apart", async () => {
  const url = freeUrl();
  assertEquals(await faultOf(at(url)), ["refused", `no daemon listens at ${url}`]);
  const other = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, () => new Response("hi"));
  const at80 = `ws://127.0.0.1:${other.addr.port}/`;
  const [fault, message] = await faultOf(at(at80));
  await other.shutdown();
  assertEquals(fault, "unreachable");
  assertStringIncludes(message, `what listens at ${at80} does not answer as a daemon: `);
});

Deno.test("what TLS needs is read for an address with TLS alone", async () => {
  await using it = listener();
  let reads = 0;
  const readTls = () => (reads++, Promise.resolve({ caCerts: [] }));
  await reach(at(it.url, { readTls }));
  assertEquals(reads, 0);
  const [fault] = await faultOf(at(it.url.replace("ws:", "wss:"), { readTls }));
  assertEquals([fault, reads], ["unreachable", 1]);
  assertEquals((await faultOf(at(it.url.replace("ws:", "wss:"))))[0], "unreachable");
});

/** Whose the system says that listeners are, while it is there. */
function owners(...kinds: string[]) {
  const { open } = PeerUsers;
  const asked: unknown[] = [];
  const users = {
    isSupported: true,
    ofListener: (end: unknown) => {
      asked.push(end);
      return { kind: kinds[asked.length - 1] };
    },
    [Symbol.dispose]: () => {},
  };
  PeerUsers.open = () => Promise.resolve(users as unknown as PeerUsers);
  return { asked, [Symbol.dispose]: () => void (PeerUsers.open = open) };
}

Deno.test("without a token it is asked whose the listener is, before the connection and on it", async () => {
  await using it = listener();
  {
    using own = owners("own", "own");
    await reach(at(it.url, { allowsAnyUser: false }));
    assertEquals(own.asked.length, 2);
  }
  {
    using _other = owners("other");
    assertEquals((await faultOf(at(it.url, { allowsAnyUser: false })))[0], "unproven");
    assertEquals(it.sockets.length, 1, "another user's is not even connected to");
  }
  {
    using _late = owners("unknown", "other");
    assertEquals((await faultOf(at(it.url, { allowsAnyUser: false })))[0], "unproven");
    await it.closed[1];
  }
  {
    using _gone = owners("unknown", "unknown");
    assertEquals((await faultOf(at(it.url, { allowsAnyUser: false })))[0], "unreachable");
  }
  using none = owners();
  await reach(at(it.url, { allowsAnyUser: true }));
  await reach(at(it.url, { allowsAnyUser: false, usesToken: true }));
  assertEquals(none.asked, [], "a token says more");
});

Deno.test("on the socket nobody is asked whose it is: the file system has told", onUnix, async () => {
  await using dir = await tempDir({});
  await using _it = listener(`${dir.path}/d.sock`);
  using none = owners();
  await reach(at("", { socket: `${dir.path}/d.sock`, allowsAnyUser: false }));
  assertEquals(none.asked, []);
});

Deno.test("a token is read once the connection is open, and what cannot be proved is let go", async () => {
  await using it = listener();
  let openAt = -1;
  const readToken = () => {
    openAt = it.sockets.length;
    return Promise.reject(new LinkError("unproven", "there is no token"));
  };
  const [fault, message] = await faultOf(at(it.url, { usesToken: true, readToken }));
  assertEquals([fault, message, openAt], ["unproven", "there is no token", 1]);
  await it.closed[0];
  await reach(at(it.url, { readToken }));
});

Deno.test("a daemon elsewhere is used where nobody listens, and the log says so", async () => {
  await using it = listener();
  using log = new CapturedLog();
  const url = freeUrl();
  const elsewhere: DaemonLocation = { readUrl: () => Promise.resolve(it.url) };
  let isLogReady = false;
  const logReady = Promise.resolve().then(() => isLogReady = true);
  assertEquals((await reach(at(url, { fallback: elsewhere, logReady }))).url, it.url);
  const said = log.take().filter((line) => line.startsWith("info: "));
  assertEquals(said, [
    `info: no daemon listens at ${url}; the daemon of this state directory, at ${it.url}, is used`,
  ]);
  assertEquals(isLogReady, true);
});

Deno.test("a daemon elsewhere is not used in place of one that is there, whatever that says", async () => {
  await using it = listener();
  const elsewhere: DaemonLocation = { readUrl: () => Promise.reject(new Error("not to be read")) };
  const refuse = () => Promise.reject(new LinkError("rejected", "no such server"));
  await assertRejects(
    () => connectToDaemon(at(it.url, { fallback: elsewhere }), refuse),
    LinkError,
    "no such server",
  );
  assertEquals((await reach(at(it.url, { fallback: elsewhere }))).url, it.url);
});

Deno.test("a daemon elsewhere that turns us away says why; one that is gone leaves nobody", async () => {
  await using it = listener();
  const url = freeUrl();
  const elsewhere: DaemonLocation = { readUrl: () => Promise.resolve(it.url) };
  for (const fault of ["unauthorized", "rejected"] as const) {
    const use = () => Promise.reject(new LinkError(fault, "go away"));
    await assertRejects(() => connectToDaemon(at(url, { fallback: elsewhere }), use), LinkError, "go away");
  }
  for (const fault of ["refused", "unproven", "unreachable"] as const) {
    const use = () => Promise.reject(new LinkError(fault, "go away"));
    const error = await assertRejects(
      () => connectToDaemon(at(url, { fallback: elsewhere }), use),
      LinkError,
    );
    assertEquals([error.fault, error.message], ["refused", `no daemon listens at ${url}`], fault);
  }
});

Deno.test("what is on this machine is reached past a proxy, what is elsewhere as the variables say", async () => {
  await using it = listener();
  const { createHttpClient } = Deno;
  const made: unknown[] = [];
  Deno.createHttpClient = (options) => {
    made.push([options, Deno.env.get("ALL_PROXY")]);
    return createHttpClient(options);
  };
  const before = Deno.env.get("ALL_PROXY");
  const open = async (url: string) => {
    const { socket } = await openVerified({ url, timeoutMs: 1000 }, at(url));
    socket.drop("seen");
  };
  try {
    await open(it.url);
    assertEquals(made, [], "nothing says anything of proxies");
    Deno.env.set("ALL_PROXY", "http://127.0.0.1:9/");
    await open(it.url);
    assertEquals(made, [[{}, undefined]]);
    await assertRejects(() => open("ws://[::1]:9/"), LinkError);
    assertEquals(made.length, 2);
    await assertRejects(() => open("ws://192.0.2.1:9/"), LinkError);
    assertEquals(made.length, 2);
  } finally {
    Deno.createHttpClient = createHttpClient;
    if (before === undefined) Deno.env.delete("ALL_PROXY");
    else Deno.env.set("ALL_PROXY", before);
  }
});
