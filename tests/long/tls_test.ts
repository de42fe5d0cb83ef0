import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../../lib/base/errors.ts";
import { checkExposure } from "../../lib/edge/exposure.ts";
import { type ClientTls, loadClientTls } from "../../lib/config/tls.ts";
import { connectWebSocket } from "../../lib/transport/websocket_client.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { RawHttp, statusOf } from "../helpers/http_client.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { Shim } from "../helpers/shim.ts";

/** What `exai-daemon certs` makes, once for all tests here. */
async function makeCerts(home: string, ...words: string[]) {
  const made = await runDaemon({ home, args: ["certs", ...words] });
  assertEquals(made.code, 0, made.stderr);
  return made.stdout;
}

const home = await Deno.makeTempDir({ prefix: "exai-tls-" });
const dir = join(home, "certs");
const certs = { said: "" };

function server() {
  return { tlsCert: join(dir, "server.pem"), tlsKey: join(dir, "server.key"), socket: "off" };
}

function client(name = "client") {
  return {
    tlsCa: join(dir, "ca.pem"),
    tlsClientCert: name && join(dir, `${name}.pem`),
    tlsClientKey: name && join(dir, `${name}.key`),
  };
}

async function hello(url: string, tls: ClientTls | undefined): Promise<string> {
  const socket = await connectWebSocket(url, { tls, timeoutMs: 5000 });
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.onframe = resolve;
  socket.send(JSON.stringify({ op: "hello" }));
  const { op, ok } = JSON.parse(await promise);
  socket.drop("done");
  await socket.closed;
  return `${op} ${ok}`;
}

Deno.test("exai-daemon certs makes an authority and certificates, private, and says the settings to use", async () => {
  certs.said = await makeCerts(home, "box.example");
  for (const name of ["ca", "server", "client"]) {
    const pem = await Deno.readTextFile(join(dir, `${name}.pem`));
    assert(pem.startsWith("-----BEGIN CERTIFICATE-----"), pem);
    if (Deno.build.os !== "windows") {
      assertEquals((await Deno.stat(join(dir, `${name}.key`))).mode! & 0o777, 0o600);
    }
  }
  for (const line of ["EXAI_TLS_CERT=", "EXAI_TLS_KEY=", "EXAI_TLS_CLIENT_CA=", "EXAI_TLS_CA="]) {
    assert(certs.said.includes(`  ${line}${dir}`), certs.said);
  }
  assert(certs.said.includes("box.example, localhost, 127.0.0.1, ::1"), certs.said);
  const before = await Deno.readTextFile(join(dir, "ca.pem"));
  await makeCerts(home, "client", "laptop");
  assertEquals(await Deno.readTextFile(join(dir, "ca.pem")), before, "the authority stays");
  assertEquals((await runDaemon({ home, args: ["certs", "client", "../up"] })).code, 2);
});

Deno.test("with a certificate the address speaks TLS: WebSocket and HTTP", async () => {
  await using it = await testDaemon({ settings: server() });
  assertEquals(new URL(it.url).protocol, "wss:");
  const tls = await loadClientTls(client(""));
  assertEquals(await hello(it.url, tls), "hello_ack true");
  using trusting = Deno.createHttpClient(tls as Deno.CreateHttpClientOptions);
  assertEquals(await statusOf(fetch(new URL("/health", it.http), { client: trusting })), 200);
  await assertRejects(() => hello(it.url, undefined), Error, "certificate");
  await assertRejects(() => hello(it.url.replace("wss", "ws"), undefined));
});

Deno.test("with a CA for clients nobody without its certificate gets as far as the guard", async () => {
  const settings = { ...server(), tlsClientCa: join(dir, "ca.pem") };
  await using it = await testDaemon({ settings: { ...settings, maxFrameBytes: 2048 } });
  const tls = await loadClientTls(client("laptop"));
  assertEquals(await hello(it.url, tls), "hello_ack true");
  const stranger = await loadClientTls(client(""));
  await assertRejects(() => hello(it.url, stranger));
  // Of another authority.
  const other = await Deno.makeTempDir();
  await makeCerts(other);
  const foreign = await loadClientTls({
    tlsCa: join(dir, "ca.pem"),
    tlsClientCert: join(other, "certs", "client.pem"),
    tlsClientKey: join(other, "certs", "client.key"),
  });
  await assertRejects(() => hello(it.url, foreign));
  await Deno.remove(other, { recursive: true });
  using anonymous = Deno.createHttpClient(stranger as Deno.CreateHttpClientOptions);
  await assertRejects(() => fetch(new URL("/health", it.http), { client: anonymous }));
  using known = Deno.createHttpClient(tls as Deno.CreateHttpClientOptions);
  assertEquals(await statusOf(fetch(new URL("/health", it.http), { client: known })), 200);
  const headers = { origin: "https://evil.example" };
  assertEquals(await statusOf(fetch(new URL("/health", it.http), { client: known, headers })), 403);
  await using mcp = await mcpOver(it.http, known);
  assertEquals(mcp.answer, { jsonrpc: "2.0", id: 1, result: {} });
  const socket = await connectWebSocket(it.url, { tls, timeoutMs: 5000 });
  socket.send(JSON.stringify({ op: "hello", pad: "x".repeat(4096) }));
  assertEquals((await socket.closed).code, 1009);
});

Deno.test("a shim connects with the settings the command printed, and so do the daemon's commands", async () => {
  const env = Object.fromEntries(
    certs.said.split("\n").map((line) => /^ +(EXAI_\w+)=(.+)$/.exec(line)).filter((found) => found !== null)
      .map(([, name, value]) => [name!, value!]),
  );
  await using daemon = await startDaemon({
    env: { ...env, EXAI_SOCKET: "off", EXAI_WS_TOKEN: "correct-horse" },
  });
  const port = Number(new URL(daemon.url).port);
  const common = { ...env, EXAI_WS_TOKEN: "correct-horse" };
  await using shim = await Shim.ready({ port, env: common });
  assertEquals((await shim.call("version")).error, undefined);
  const ps = await runDaemon({ args: ["ps"], env: { ...common, EXAI_WS_PORT: String(port) } });
  assertEquals(ps.code, 0, ps.stderr);
  assertMatch(ps.stdout, / yes /);
});

Deno.test("an address other machines can reach needs token and TLS", async () => {
  const reachable = { host: "0.0.0.0", token: "", tlsCert: "" };
  const refused = (settings: typeof reachable) => {
    try {
      checkExposure(settings);
    } catch (thrown) {
      return (thrown as Error).message;
    }
  };
  const [both, token, tls] = [
    refused(reachable),
    refused({ ...reachable, tlsCert: "x" }),
    refused({ ...reachable, token: "auto" }),
  ];
  assert(both?.includes("EXAI_WS_TOKEN=auto") && both.includes("exai-daemon certs"), both);
  assert(token?.includes("EXAI_WS_TOKEN=auto") && !token.includes("exai-daemon certs"), token);
  assert(tls?.includes("exai-daemon certs") && !tls.includes("EXAI_WS_TOKEN=auto"), tls);
  for (const host of ["::", "192.168.1.2", "box.example", "127.evil.example", "1270.0.0.1"]) {
    assert(refused({ ...reachable, host }), host);
  }
  for (const host of ["127.0.0.1", "127.3.2.1", "localhost", "LOCALHOST", "::1"]) {
    assertEquals(refused({ ...reachable, host }), undefined, host);
  }
  await assertRejects(() => testDaemon({ settings: { host: "0.0.0.0" } }), ExaiError, "other machines");
  await using open = await testDaemon({ settings: { ...server(), host: "0.0.0.0", token: "correct-horse" } });
  assertEquals(new URL(open.url).protocol, "wss:");
});

Deno.test("what is wrong with certificates is said by the name of its setting", async () => {
  const start = (settings: Record<string, string>) => testDaemon({ settings: { ...server(), ...settings } });
  await assertRejects(() => start({ tlsKey: "" }), ExaiError, "EXAI_TLS_CERT is set and EXAI_TLS_KEY is not");
  await assertRejects(
    () => start({ tlsCert: "/nowhere" }),
    ExaiError,
    "EXAI_TLS_CERT: /nowhere cannot be read",
  );
  await assertRejects(
    () => start({ tlsCert: join(home, "certs", "..", "no.pem") }),
    ExaiError,
    "EXAI_TLS_CERT",
  );
  await assertRejects(() => start({ tlsKey: join(dir, "client.key") }), ExaiError, "belong together");
  if (Deno.build.os !== "windows") {
    const open = join(home, "open.key");
    await Deno.copyFile(join(dir, "server.key"), open);
    await Deno.chmod(open, 0o644);
    await assertRejects(() => start({ tlsKey: open }), ExaiError, `chmod 600 ${open}`);
  }
  await Deno.remove(home, { recursive: true });
});

async function mcpOver(http: string, client: Deno.HttpClient) {
  const raw = new RawHttp(`${http}mcp`);
  const post = async (message: Record<string, unknown>) => {
    const body = JSON.stringify({ jsonrpc: "2.0", ...message });
    return await fetch(raw.url, { method: "POST", headers: raw.headers, body, client });
  };
  const clientInfo = { name: "raw", version: "1" };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  const begun = await post({ id: 0, method: "initialize", params });
  raw.headers["mcp-session-id"] = begun.headers.get("mcp-session-id")!;
  await begun.body?.cancel();
  const text = await (await post({ id: 1, method: "ping" })).text();
  const data = text.split("\n").filter((line) => line.startsWith("data: {")).map((line) => line.slice(6));
  return {
    answer: JSON.parse(data.at(-1) ?? text),
    async [Symbol.asyncDispose]() {
      await statusOf(fetch(raw.url, { method: "DELETE", headers: raw.headers, client }));
    },
  };
}
