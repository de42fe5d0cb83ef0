import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { LinkError } from "../lib/client/link_target.ts";
import { lineOf } from "../lib/shim/outbox.ts";
import { checkListenerOwner } from "../lib/client/listener_owner.ts";
import { readOwnFile, whySocketUntrusted } from "../lib/client/own_files.ts";
import * as errors from "../lib/shim/error_responses.ts";
import { toRpcError } from "../lib/wire/codes.ts";
import { responseTo } from "../lib/wire/rpc.ts";
import { PeerUsers, type SocketOwner } from "../lib/transport/peer_user.ts";
import { tempDir } from "./helpers/files.ts";

const isUnix = Deno.build.os !== "windows";
const isRoot = isUnix && Deno.uid() === 0;

/** What the system says of a listener, while it is there; undefined where it tells nothing. */
function system(owner: SocketOwner | undefined) {
  const { open } = PeerUsers;
  const asked: unknown[] = [];
  let closed = 0;
  const users = {
    isSupported: owner !== undefined,
    ofListener: (end: unknown) => {
      asked.push(end);
      return owner ?? { kind: "unknown" };
    },
    [Symbol.dispose]: () => closed++,
  };
  PeerUsers.open = () => Promise.resolve(users as unknown as PeerUsers);
  return {
    asked,
    get closed() {
      return closed;
    },
    [Symbol.dispose]: () => void (PeerUsers.open = open),
  };
}

const OWN: SocketOwner = { kind: "own" } as SocketOwner;
const OTHER: SocketOwner = { kind: "other", user: 65534 } as unknown as SocketOwner;
const UNKNOWN: SocketOwner = { kind: "unknown" };

Deno.test("without a token a listener of our own user is believed, at whatever loopback address", async () => {
  using it = system(OWN);
  for (const host of ["127.0.0.1:8765", "[::1]:8765", "localhost:8765", "127.0.0.1"]) {
    for (const allowsUnknown of [true, false]) await checkListenerOwner(`ws://${host}/`, { allowsUnknown });
  }
  assertEquals(it.asked.filter((_, n) => n % 2 === 0), [
    { hostname: "127.0.0.1", port: 8765 },
    { hostname: "::1", port: 8765 },
    { hostname: "localhost", port: 8765 },
    { hostname: "127.0.0.1", port: 80 },
  ]);
  assertEquals(it.closed, 8);
});

Deno.test("another machine's listener, and one that shows a certificate, is not asked about", async () => {
  using it = system(OTHER);
  for (const url of ["ws://box.example:8765/", "ws://10.0.0.1:8765/", "wss://127.0.0.1:8765/"]) {
    await checkListenerOwner(url, { allowsUnknown: false });
  }
  assertEquals(it.asked, []);
});

/** Why the listener at `ws://127.0.0.1:8765/` is not believed. */
async function distrust(allowsUnknown: boolean): Promise<[string, string]> {
  const check = () => checkListenerOwner("ws://127.0.0.1:8765/", { allowsUnknown });
  const { fault, message } = await assertRejects(check, LinkError);
  assertStringIncludes(message, "ws://127.0.0.1:8765/");
  return [fault, message];
}

Deno.test("another user's listener is never believed, and it is said what can be done", async () => {
  using _it = system(OTHER);
  for (const allowsUnknown of [true, false]) {
    const [fault, message] = await distrust(allowsUnknown);
    assertEquals(fault, "unproven");
    assertMatch(message, /^another user's program.*EXAI_WS_TOKEN=auto.*EXAI_WS_PORT.*EXAI_WS_PEERS=any/);
  }
});

Deno.test("a listener that is nobody's may be yet to come, but must be somebody's once we are connected", async () => {
  using _it = system(UNKNOWN);
  await checkListenerOwner("ws://127.0.0.1:8765/", { allowsUnknown: true });
  const [fault, message] = await distrust(false);
  assertEquals(fault, "unreachable");
  assertStringIncludes(message, "knows of no listener");
});

Deno.test("a system that tells nothing cannot prove whose a listener is", async () => {
  using _it = system(undefined);
  await checkListenerOwner("ws://127.0.0.1:8765/", { allowsUnknown: true });
  const [fault, message] = await distrust(false);
  assertEquals(fault, "unproven");
  assertMatch(message, /does not tell whose program listens.*EXAI_WS_TOKEN=auto/);
});

Deno.test("a file of the state directory is read if it is ours, and otherwise it is said what is wrong", async () => {
  await using dir = await tempDir({ "token": "secret\n" });
  assertEquals(await readOwnFile(`${dir.path}/token`), { text: "secret\n" });
  assertEquals(await readOwnFile(`${dir.path}/none`), {});
  await Deno.mkdir(`${dir.path}/dir`);
  const { text, fault } = await readOwnFile(`${dir.path}/dir`);
  assertEquals(text, undefined);
  assertStringIncludes(fault!, `${dir.path}/dir cannot be read: `);
});

Deno.test("a file another user could have written is not believed", { ignore: !isUnix }, async () => {
  await using dir = await tempDir({ "token": "secret\n" });
  await Deno.chmod(`${dir.path}/token`, 0o666);
  const { text, fault } = await readOwnFile(`${dir.path}/token`);
  assertEquals(text, undefined);
  assertStringIncludes(fault!, `${dir.path}/token is not believed: `);
});

/** A directory with a socket in it. */
async function withSocket() {
  const dir = await tempDir({ "file": "" });
  await Deno.chmod(dir.path, 0o700);
  const path = `${dir.path}/daemon.sock`;
  const listener = Deno.listen({ transport: "unix", path });
  return {
    dir: dir.path,
    path,
    async [Symbol.asyncDispose]() {
      listener.close();
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a socket is spoken on if it is one, and nobody else can put another in its place", {
  ignore: !isUnix,
}, async () => {
  await using it = await withSocket();
  assertEquals(await whySocketUntrusted(it.path), undefined);
  assertEquals(await whySocketUntrusted(`${it.dir}/file`), "it is no socket");
  assertMatch(String(await whySocketUntrusted(`${it.dir}/none`)), /No such file/);
  for (const mode of [0o720, 0o702, 0o777]) {
    await Deno.chmod(it.dir, mode);
    assertEquals(await whySocketUntrusted(it.path), "other users may write to its directory");
    await Deno.chmod(it.dir, 0o1000 | mode);
    assertEquals(await whySocketUntrusted(it.path), undefined, "the sticky bit keeps others off");
  }
  await Deno.chmod(it.dir, 0o755);
  assertEquals(await whySocketUntrusted(it.path), undefined);
});

Deno.test("another user's socket, or one in another user's directory, is not spoken on", {
  ignore: !isRoot,
}, async () => {
  await using it = await withSocket();
  await Deno.chown(it.path, 65534, null);
  assertEquals(await whySocketUntrusted(it.path), "it belongs to user 65534");
  await Deno.chown(it.path, 0, null);
  await Deno.chown(it.dir, 65534, null);
  assertEquals(await whySocketUntrusted(it.path), "its directory belongs to user 65534");
  await Deno.chown(it.dir, 0, null);
});

Deno.test("a user's socket may lie in a directory of the user's own, or of root's, and in no other", {
  ignore: !isRoot,
}, async () => {
  await using it = await withSocket();
  const { uid } = Deno;
  await Deno.chown(it.path, 65534, null);
  Deno.uid = () => 65534;
  try {
    assertEquals(await whySocketUntrusted(it.path), undefined, "root's");
    await Deno.chown(it.dir, 65534, null);
    assertEquals(await whySocketUntrusted(it.path), undefined);
    await Deno.chown(it.dir, 1, null);
    assertEquals(await whySocketUntrusted(it.path), "its directory belongs to user 1");
  } finally {
    Deno.uid = uid;
  }
  await Deno.chown(it.dir, 0, null);
});

Deno.test("on Windows no socket is a file, and none is looked at", async () => {
  const { build } = Deno;
  Object.defineProperty(Deno, "build", { value: { ...build, os: "windows" }, configurable: true });
  try {
    assertEquals(await whySocketUntrusted("\\\\.\\pipe\\exai"), undefined);
  } finally {
    Object.defineProperty(Deno, "build", { value: build, configurable: true });
  }
});

const REFUSALS: [string, () => ReturnType<typeof errors.daemonNeverReached>, string, RegExp, number?][] = [
  [
    "no daemon",
    () => errors.daemonUnavailable(2500, { why: "nobody listens", advice: "Start it." }),
    "DAEMON_UNAVAILABLE",
    /for 2\.5 s: nobody listens\. The shim keeps trying\. Start it\.$/,
    1000,
  ],
  [
    "no daemon before the end",
    () => errors.daemonNeverReached("why"),
    "DAEMON_UNAVAILABLE",
    /stdin was closed.*: why$/,
  ],
  [
    "the end",
    () => errors.stdinClosed("tools/call"),
    "CANCELLED",
    /stdin was closed.*tools\/call.*cancelled/,
  ],
  [
    "a wrong token",
    () => errors.rejectedByDaemon("unauthorized", "why"),
    "UNAUTHORIZED",
    /^why\..*EXAI_WS_TOKEN.*the shim keeps trying$/,
  ],
  [
    "no proof",
    () => errors.rejectedByDaemon("unproven", "why"),
    "DAEMON_UNAVAILABLE",
    /^why\. The shim keeps trying$/,
  ],
  [
    "an unknown outcome",
    () => errors.outcomeUnknown("tools/call"),
    "OUTCOME_UNKNOWN",
    /tools\/call, so it may or may not have run; check/,
  ],
  [
    "daemons that end with it",
    () => errors.repeatedInVain("tools/call", 3),
    "OUTCOME_UNKNOWN",
    /each of the 3 daemons that had this tools\/call.*no harm to ask again/,
  ],
  [
    "cuts",
    () => errors.undelivered("tools/call", 50),
    "DAEMON_UNAVAILABLE",
    /50 times this tools\/call.*ask again/,
  ],
  [
    "a time-out",
    () => errors.timedOut("x", 1500),
    "TIMEOUT",
    /^x was.*within 1\.5 s \(EXAI_SHIM_RPC_TIMEOUT\)/,
  ],
  ["a large message", () => errors.tooLarge(2048, 1024), "TOO_LARGE", /2 KiB.*1 KiB.*EXAI_WS_MAX_BYTES/],
  [
    "too much",
    () => errors.tooManyPending(3, 2048),
    "OVER_CAPACITY",
    /^3 requests with 2 KiB.*again/,
    1000,
  ],
  ["a lost answer", () => errors.responseNotBuffered(2048), "OVER_CAPACITY", /answer of 2 KiB.*ask again/],
  ["a bad answer", () => errors.malformedResponse("why"), "INVALID_REQUEST", /malformed: why$/],
  ["an id in use", () => errors.idInUse("1"), "INVALID_REQUEST", /request id "1" is in use/],
];
for (const [what, make, code, message, retryAfterMs] of REFUSALS) {
  Deno.test(`a person at the client is told of ${what}: what happened, and what to do`, () => {
    const error = make();
    assertEquals([error.code, error.retryAfterMs], [code, retryAfterMs]);
    assertMatch(error.message, message);
    assertEquals(error.details, code === "OUTCOME_UNKNOWN" ? { outcome: "unknown" } : undefined);
  });
}

Deno.test("messages of the shim's own are lines like the client's", () => {
  const { text, bytes } = lineOf(responseTo("q", { error: toRpcError(errors.malformedResponse("ü")) }));
  const { jsonrpc, id, error } = JSON.parse(text);
  assertEquals([jsonrpc, id, error.code, error.data], ["2.0", "q", -32600, { code: "INVALID_REQUEST" }]);
  assertEquals(bytes, new TextEncoder().encode(text).length);
  assertEquals(lineOf({ jsonrpc: "2.0", method: "notifications/x", params: { a: 1 } }), {
    text: '{"jsonrpc":"2.0","method":"notifications/x","params":{"a":1}}',
    bytes: 61,
  });
});
