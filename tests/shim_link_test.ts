import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { Challenge } from "../lib/edge/challenge.ts";
import { nextFrame } from "../lib/client/frames.ts";
import { authenticateDaemon, verifyProof } from "../lib/client/authenticate_daemon.ts";
import { sayHello } from "../lib/client/link.ts";
import { LinkError, type LinkFault } from "../lib/client/link_target.ts";
import { isLoopbackHost } from "../lib/client/daemon_url.ts";
import { makeNonce, SOCKET_ENDPOINT } from "../lib/wire/proof.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { MemoryDaemon } from "./helpers/memory_daemon.ts";

const token = "correct-horse-battery";
const url = "ws://127.0.0.1:8765/";

/** What a daemon does in answer to the first frame it gets. */
type Reply = string | JsonObject | ((daemon: MemoryDaemon) => void);

function reply(daemon: MemoryDaemon, how: Reply): void {
  if (typeof how === "function") how(daemon);
  else daemon.send(how);
}

async function faultOf(work: Promise<unknown>): Promise<{ fault: LinkFault; message: string }> {
  const { fault, message, name } = await assertRejects(() => work, LinkError);
  assertEquals(name, "LinkError");
  return { fault, message };
}

Deno.test("the next frame is one frame: what follows waits for whoever takes the connection", async () => {
  using timers = new FakeTimers();
  const daemon = new MemoryDaemon();
  const answer = nextFrame(daemon.socket, 60_000);
  daemon.send("first");
  daemon.send("second");
  assertEquals([await answer, timers.size], [{ kind: "frame", text: "first" }, 0]);
  const later: string[] = [];
  daemon.socket.onframe = (text) => later.push(text);
  assertEquals(later, ["second"]);
});

Deno.test("a connection that ends in place of an answer says how, one that is silent for how long", async () => {
  const closed = new MemoryDaemon();
  closed.end(4003, "unauthorized");
  assertEquals(await nextFrame(closed.socket, 60_000), {
    kind: "closed",
    code: 4003,
    why: "closed with 4003 unauthorized",
  });
  const cut = new MemoryDaemon();
  cut.end(1006);
  assertEquals(await nextFrame(cut.socket, 60_000), { kind: "closed", code: 1006, why: "closed with 1006" });
  assertEquals(await nextFrame(new MemoryDaemon().socket, 10), {
    kind: "timeout",
    why: "no answer within 10 ms",
  });
});

const HELLO = { client: "test", nudge: true };

function hello(
  how: Reply,
  way: Partial<{ socket: string; proof: string; timeoutMs: number }> = {},
) {
  const daemon = new MemoryDaemon();
  const { proof, socket, timeoutMs = 60_000 } = way;
  const link = sayHello({ socket: daemon.socket, dialed: { url, socket, timeoutMs }, proof }, HELLO);
  reply(daemon, how);
  return { daemon, link };
}

Deno.test("a hello shows the proof if there is one, and asks for no nudges on a socket", async () => {
  const ack = { op: "hello_ack", ok: true, session_id: "s" };
  const plain = hello(ack);
  const link = await plain.link;
  assertEquals([link.ack as unknown, link.socket], [ack, plain.daemon.socket]);
  assertEquals(plain.daemon.take(), [{ op: "hello", ...HELLO }]);
  const { daemon } = hello(ack, { socket: "/run/exai.sock", proof: "p" });
  assertEquals(daemon.take(), [{ op: "hello", proof: "p", ...HELLO, nudge: false }]);
});

const REFUSED_HELLOS: [string, Reply, LinkFault, string][] = [
  ["closed with 4003", (daemon) => daemon.end(4003, "no"), "unauthorized", "does not accept our token"],
  [
    "answered as unauthorized",
    { op: "hello_ack", ok: false, error: "unauthorized" },
    "unauthorized",
    "token",
  ],
  [
    "refused",
    { op: "hello_ack", ok: false, error: "no such server" },
    "rejected",
    "refuses us: no such server",
  ],
  ["closed with a code of ours", (daemon) => daemon.end(4029, "full"), "rejected", "closed with 4029 full"],
  ["closed with our first code", (daemon) => daemon.end(4000, "bad"), "rejected", "closed with 4000 bad"],
  ["closed with another code", (daemon) => daemon.end(3999, "x"), "unreachable", "closed with 3999 x"],
  ["closed with a later code", (daemon) => daemon.end(5000, "x"), "unreachable", "closed with 5000 x"],
  ["cut", (daemon) => daemon.end(1006), "unreachable", "closed with 1006"],
  ["answered with something else", { op: "nudge" }, "unreachable", "its first frame is no hello_ack"],
  ["answered with no JSON", "hello?", "unreachable", "its first frame is no hello_ack"],
  ["answered with a list", "[]", "unreachable", "its first frame is no hello_ack"],
];
for (const [what, how, fault, why] of REFUSED_HELLOS) {
  Deno.test(`a hello that is ${what} makes no link: ${fault}`, async () => {
    const { daemon, link } = hello(how);
    const error = await faultOf(link);
    assertEquals(error.fault, fault);
    assertStringIncludes(error.message, url);
    assertStringIncludes(error.message, why);
    assertEquals((await daemon.socket.closed).code === 1006 || daemon.closed !== undefined, true);
    assertEquals(daemon.socket.isOpen, false);
  });
}

Deno.test("a hello that is not answered names the way it took", async () => {
  const { daemon, link } = hello(() => {}, { socket: "/run/exai.sock", timeoutMs: 10 });
  const { fault, message } = await faultOf(link);
  assertEquals(fault, "unreachable");
  assertMatch(message, /at \/run\/exai\.sock is no EXAI daemon: no answer within 10 ms/);
  assertEquals(await daemon.socket.closed, { code: 1006, reason: "no use of it" });
});

/** A handshake with a daemon that knows `known` and listens at `door`. */
function shake(
  how: (challenge: JsonObject) => Reply,
  dialled: { url: string; socket?: string; timeoutMs?: number } = { url },
) {
  const daemon = new MemoryDaemon();
  const proof = authenticateDaemon(daemon.socket, { timeoutMs: 60_000, ...dialled }, token);
  const [challenge] = daemon.take();
  assertEquals(challenge!.op, "challenge");
  reply(daemon, how(challenge!));
  return proof;
}

function answerOf(challenge: JsonObject, { door = "ws://127.0.0.1:8765", known = [token] } = {}): JsonObject {
  const { answer } = new Challenge(known, { endpoint: door, clientNonce: String(challenge.nonce) });
  return { op: "challenge_res", ...answer };
}

Deno.test("a daemon that proves itself is shown a proof in return", async () => {
  const daemon = new MemoryDaemon();
  const proof = authenticateDaemon(daemon.socket, { url, timeoutMs: 60_000 }, token);
  const [{ nonce }] = daemon.take() as [JsonObject];
  const challenge = new Challenge([token], { endpoint: "ws://127.0.0.1:8765", clientNonce: String(nonce) });
  daemon.send({ ...challenge.answer, op: "challenge_res" });
  assertEquals(challenge.tokenOf(await proof), token);
  assertEquals(typeof await shake((asked) => answerOf(asked, { known: ["another", token] })), "string");
});

const NO_PROOFS: [string, (challenge: JsonObject) => Reply, LinkFault, string][] = [
  ["has too many already", () => (daemon) => daemon.end(4029, "full"), "rejected", "closed with 4029 full"],
  [
    "is another program",
    () => (daemon) => daemon.end(1002, "what?"),
    "unreachable",
    "closed with 1002 what?",
  ],
  ["ends at once", () => (daemon) => daemon.end(1006), "unreachable", "does not answer as a daemon"],
  [
    "is an old one",
    () => (daemon) => daemon.end(4001, "hello expected"),
    "unproven",
    "4001 hello expected; it is an EXAI daemon older than this program",
  ],
  ["says something else", () => ({ op: "nudge" }), "unproven", "its first frame is no challenge_res"],
  ["gives no nonce", (asked) => ({ ...answerOf(asked), nonce: 7 }), "unproven", "malformed"],
  ["gives no door", (asked) => ({ ...answerOf(asked), door: "" }), "unproven", "malformed"],
  ["gives no proofs", (asked) => ({ ...answerOf(asked), proofs: makeNonce() }), "unproven", "malformed"],
  ["gives a proof that is none", (asked) => ({ ...answerOf(asked), proofs: ["x"] }), "unproven", "malformed"],
  [
    "gives seventeen proofs",
    (asked) => ({ ...answerOf(asked), proofs: Array.from({ length: 17 }, makeNonce) }),
    "unproven",
    "malformed",
  ],
  ["has no token", (asked) => answerOf(asked, { known: [] }), "unproven", "it runs without a token"],
  [
    "has another token",
    (asked) => answerOf(asked, { known: ["x"] }),
    "unauthorized",
    "another token, or another program",
  ],
  [
    "listens elsewhere",
    (asked) => answerOf(asked, { door: "ws://127.0.0.1:1" }),
    "unproven",
    "at ws://127.0.0.1:1: another program passes the connection on and could read it. If you forward a port, keep its number, or use TLS",
  ],
];
for (const [what, how, fault, why] of NO_PROOFS) {
  Deno.test(`a daemon that ${what} has proved nothing: ${fault}`, async () => {
    const error = await faultOf(shake(how));
    assertEquals(error.fault, fault);
    assertStringIncludes(error.message, url);
    assertStringIncludes(error.message, why);
  });
}

Deno.test("the key made of the token cannot be read out again", async () => {
  const { sign } = crypto.subtle;
  const keys: CryptoKey[] = [];
  crypto.subtle.sign = (algorithm, key, data) => {
    keys.push(key);
    return sign.call(crypto.subtle, algorithm, key, data);
  };
  try {
    await shake((asked) => answerOf(asked));
  } finally {
    crypto.subtle.sign = sign;
  }
  assertEquals(keys.map(({ extractable }) => extractable), [false]);
});

Deno.test("sixteen proofs are as many as a daemon may have", async () => {
  const proof = await shake((asked) => {
    const { proofs, ...rest } = answerOf(asked) as { proofs: string[] };
    return { ...rest, proofs: [...Array.from({ length: 15 }, makeNonce), ...proofs] };
  });
  assertEquals(proof.length, 43);
});

Deno.test("who does not answer a challenge is named by the way it was reached", async () => {
  const { fault, message } = await faultOf(
    shake(() => () => {}, { url, socket: "/run/exai.sock", timeoutMs: 10 }),
  );
  assertEquals(fault, "unreachable");
  assertStringIncludes(message, "/run/exai.sock");
  const at = { url, socket: "/run/exai.sock", clientNonce: makeNonce(), token };
  assertStringIncludes((await faultOf(verifyProof({}, at))).message, "/run/exai.sock");
});

/** Whether a proof for `door` is taken by one who dialled `url`, or a socket. */
async function isTaken(door: string, url: string, socket?: string): Promise<boolean> {
  const clientNonce = makeNonce();
  const { answer } = new Challenge([token], { endpoint: door, clientNonce });
  return await verifyProof({ ...answer }, { url, socket, clientNonce, token }).then(() => true, (thrown) => {
    if (!(thrown instanceof LinkError)) throw thrown;
    return false;
  });
}

Deno.test("a host name may mean any address of the daemon, but only on the port that was dialled", async () => {
  const cases: [string, string, boolean][] = [
    ["ws://10.0.0.1:8765", "ws://box.example:8765/", true],
    ["ws://10.0.0.1:8765", "ws://box.example:876/", false],
    ["ws://10.0.0.1:80", "ws://box.example/", true],
    ["ws://10.0.0.1:8765", "ws://box1:8765/", true],
    ["8765", "ws://box.example:8765/", false],
    ["ws://[::1]:8765", "ws://1box.example:8765/", true],
    ["wss://10.0.0.1:8765", "ws://box.example:8765/", false],
    ["xws://10.0.0.1:8765", "ws://box.example:8765/", false],
    ["ws://10.0.0.1:8765x", "ws://box.example:8765/", false],
    ["ws://10.0.0.1:8765", "ws://[::1]:8765/", false],
    ["ws://10.0.0.1:8765", "ws://10.0.0.2:8765/", false],
    ["elsewhere", "wss://box.example:8765/", true],
  ];
  for (const [door, dialled, taken] of cases) {
    assertEquals(await isTaken(door, dialled), taken, `${door} by ${dialled}`);
  }
});

Deno.test("on a socket nothing but the daemon's own socket is taken", async () => {
  const doors = [SOCKET_ENDPOINT, "ws://127.0.0.1:8765", "ws://localhost:80"];
  const taken = doors.map((door) => isTaken(door, "ws://localhost/", "/run/exai.sock"));
  assertEquals(await Promise.all(taken), [true, false, false]);
  assertEquals(await isTaken(SOCKET_ENDPOINT, "ws://localhost/"), false);
});

Deno.test("this machine as seen from itself goes by few names", () => {
  const names = ["::1", "localhost", "LocalHost", "127.0.0.1", "127.255.255.254"];
  assertEquals(names.filter((name) => !isLoopbackHost(name)), []);
  const others = [
    "",
    "::2",
    "localhost.example",
    "128.0.0.1",
    "10.127.0.0.1",
    "127.0.0.1.example",
    "127.",
    "1270",
  ];
  assertEquals(others.filter(isLoopbackHost), []);
});
