import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { loadClientTls } from "../../lib/config/tls.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { filesBelow } from "../helpers/files_below.ts";
import { httpClient, RawHttp, statusOf } from "../helpers/http_client.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";

const onUnix = Deno.build.os !== "windows";

Deno.test("the key of an HTTP session is shown nowhere, and it is ended by the id that is", async () => {
  const home = await Deno.makeTempDir();
  let key: string;
  {
    await using it = await startDaemon({ home, env: { LOG_LEVEL: "trace", EXAI_CALLS_BODIES: "true" } });
    const base = it.url.replace(/^ws/, "http");
    await using client = await httpClient(`${base}mcp`);
    key = client.sessionId;
    await client.callTool({ name: "version" });
    await assertRejects(() => client.callTool({ name: "nothing" }));
    using other = await RawClient.hello(it.url);
    const tools = [await other.call("activity"), await other.call("health")];
    const shown = [JSON.stringify(tools), it.banner];
    for (const path of ["/status", "/calls", "/calls?outcome=failed", "/health", "/metrics"]) {
      shown.push(await (await fetch(new URL(path, base))).text());
    }
    const guess = await fetch(new URL("/mcp", base), {
      method: "DELETE",
      headers: { "mcp-session-id": `${key}x` },
    });
    shown.push(await guess.text());
    const env = { EXAI_WS_PORT: new URL(it.url).port };
    const listed = await runDaemon({ home, env, args: ["ps"] });
    const calls = await runDaemon({ home, env, args: ["calls"] });
    shown.push(listed.stdout, calls.stdout);
    const id = /http-[0-9a-f]{8}/.exec(listed.stdout)?.[0] ?? "none";
    assert(calls.stdout.includes(id), `${listed.stdout}\n${calls.stdout}`);
    const mine = await runDaemon({ home, env, args: ["calls", `--session=${id}`, "--json"] });
    assertEquals(JSON.parse(mine.stdout).length >= 2, true);
    for (const text of shown) assert(!text.includes(key) && !text.includes(key.slice(0, 13)), text);
    const ended = await runDaemon({ home, env, args: ["kill", "session", id] });
    assertMatch(ended.stdout, new RegExp(id));
    await assertRejects(() => client.callTool({ name: "version" }));
    await other.close();
    it.process.kill("SIGTERM");
    await it.process.status;
  }
  for await (const file of filesBelow(home)) {
    const bytes = new TextDecoder("latin1").decode(await Deno.readFile(file));
    assert(!bytes.includes(key), file);
  }
  await Deno.remove(home, { recursive: true });
});

Deno.test("an HTTP session belongs to the token through its rotations, at every door", async () => {
  await using it = await testDaemon({ settings: { token: "first-secret" } });
  const mine = await RawHttp.open(`${it.http}mcp`, { authorization: "Bearer first-secret" });
  using client = await RawClient.hello(it.url, { token: "first-secret" });
  assertEquals(
    (await client.ask({ op: "rotate_token", old: "first-secret", new: "second-secret" })).ok,
    true,
  );
  mine.headers.authorization = "Bearer second-secret";
  assertEquals(await statusOf(mine.post({ id: 1, method: "ping" })), 200);
  await client.close();
  if (!onUnix) return;
  using socket = Deno.createHttpClient({ proxy: { transport: "unix", path: it.daemon.socket! } });
  const body = '{"jsonrpc":"2.0","id":2,"method":"ping"}';
  const init = { method: "POST", headers: mine.headers, body, client: socket };
  assertEquals(await statusOf(fetch("http://localhost/mcp", init)), 200);
});

Deno.test("an HTTP session of one client certificate is not there for another", async () => {
  const home = await Deno.makeTempDir();
  for (const words of [["certs", "localhost"], ["certs", "client", "laptop"]]) {
    assertEquals((await runDaemon({ home, args: words })).code, 0);
  }
  const pem = (name: string) => join(home, "certs", name);
  const tls = { tlsCert: pem("server.pem"), tlsKey: pem("server.key"), tlsClientCa: pem("ca.pem") };
  await using it = await testDaemon({ settings: { ...tls, socket: "off" } });
  const clientOf = async (name: string) => {
    const loaded = await loadClientTls({
      tlsCa: pem("ca.pem"),
      tlsClientCert: pem(`${name}.pem`),
      tlsClientKey: pem(`${name}.key`),
    });
    return Deno.createHttpClient(loaded as Deno.CreateHttpClientOptions);
  };
  using first = await clientOf("client");
  using second = await clientOf("laptop");
  const raw = new RawHttp(`${it.http}mcp`);
  const send = (client: Deno.HttpClient, method: string, message?: Record<string, unknown>) =>
    fetch(raw.url, {
      method,
      headers: raw.headers,
      client,
      ...(message ? { body: JSON.stringify({ jsonrpc: "2.0", ...message }) } : {}),
    });
  const clientInfo = { name: "raw", version: "1" };
  const params = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo };
  const begun = await send(first, "POST", { id: 0, method: "initialize", params });
  raw.headers["mcp-session-id"] = begun.headers.get("mcp-session-id")!;
  await begun.body?.cancel();
  const ping = { id: 1, method: "ping" };
  assertEquals(await statusOf(send(second, "POST", ping)), 404);
  assertEquals(await statusOf(send(second, "GET")), 404);
  assertEquals(await statusOf(send(second, "DELETE")), 404);
  assertEquals(await statusOf(send(first, "POST", ping)), 200);
  assertEquals(await statusOf(send(first, "DELETE")), 200);
  await Deno.remove(home, { recursive: true });
});
