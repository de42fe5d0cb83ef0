import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { Challenge } from "../lib/edge/challenge.ts";
import { verifyProof } from "../lib/client/authenticate_daemon.ts";
import { LinkError } from "../lib/client/link_target.ts";
import { addressEndpoint, makeNonce, proofText, SOCKET_ENDPOINT } from "../lib/wire/proof.ts";
import { connectWebSocket } from "../lib/transport/websocket_client.ts";
import { assertServes, testDaemon } from "./helpers/daemon.ts";
import { RawClient } from "./helpers/raw_client.ts";

const token = "correct-horse-battery";
const UNAUTHORIZED = { op: "hello_ack", ok: false, error: "unauthorized" };

/** The daemon's answer to a challenge on a connection of its own, and our proof for it. */
async function challenged(url: string, known = token) {
  const client = await RawClient.connect(url);
  const nonce = makeNonce();
  const answer = await client.ask({ op: "challenge", nonce });
  const proof = await proofFor(answer, { nonce, known });
  return { client, nonce, answer, proof };
}

/** The client's proof as docs/protocol.md describes it, by other means than the shim's. */
async function proofFor(answer: JsonObject, { nonce, known }: { nonce: string; known: string }) {
  const text = ["exai client proof 1", answer.door, nonce, answer.nonce].join("\n");
  const bytes = (value: string) => new TextEncoder().encode(value);
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", bytes(known), hmac, false, ["sign"]);
  const signed = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes(text)));
  return signed.toBase64({ alphabet: "base64url", omitPadding: true });
}

Deno.test("a client that follows the documentation gets in by proof, and the token is in no frame", async () => {
  await using it = await testDaemon({ settings: { token } });
  const { client, answer, proof } = await challenged(it.url);
  using _client = client;
  assertEquals(answer.op, "challenge_res");
  assertEquals(answer.door, it.url.replace(/\/$/, ""));
  assertEquals((await client.ask({ op: "hello", client: "test", proof })).ok, true);
  assertEquals((await client.call("version")).error, undefined);
  assert(!JSON.stringify([answer, proof]).includes(token));
  await client.close();
});

Deno.test("a proof is good once, on the connection it was made for", async () => {
  await using it = await testDaemon({ settings: { token } });
  const first = await challenged(it.url);
  assertEquals((await first.client.ask({ op: "hello", proof: first.proof })).ok, true);
  const again = await challenged(it.url);
  assertNotEquals(again.answer.nonce, first.answer.nonce);
  assertEquals(await again.client.ask({ op: "hello", proof: first.proof }), UNAUTHORIZED);
  assertEquals((await again.client.closed).code, 4003);
  // Even when the client's own nonce is used again.
  using replay = await RawClient.connect(it.url);
  await replay.ask({ op: "challenge", nonce: first.nonce });
  assertEquals(await replay.ask({ op: "hello", proof: first.proof }), UNAUTHORIZED);
  using unasked = await RawClient.connect(it.url);
  assertEquals(await unasked.ask({ op: "hello", proof: first.proof }), UNAUTHORIZED);
  await first.client.close();
});

Deno.test("what is no proof of the client's opens nothing: the daemon's own, another token's, another door's", async () => {
  await using it = await testDaemon({ settings: { token } });
  const wrong: ((answer: JsonObject, nonce: string) => Promise<string> | string)[] = [
    ({ proofs }) => (proofs as string[])[0]!,
    (answer, nonce) => proofFor(answer, { nonce, known: "another-token" }),
    (answer, nonce) => proofFor({ ...answer, door: SOCKET_ENDPOINT }, { nonce, known: token }),
    (answer, nonce) => proofFor({ ...answer, door: "ws://127.0.0.1:1" }, { nonce, known: token }),
    (answer) => proofFor(answer, { nonce: makeNonce(), known: token }),
    (answer, nonce) => proofFor({ ...answer, nonce: makeNonce() }, { nonce, known: token }),
    async (answer, nonce) => (await proofFor(answer, { nonce, known: token })).slice(0, -1),
    async (answer, nonce) => (await proofFor(answer, { nonce, known: token })) + "A",
    () => "",
    () => token,
  ];
  for (const [n, make] of wrong.entries()) {
    const { client, nonce, answer } = await challenged(it.url);
    using _client = client;
    assertEquals(
      await client.ask({ op: "hello", proof: await make(answer, nonce) }),
      UNAUTHORIZED,
      `wrong ${n}`,
    );
    const other = await challenged(it.url);
    using _other = other.client;
    const proof = await make(other.answer, other.nonce);
    const request = { op: "request", method: "GET", path: "/health", proof };
    assertEquals(await other.client.ask(request), UNAUTHORIZED, `request ${n}`);
  }
  assertEquals(it.daemon.refusals.token, 2 * wrong.length);
  await assertServes(it.url, { token });
});

const BAD_OPENINGS: [string, string, number][] = [
  ["without a nonce", '{"op":"challenge"}', 4000],
  ["with a number for a nonce", '{"op":"challenge","nonce":7}', 4000],
  ["with a short nonce", JSON.stringify({ op: "challenge", nonce: makeNonce().slice(1) }), 4000],
  ["with a long nonce", JSON.stringify({ op: "challenge", nonce: makeNonce() + "A" }), 4000],
  ["with a nonce of other characters", JSON.stringify({ op: "challenge", nonce: "\n".repeat(43) }), 4000],
  ["with a nonce that is a list", JSON.stringify({ op: "challenge", nonce: [makeNonce()] }), 4000],
  ["cut off", `{"op":"challenge","nonce":"${makeNonce()}`, 4001],
  ["as a list", JSON.stringify([{ op: "challenge", nonce: makeNonce() }]), 4001],
  ["as a request for another method", '{"op":"request","method":"PUT","path":"/health"}', 4000],
  ["as a request for no path", '{"op":"request","method":"GET","path":"http://evil.example/"}', 4000],
];
for (const [name, text, code] of BAD_OPENINGS) {
  Deno.test(`a challenge ${name} closes its connection with ${code}, and others are served`, async () => {
    await using it = await testDaemon({ settings: { token } });
    using client = await RawClient.connect(it.url);
    client.send(text);
    assertEquals((await client.closed).code, code);
    await assertServes(it.url, { token });
  });
}

Deno.test("a connection has one challenge, and the time for its hello goes on", async () => {
  await using patient = await testDaemon({ settings: { token } });
  const twice = await challenged(patient.url);
  twice.client.send({ op: "challenge", nonce: makeNonce() });
  assertEquals((await twice.client.closed).code, 4001);
  await using it = await testDaemon({ settings: { token, helloTimeoutMs: 300 } });
  using silent = await RawClient.connect(it.url);
  // On a busy machine the answer may come when the time is over.
  silent.send({ op: "challenge", nonce: makeNonce() });
  assertEquals((await silent.closed).code, 4002);
});

Deno.test("a plain hello with the token goes on to open connections, with a challenge before it or without", async () => {
  await using it = await testDaemon({ settings: { token } });
  await assertServes(it.url, { token });
  const { client } = await challenged(it.url);
  assertEquals((await client.ask({ op: "hello", token })).ok, true);
  const late = await client.ask({ op: "challenge", nonce: makeNonce() });
  assertEquals([late.op, late.code], ["error", "INVALID_REQUEST"]);
  await client.close();
});

Deno.test("a daemon without a token proves nothing, and lets in as before", async () => {
  await using it = await testDaemon();
  const { client, answer } = await challenged(it.url);
  assertEquals(answer.proofs, []);
  assertEquals((await client.ask({ op: "hello" })).ok, true);
  await client.close();
});

Deno.test("through the grace of a rotation either token is proved and proves; after it only the new one", async () => {
  await using it = await testDaemon({ settings: { token, tokenGraceMs: 60_000 } });
  const before = await challenged(it.url);
  using client = await RawClient.hello(it.url, { token });
  await client.ask({ op: "rotate_token", old: token, new: "the-next-token" });
  // Begun before the rotation, ended after it.
  assertEquals((await before.client.ask({ op: "hello", proof: before.proof })).ok, true);
  for (const known of [token, "the-next-token"]) {
    const { client, nonce, answer, proof } = await challenged(it.url, known);
    assertEquals((answer.proofs as string[]).length, 2);
    await verifyProof(answer, { url: it.url, clientNonce: nonce, token: known });
    assertEquals((await client.ask({ op: "hello", proof })).ok, true, known);
    await client.close();
  }
  await using strict = await testDaemon({ settings: { token, tokenGraceMs: 0 } });
  const early = await challenged(strict.url);
  using rotating = await RawClient.hello(strict.url, { token });
  await rotating.ask({ op: "rotate_token", old: token, new: "the-next-token" });
  assertEquals(
    await early.client.ask({ op: "hello", proof: early.proof }),
    UNAUTHORIZED,
    "no longer in force",
  );
  const { client: late, nonce, answer } = await challenged(strict.url);
  const asked = { url: strict.url, clientNonce: nonce, token };
  await assertRejects(() => verifyProof(answer, asked), LinkError, "has not proved");
  for (const one of [before.client, client, rotating, late]) await one.close();
});

Deno.test("challenges are not held back, whatever strangers do: who knows the token can always ask", async () => {
  await using it = await testDaemon({ settings: { token, helloRate: 1 } });
  for (let n = 0; n < 12; n++) {
    using client = await RawClient.connect(it.url);
    client.send({ op: "hello", token: `wrong-${n}` });
    await client.closed;
  }
  const { client, answer } = await challenged(it.url);
  assertEquals((answer.proofs as string[]).length, 1);
  await client.close();
});

Deno.test("on the socket the door is the socket, and a proof for the address is of no use there", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using it = await testDaemon({ settings: { token } });
  const socket = it.daemon.socket!;
  const nonce = makeNonce();
  const client = await connectWebSocket("ws://localhost/", { socket, timeoutMs: 5000 });
  const { promise, resolve } = Promise.withResolvers<string>();
  client.onframe = resolve;
  client.send(JSON.stringify({ op: "challenge", nonce }));
  const answer = JSON.parse(await promise);
  assertEquals(answer.door, SOCKET_ENDPOINT);
  await verifyProof(answer, { url: "ws://localhost/", socket, clientNonce: nonce, token });
  await assertRejects(
    () => verifyProof(answer, { url: it.url, clientNonce: nonce, token }),
    LinkError,
    "passes the connection on",
  );
  client.close(1000);
  await client.closed;
});

Deno.test("a client takes a proof only for the address it dialled, but over TLS for any", async () => {
  const clientNonce = makeNonce();
  const take = (door: string, url: string) =>
    verifyProof({ ...new Challenge([token], { endpoint: door, clientNonce }).answer }, {
      url,
      clientNonce,
      token,
    });
  const door = "ws://127.0.0.1:8765";
  await take(door, "ws://127.0.0.1:8765/");
  await take(door, "ws://box.example:8765/");
  await take(door, "wss://box.example/");
  for (
    const url of ["ws://127.0.0.1:9000/", "ws://127.0.0.2:8765/", "ws://[::1]:8765/", "ws://box.example:80/"]
  ) {
    await assertRejects(() => take(door, url), LinkError, "it listens at ws://127.0.0.1:8765", url);
  }
  await assertRejects(() => take(SOCKET_ENDPOINT, "ws://box.example:8765/"), LinkError);
  await assertRejects(() => take("wss://127.0.0.1:8765", "ws://127.0.0.1:8765/"), LinkError);
});

Deno.test("the text under a proof names its maker, and no part can run into the next", () => {
  const exchange = { endpoint: addressEndpoint("ws://127.0.0.1/"), clientNonce: "c", daemonNonce: "d" };
  assertEquals(proofText("daemon", exchange), "exai daemon proof 1\nws://127.0.0.1:80\nc\nd");
  assertNotEquals(proofText("daemon", exchange), proofText("client", exchange));
  assertEquals(addressEndpoint("wss://[::1]/"), "wss://[::1]:443");
});
