import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { filesBelow } from "./helpers/files_below.ts";
import { CountingServer } from "./helpers/counting_server.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { RawHttp, statusOf } from "./helpers/http_client.ts";
import { runDaemon, startDaemon } from "./helpers/program.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { connectRaw } from "./helpers/raw_socket.ts";
import { Shim } from "./helpers/shim.ts";

const onUnix = Deno.build.os !== "windows";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const PATHS: [method: string, path: string][] = [
  ["GET", "/"],
  ["GET", "/health"],
  ["GET", "/metrics"],
  ["GET", "/status"],
  ["GET", "/calls"],
  ["POST", "/reload"],
  ["POST", "/cancel"],
  ["POST", "/kill"],
  ["POST", "/token/rotate"],
  ["POST", "/mcp"],
  ["GET", "/mcp"],
  ["DELETE", "/mcp"],
  ["POST", "/mcp/exai"],
  ["OPTIONS", "/mcp"],
  ["GET", "/nowhere"],
];

/** The ids of sessions as everybody may see them. */
async function shownSessions(http: string): Promise<string[]> {
  const { sessions } = await (await fetch(new URL("/status", http))).json();
  return sessions.map(({ session }: { session: string }) => session);
}

/** One request by hand, with any Host; the status of its answer. */
async function statusAt(to: Deno.ConnectOptions | Deno.UnixConnectOptions, head: string): Promise<number> {
  using conn = "path" in to ? await Deno.connect(to) : await Deno.connect(to);
  await conn.write(new TextEncoder().encode(head));
  let text = "";
  const buffer = new Uint8Array(1024);
  while (!text.includes("\r\n")) {
    const count = await conn.read(buffer);
    if (count === null) break;
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
}

Deno.test("a rebound name is refused on every path and at every door, with the token or without", async () => {
  await using it = await testDaemon({ settings: { token: "correct-horse" } });
  const { hostname, port } = new URL(it.url);
  const doors: (Deno.ConnectOptions | Deno.UnixConnectOptions)[] = [{ hostname, port: Number(port) }];
  if (it.daemon.socket) doors.push({ transport: "unix", path: it.daemon.socket });
  for (const door of doors) {
    for (const [method, path] of PATHS) {
      for (const auth of ["", "Authorization: Bearer correct-horse\r\n"]) {
        const head = `${method} ${path} HTTP/1.1\r\nHost: rebound.example:${port}\r\n${auth}` +
          "Content-Length: 0\r\nConnection: close\r\n\r\n";
        assertEquals(await statusAt(door, head), 403, `${method} ${path}`);
      }
    }
  }
});

Deno.test("without the token every path but the page answers 401, what is there and what is not", async () => {
  await using it = await testDaemon({ settings: { token: "correct-horse" } });
  for (const [method, path] of PATHS.filter(([method, path]) => !(method === "GET" && path === "/"))) {
    assertEquals(await statusOf(fetch(new URL(path, it.http), { method })), 401, `${method} ${path}`);
  }
  await assertRejects(() => connectRaw(it.url, { "Sec-WebSocket-Protocol": "mcp" }), Error, "401");
});

Deno.test("no code compares a token or a secret but in constant time", async () => {
  const suspicious = /\b(?!typeof)\w*(?:[tT]oken|[sS]ecret)\b\s*[!=]==(?!\s*(?:"|undefined|null|AUTO))/;
  const found: string[] = [];
  for await (const path of filesBelow(fromFileUrl(new URL("../lib", import.meta.url)))) {
    const lines = (await Deno.readTextFile(path)).split("\n").filter((line) => suspicious.test(line));
    found.push(...lines.map((line) => `${path}: ${line.trim()}`));
  }
  // What a provider counts, and the progress tokens of a client, are no secrets.
  assertEquals(found.filter((line) => !/progressToken|maxTokens|[tT]okens\b/.test(line)), []);
});

Deno.test(
  "every file and directory the daemon and its shims leave is the user's alone",
  { ignore: !onUnix },
  async () => {
    const home = await Deno.makeTempDir({ prefix: "exai-modes-" });
    const env = { EXAI_WS_TOKEN: "auto" };
    {
      await using daemon = await startDaemon({ home, env });
      await using shim = await Shim.ready({ port: Number(new URL(daemon.url).port), home, env });
      await shim.call("planner", { step: "one", step_number: 1, total_steps: 2, next_step_required: true });
      await runDaemon({ home, args: ["certs"], env });
      const names = (await Array.fromAsync(Deno.readDir(home))).map(({ name }) => name);
      for (const name of ["token", "daemon.sock", "daemon.json", "exai.db", "logs", "certs", "health.json"]) {
        assert(names.includes(name), `${name} of ${names}`);
      }
      assertEquals(open(home), []);
    }
    await Deno.remove(home, { recursive: true });
  },
);

/** What others may read, write or search below `dir`, and it itself. */
function open(dir: string): string[] {
  const info = Deno.lstatSync(dir);
  const own = (info.mode! & 0o077) === 0 ? [] : [`${dir} ${(info.mode! & 0o777).toString(8)}`];
  if (!info.isDirectory) return own;
  return [...own, ...[...Deno.readDirSync(dir)].flatMap(({ name }) => open(join(dir, name)))];
}

Deno.test("the ids of sessions cannot be guessed, and knowing one is not enough to resume it", async () => {
  const counting = new CountingServer();
  await using it = await testDaemon({ servers: [counting] });
  using mine = await RawClient.hello(it.url, { resume: true });
  using other = await RawClient.hello(it.url, { resume: true });
  const { session_id: id, resume_token: token } = mine.ack;
  assertMatch(String(id), UUID);
  assertMatch(String(token), UUID);
  const tries = [
    undefined,
    "",
    crypto.randomUUID(),
    other.ack.resume_token,
    id,
    `${token} `,
    String(token).slice(1),
  ];
  for (const wrong of tries) {
    const resume = wrong === undefined ? true : { token: wrong, waiting: [1] };
    using thief = await RawClient.hello(it.url, { session_id: id, resume });
    assert(thief.ack.session_id !== id, `with ${wrong}`);
    assert(!("unseen" in thief.ack), `with ${wrong}`);
    assert(thief.ack.resume_token !== token, `with ${wrong}`);
    await thief.close();
  }
  assertEquals((await mine.call("count", { n: 1 })).error, undefined, "it is still its owner's");
  using again = await RawClient.hello(it.url, { session_id: id, resume: { token, waiting: [] } });
  assertEquals(again.ack.session_id, id);
  assertEquals((await mine.closed).code, 4008);
  await Promise.all([again.close(), other.close()]);
});

Deno.test("a session of HTTP is had by its own id alone, and by no other kind's", async () => {
  await using it = await testDaemon();
  const mine = await RawHttp.open(`${it.http}mcp`);
  const id = mine.headers["mcp-session-id"]!;
  assertMatch(id, UUID);
  using socket = await RawClient.hello(it.url, { resume: true });
  const guesses = [
    crypto.randomUUID(),
    id.toUpperCase(),
    id.slice(0, -1),
    `${id}0`,
    String(socket.ack.session_id),
    ...await shownSessions(it.http),
  ];
  for (const guess of guesses) {
    const thief = new RawHttp(mine.url);
    thief.headers["mcp-session-id"] = guess;
    assertEquals(await statusOf(thief.post({ id: 1, method: "ping" })), 404, guess);
    assertEquals(await statusOf(thief.get()), 404, guess);
    assertEquals(await thief.delete(), 404, guess);
  }
  for (const session_id of [id, ...await shownSessions(it.http)]) {
    using thief = await RawClient.hello(it.url, { session_id, resume: { token: id, waiting: [] } });
    assert(!("unseen" in thief.ack));
    await thief.close();
  }
  assertMatch(await (await mine.post({ id: 2, method: "ping" })).text(), /"id":2/);
  await socket.close();
});
