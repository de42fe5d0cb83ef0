import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { attachMcp, type HelloContext } from "../lib/session/hello.ts";
import { FakeClock } from "./helpers/fake_clock.ts";
import { daemonHooks, MemoryChannel, settle } from "./helpers/memory_channel.ts";

const NONCE = "a".repeat(43);

Deno.test("a hello is answered with who the daemon is, what it allows and the session", () => {
  const { hello, registry } = daemonHooks();
  const [channel, ack] = hello({ session_id: "mine" });
  assertEquals(ack, {
    op: "hello_ack",
    ok: true,
    session_id: "mine",
    daemon: { version: "9", pid: 42 },
    limits: { max_bytes: 10_000, session_max_inflight: 3, call_timeout_ms: 7 },
  });
  const session = registry.get("mine")!;
  assertEquals([session.isResumable, session.client, session.cwd, session.via], [
    false,
    undefined,
    undefined,
    undefined,
  ]);
  assertEquals([session.principal, session.namedDirs, channel.closed], ["owner", "read", undefined]);
});

Deno.test("a session knows of its client what the hello says", () => {
  const { hello, registry } = daemonHooks();
  const sessionOf = (more: JsonObject) => registry.get(hello(more)[1].session_id as string)!;
  assertEquals(sessionOf({ client: "zed" }).client, { name: "zed", version: "" });
  assertEquals(sessionOf({ client: { name: "zed", version: "2" } }).client, { name: "zed", version: "2" });
  assertEquals(sessionOf({ client: { name: "zed" } }).client, { name: "zed", version: "" });
  for (const client of ["", {}, null, { version: "2" }]) {
    assertEquals(sessionOf({ client }).client, undefined);
  }
  const { cwd, server, via } = sessionOf({ cwd: "/work", server: "files", via: "d1,d2" });
  assertEquals([cwd, server, via], ["/work", "files", ["d1", "d2"]]);
  assertEquals([sessionOf({ cwd: "" }).cwd, sessionOf({ session_id: "" }).id.length], [undefined, 36]);
});

Deno.test("what does not begin with a hello is closed with the code that says why", () => {
  const closed = (frame: unknown) => {
    const channel = daemonHooks().connect();
    channel.say(frame);
    assertEquals([channel.frames, channel.onframe], [[], undefined], "and nothing more is read");
    return channel.closed;
  };
  const words = "the first frame must be a hello with valid fields";
  const deep = "[".repeat(5000) + "]".repeat(5000);
  for (const frame of ["{", "[]", "3", deep, { op: "health" }, { op: 3 }, { jsonrpc: "2.0" }]) {
    assertEquals(closed(frame), [4001, words], String(frame).slice(0, 20));
  }
  for (const frame of [{ op: "hello", cwd: 3 }, { op: "challenge" }, { op: "request", method: "PUT" }]) {
    assertEquals(closed(frame), [4000, words]);
  }
  const channel = daemonHooks().connect();
  channel.onbadframe!("binary");
  assertEquals(channel.closed, [4001, "the first frame must be a hello"]);
});

Deno.test("a hello that does not come in time closes the connection; one that has come or gone stops the clock", async () => {
  using clock = new FakeClock();
  const { connect, hello } = daemonHooks();
  const late = connect();
  await clock.pass(4999);
  assertEquals(late.closed, undefined);
  await clock.pass(1);
  assertEquals(late.closed, [4002, "no hello in time"]);
  const gone = connect();
  gone.onclose!({ code: 1006, wasClean: false });
  const [there] = hello();
  const asking = connect();
  asking.say({ op: "challenge", nonce: NONCE });
  assertEquals(clock.pending, 1, "a challenge does not stop it");
  await clock.pass(5000);
  assertEquals([gone.closed, there.closed, asking.closed?.[0]], [undefined, undefined, 4002]);
});

Deno.test("a hello that asks for what cannot be is refused with why", () => {
  const { hello, registry } = daemonHooks();
  const [channel, ack] = hello({ session_id: "a b" });
  assertEquals([ack.op, ack.ok, channel.closed], ["hello_ack", false, [4000, "invalid hello"]]);
  assertStringIncludes(ack.error as string, "session_id must be");
  const [, looped] = hello({ via: "other,this-daemon" });
  assertStringIncludes(looped.error as string, "mounted in itself");
  assertEquals(registry.size, 0);
});

Deno.test("who shows a wrong token is told so and turned away; who proves to know it need not show it", () => {
  const seen: unknown[] = [];
  const { connect, registry } = daemonHooks({
    authenticate: (token) => (seen.push(token), token === "right" || token === "token of p"),
  });
  const say = (...frames: JsonObject[]) => {
    const channel = connect();
    for (const frame of frames) channel.say(frame);
    return channel;
  };
  const wrong = say({ op: "hello", token: "wrong" });
  assertEquals([wrong.take(), wrong.closed, registry.size], [
    [{ op: "hello_ack", ok: false, error: "unauthorized" }],
    [4003, "unauthorized"],
    0,
  ]);
  assertEquals(say({ op: "hello", token: "right" }).take()[0]!.ok, true);
  const challenge = { op: "challenge", nonce: NONCE };
  const proving = say(challenge, { op: "hello", proof: "p" });
  assertEquals(proving.take().map(({ op, ok, ...rest }) => [op, ok, rest.proofs]), [
    ["challenge_res", undefined, [NONCE]],
    ["hello_ack", true, undefined],
  ]);
  assertEquals(say({ op: "hello", proof: "p" }).closed?.[0], 4003, "a proof of nothing");
  assertEquals(say({ op: "hello", token: null }).closed?.[0], 4003);
  assertEquals(say({ op: "request", method: "GET", path: "/", token: "right" }).closed?.[0], 4003);
  assertEquals(seen, ["wrong", "right", "token of p", undefined, undefined, undefined]);
  assertEquals(say(challenge, challenge).closed, [
    4001,
    "a connection has one challenge; a hello comes after it",
  ]);
});

/** The door a connection comes through, and what it was told. */
function contextOf(parts: Partial<HelloContext> = {}) {
  const told: string[] = [];
  const context: HelloContext = {
    endpoint: "socket:/run/exai",
    principal: { id: "somebody", isOwner: false },
    tryAdmit: () => (told.push("may enter?"), true),
    admitted: () => told.push("entered"),
    mayReportRejection: () => (told.push("refused"), true),
    ...parts,
  };
  return { context, told };
}

Deno.test("the door knows who enters and who was refused, and may have closed the connection itself", async () => {
  const { connect, registry } = daemonHooks({ authenticate: (token) => token === "right" });
  const through = (parts: Partial<HelloContext>, frame: JsonObject) => {
    const { context, told } = contextOf(parts);
    const channel = connect(context);
    channel.say(frame);
    return { channel, told };
  };
  const hello = { op: "hello", token: "right", session_id: "a", cwd: "/home/owner" };
  const entered = through({}, hello);
  assertEquals(entered.told, ["may enter?", "entered"]);
  const { principal, namedDirs, cwd } = registry.get("a")!;
  assertEquals([principal, namedDirs, cwd], ["somebody", "none", undefined]);
  assertEquals(through({}, { op: "hello" }).told, ["refused"]);
  const silent = through({ mayReportRejection: () => false }, { op: "hello" });
  assertEquals([silent.channel.frames, silent.channel.closed], [[], undefined]);
  const full = through({ tryAdmit: () => false }, hello);
  assertEquals([full.channel.frames, full.told, registry.size], [[], [], 1]);
  assertEquals(
    through({}, { ...hello, session_id: "a b" }).told,
    ["may enter?"],
    "who is refused has not entered",
  );
  const { context } = contextOf();
  const asking = connect(context);
  asking.say({ op: "challenge", nonce: NONCE });
  assertEquals(asking.take(), [{ op: "challenge_res", nonce: "n", door: context.endpoint, proofs: [NONCE] }]);
  await settle();
});

Deno.test("a command is answered without a session, on behalf of who comes through the door", async () => {
  const asked: unknown[] = [];
  const { connect, registry } = daemonHooks({
    command: (command) => (asked.push(command), Promise.resolve(new Response("answer", { status: 202 }))),
  });
  const { context, told } = contextOf();
  const channel = connect(context);
  channel.say({ op: "challenge", nonce: NONCE });
  channel.say({ op: "request", method: "POST", path: "/x", body: "b", proof: "p" });
  while (!channel.closed) await settle();
  assertEquals(channel.take().slice(1), [
    { op: "response", status: 202 },
    { op: "response_part", text: "answer" },
    { op: "response_end" },
  ]);
  assertEquals([channel.closed, told, registry.size], [[1000, "answered"], ["may enter?", "entered"], 0]);
  assertEquals(asked, [{ method: "POST", path: "/x", body: "b", token: "token of p", isOwner: false }]);
  const own = connect();
  own.say({ op: "request", method: "GET", path: "/y" });
  assertEquals(asked[1], { method: "GET", path: "/y", body: undefined, token: undefined, isOwner: true });
  await settle();
});

Deno.test("a command whose answer breaks off ends its connection as an internal error", async () => {
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("broken")) });
  for (
    const command of [() => Promise.resolve(new Response(broken)), () => Promise.reject(new Error("odd"))]
  ) {
    const { connect } = daemonHooks({ command });
    const channel = connect();
    channel.say({ op: "request", method: "GET", path: "/" });
    while (!channel.closed) await settle();
    assertEquals(channel.closed, [1011, "internal error"]);
  }
  const empty = daemonHooks({ command: () => Promise.resolve(new Response(null, { status: 204 })) })
    .connect();
  empty.say({ op: "request", method: "GET", path: "/" });
  while (!empty.closed) await settle();
  assertEquals(empty.take().map(({ op }) => op), ["response", "response_end"]);
});

/** A session that can be resumed, whose connection is cut when two of its calls run. */
async function cutOff() {
  const it = daemonHooks();
  const [channel, ack] = it.hello({ session_id: "s", resume: true });
  const ends = new Map<unknown, () => void>();
  it.daemon.answer = ({ params }) =>
    new Promise((resolve) => ends.set(params.n, () => resolve({ result: { n: params.n } })));
  channel.say({ jsonrpc: "2.0", id: 0, method: "initialize", params: { protocolVersion: "2025-11-25" } });
  ends.get(undefined)!();
  for (const n of [1, 2]) channel.say({ jsonrpc: "2.0", id: n, method: "tools/call", params: { n } });
  await settle();
  channel.take();
  channel.onclose!({ code: 1006, wasClean: false });
  const token = ack.resume_token as string;
  const back = (resume: JsonObject = {}, more: JsonObject = {}) => {
    const channel = it.connect();
    channel.say({ op: "hello", session_id: "s", resume: { token, ...resume }, ...more });
    return channel;
  };
  const end = async (n: number) => {
    ends.get(n)!();
    await settle();
  };
  return { ...it, ack, token, back, end, session: it.registry.get("s")! };
}

Deno.test("a client that comes back has its session, its answers and word of what never arrived", async () => {
  const { back, end, ack, session } = await cutOff();
  assertEquals([typeof ack.resume_token, ack.unseen], ["string", undefined]);
  await end(1);
  session.notify("notifications/tools/list_changed");
  const channel = back({ waiting: [1, 2, 3] });
  const [again, ...rest] = channel.take();
  assertEquals([again!.session_id, again!.unseen, again!.recovered], ["s", [3], undefined]);
  assertEquals(again!.resume_token, ack.resume_token);
  assertEquals(rest, [
    { jsonrpc: "2.0", method: "notifications/tools/list_changed" },
    { jsonrpc: "2.0", id: 1, result: { n: 1 } },
  ]);
  await end(2);
  assertEquals(channel.take(), [{ jsonrpc: "2.0", id: 2, result: { n: 2 } }]);
});

Deno.test("without its token, or a word of resuming, a client begins anew under another id", async () => {
  const { back, registry, hello } = await cutOff();
  assertEquals(back({ token: "wrong" }).take()[0]!.session_id, "s:2");
  assertEquals(hello({ session_id: "s", resume: true })[1].session_id, "s:3");
  assertEquals(hello({ session_id: "s", resume: null })[1].session_id, "s:4");
  assertEquals(registry.size, 4);
  const [again] = back().take();
  assertEquals([again!.session_id, again!.unseen], ["s", []]);
});

Deno.test("a client is told what made room while it was away", async () => {
  const { back, end, session } = await cutOff();
  await end(1);
  for (let n = 0; n < 300; n++) session.output.sendResponse(`x${n}`, "{}");
  for (let n = 0; n < 258; n++) session.notify("notifications/x");
  const [ack, ...rest] = back({ waiting: [1] }).take();
  assertEquals(ack!.unseen, []);
  const [lost, warning] = [rest.find(({ id }) => id === 1)!, rest.at(-1)!];
  const { code, message, data } = lost.error as JsonObject;
  assertEquals([code, data], [-31013, { outcome: "unknown", code: "OUTCOME_UNKNOWN" }]);
  assertStringIncludes(message as string, "too large to be kept");
  assertStringIncludes((warning.params as JsonObject).data as string, "2 messages for this window are lost");
});

Deno.test("a client that counts what arrives is told so from the beginning, and after a cut from where it was", async () => {
  const { hello } = daemonHooks();
  const [, plain] = hello();
  assertEquals([plain.receipts, plain.posts, plain.received, plain.lines], Array(4).fill(undefined));
  const [, asked] = hello({ receipts: true, lines: true });
  assertEquals([asked.receipts, asked.posts, asked.received, asked.lines], [true, 0, 0, true]);
  const { back, session, registry } = await cutOff();
  const first = back({}, { receipts: true });
  for (let n = 0; n < 3; n++) session.notify("notifications/x");
  first.say({ jsonrpc: "2.0", method: "notifications/y" });
  first.say({ jsonrpc: "2.0", method: "notifications/y" });
  first.onclose!({ code: 1006, wasClean: false });
  const silent = back({ posts: 1 }, { receipts: true });
  const [ack, ...rest] = silent.take();
  assertEquals([ack!.posts, ack!.received, rest.length], [1, 2, 2]);
  silent.onclose!({ code: 1006, wasClean: false });
  assertEquals(
    back({}, { receipts: true }).take()[0]!.received,
    2,
    "of the last connection on which anything came",
  );
  assertEquals(registry.size, 1);
});

Deno.test("a client of another daemon's session is introduced first, and told what never began and what is unknown", () => {
  const open = {
    close() {},
    release() {},
    forget() {},
    finish() {},
    dropAnswer() {},
    begin: (id: number) => ({ id }),
  };
  const journal = {
    open: () => open,
    recover: (token: string) =>
      token === "old"
        ? {
          journal: open,
          calls: [{ entry: { id: 1 }, answer: '{"id":1}' }, { entry: { id: 2 }, answer: undefined }],
        }
        : undefined,
  };
  const { connect, registry } = daemonHooks({}, { journal: journal as never });
  const channel = connect();
  channel.say({ op: "hello", session_id: "s", resume: { token: "old", waiting: [1, 2, 3] } });
  const [ack, ...rest] = channel.take();
  const session = registry.get("s")!;
  assertEquals(session.output.isOutcomeUnknown(2), true);
  channel.say({ jsonrpc: "2.0", id: 4, method: "initialize", params: {} });
  assertEquals(session.output.isOutcomeUnknown(2), false, "it has been told");
  channel.onclose!({ code: 1006, wasClean: false });
  const again = connect();
  again.say({ op: "hello", session_id: "s", resume: { token: "old", waiting: [9] } });
  const [later] = again.take();
  assertEquals([later!.recovered, later!.unseen], [undefined, [9]], "it is a session like any other by then");
  assertEquals([ack!.recovered, ack!.unseen, rest], [{ unseen: [3], unknown: [2] }, undefined, [{ id: 1 }]]);
});

Deno.test("a connection of the subprotocol mcp speaks MCP alone, for whom it authenticated", async () => {
  const { hooks, registry } = daemonHooks();
  const attach = (how: Parameters<typeof attachMcp>[2]) => {
    const channel = new MemoryChannel();
    attachMcp(channel, hooks, how);
    return { channel, session: [...registry].at(-1)! };
  };
  const { channel, session } = attach({
    server: "files",
    via: ["d1"],
    principal: { id: "x", isOwner: false },
  });
  assertEquals([session.server, session.via, session.principal, session.namedDirs, session.isResumable], [
    "files",
    ["d1"],
    "x",
    "none",
    false,
  ]);
  channel.say({ jsonrpc: "2.0", id: 1, method: "ping" });
  await settle();
  assertEquals(channel.take(), [{ jsonrpc: "2.0", id: 1, result: {} }]);
  channel.say("{");
  const { error, id } = channel.take()[0]!;
  assertEquals([(error as JsonObject).code, id], [-32700, null]);
  channel.onbadframe!("a frame must be text");
  assertEquals((channel.take()[0]!.error as JsonObject).message, "a frame must be text");
  channel.say({ op: "health" });
  assertEquals((channel.take()[0]!.error as JsonObject).code, -32600);
  assertEquals([attach({}).session.principal, attach({}).session.namedDirs], ["owner", "read"]);
});
