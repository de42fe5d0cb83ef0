import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { ExaiError } from "../../lib/base/errors.ts";
import { checkBoundAddress, checkExposure, checkPeers } from "../../lib/edge/exposure.ts";
import { loadSettings } from "../../lib/config/load.ts";
import type { Settings } from "../../lib/config/settings.ts";
import { assertServes, testDaemon } from "../helpers/daemon.ts";
import { RawHttp, statusOf } from "../helpers/http_client.ts";
import { OddServer } from "../helpers/odd_server.ts";
import { canBeOther, talkAsOther } from "../helpers/other_user.ts";
import { runDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";

const ignore = !canBeOther;
const onUnix = Deno.build.os !== "windows";

const UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade, close\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";

/** One request as another user; all that was answered. */
async function askAsOther(url: string, request: string, more = ""): Promise<string> {
  const { hostname, port, host } = new URL(url);
  const head = `${request} HTTP/1.1\r\nHost: ${host}\r\n${more}${
    more.includes("Upgrade") ? "" : "Connection: close\r\n"
  }\r\n`;
  return await talkAsOther({ hostname, port: Number(port) }, head);
}

/** A masked text frame (RFC 6455, 5.2) of less than 64 KiB. */
function frame(text: string): Uint8Array {
  const payload = new TextEncoder().encode(text);
  const length = payload.length < 126
    ? [0x80 | payload.length]
    : [0x80 | 126, payload.length >> 8, payload.length & 0xff];
  return new Uint8Array([0x81, ...length, 0, 0, 0, 0, ...payload]);
}

/** A WebSocket of another user: what it sends at once, and what it gets, as far as `last`. */
async function socketAsOther(url: string, frames: Record<string, unknown>[], last: string): Promise<string> {
  const { hostname, port, host } = new URL(url);
  const head = new TextEncoder().encode(`GET / HTTP/1.1\r\nHost: ${host}\r\n${UPGRADE}\r\n`);
  const parts = frames.map((message) => frame(JSON.stringify(message)));
  const bytes = new Uint8Array([head, ...parts].flatMap((part) => [...part]));
  return await talkAsOther({ hostname, port: Number(port) }, bytes, { last });
}

Deno.test(
  "another user of the machine gets nothing without a token, at any path, and is told what would let him in",
  { ignore },
  async () => {
    await using it = await testDaemon();
    const requests = [
      "GET /health",
      "GET /calls",
      "POST /reload",
      "POST /kill?what=session&id=x",
      "OPTIONS /mcp",
    ];
    for (const request of [...requests, "POST /mcp", "DELETE /mcp", "GET /nowhere"]) {
      const answer = await askAsOther(it.url, request);
      assertMatch(answer, /^HTTP\/1\.1 403 /, request);
      assertMatch(answer, /"FORBIDDEN".*another user.*EXAI_WS_TOKEN=auto.*EXAI_WS_PEERS=any/s, request);
    }
    for (const protocol of ["", "Sec-WebSocket-Protocol: mcp\r\n"]) {
      assertMatch(await askAsOther(it.url, "GET /", UPGRADE + protocol), /^HTTP\/1\.1 403 /);
    }
    assertEquals(it.daemon.refusals.user, requests.length + 5);
    await assertServes(it.url);
    assertEquals(await statusOf(fetch(new URL("/health", it.http))), 200);
  },
);

Deno.test("strangers who are refused use up nothing of the owner's", { ignore }, async () => {
  await using it = await testDaemon({ settings: { helloRate: 1, maxPending: 1 } });
  await Promise.all(Array.from({ length: 8 }, () => askAsOther(it.url, "GET /", UPGRADE)));
  await Promise.all(
    Array.from(
      { length: 20 },
      () => statusOf(fetch(new URL("/health", it.http), { headers: { "sec-fetch-site": "cross-site" } })),
    ),
  );
  assertEquals(it.daemon.refusals.rate, 0);
  await assertServes(it.url);
});

Deno.test("with a token its user is not asked, whoever shows it", { ignore }, async () => {
  await using it = await testDaemon({ settings: { token: "correct-horse" } });
  const bearer = (token: string) => `Authorization: Bearer ${token}\r\n`;
  assertMatch(await askAsOther(it.url, "GET /health", bearer("correct-horse")), /^HTTP\/1\.1 200 /);
  assertMatch(await askAsOther(it.url, "GET /health", bearer("wrong")), /^HTTP\/1\.1 401 /);
});

Deno.test(
  "EXAI_WS_PEERS=any lets every user in, but none to the files the owner works on",
  { ignore },
  async () => {
    const odd = new OddServer();
    await using it = await testDaemon({ servers: [odd], settings: { peers: "any" } });
    assertMatch(await askAsOther(it.url, "GET /health"), /^HTTP\/1\.1 200 /);
    const held = odd.nextHold();
    const frames = [{ op: "hello", cwd: it.home }, { op: "call_tool", request_id: 1, name: "hold" }];
    const said = socketAsOther(it.url, frames, "released");
    const { caller } = await held;
    assertEquals([caller.cwd, caller.namedDirs], [undefined, "none"]);
    odd.release.resolve();
    assertMatch(await said, /hello_ack/);
    using own = await RawClient.hello(it.url, { cwd: it.home });
    const again = odd.nextHold();
    own.send({ op: "call_tool", request_id: 2, name: "hold" });
    assertEquals((await again).caller.namedDirs, "read");
    await own.close();
  },
);

Deno.test(
  "other users who are let in see and change nothing of the owner's threads, calls and configuration",
  { ignore },
  async () => {
    await using it = await testDaemon({ settings: { peers: "any" } });
    const paths = [
      ["GET", "/threads"],
      ["GET", "/threads/show?id=x"],
      ["POST", "/threads/delete?id=x"],
      ["GET", "/calls"],
      ["GET", "/status"],
      ["GET", "/metrics"],
      ["GET", "/calls/follow"],
      ["GET", "/calls/export"],
      ["POST", "/cancel?id=x"],
      ["POST", "/kill?what=session&id=x"],
      ["POST", "/reload"],
      ["POST", "/token/rotate"],
    ] as const;
    for (const [method, path] of paths) {
      assertMatch(await askAsOther(it.url, `${method} ${path}`), /^HTTP\/1\.1 403 .*"FORBIDDEN"/s, path);
      const said = await socketAsOther(it.url, [{ op: "request", method, path }], '"status":403');
      assertMatch(said, /"status":403/, path);
    }
    assertEquals(await statusOf(fetch(new URL("/threads", it.http))), 200);
  },
);

Deno.test("another user does not get an HTTP session by its id", { ignore }, async () => {
  await using it = await testDaemon({ settings: { peers: "any" } });
  const mine = await RawHttp.open(`${it.http}mcp`);
  const headers = Object.entries(mine.headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}';
  const { hostname, port, host } = new URL(it.url);
  const post = `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${headers}` +
    `Content-Length: ${ping.length}\r\n\r\n${ping}`;
  assertMatch(await talkAsOther({ hostname, port: Number(port) }, post), /^HTTP\/1\.1 404 /);
  assertMatch(await askAsOther(it.url, "GET /mcp", headers), /^HTTP\/1\.1 404 /);
  assertMatch(await askAsOther(it.url, "DELETE /mcp", headers), /^HTTP\/1\.1 404 /);
  assertEquals(await statusOf(mine.post({ id: 2, method: "ping" })), 200);
});

/** Binds a socket at the path it is given, tells the modes on the way as JSON, and holds the socket until its input ends. */
const BIND = `
import { bindPrivately } from ${
  JSON.stringify(new URL("../../lib/edge/socket_file.ts", import.meta.url).href)
};
const [path] = Deno.args;
const modeOf = (path) => Deno.statSync(path).mode & 0o777;
let atFirst;
bindPrivately(path, () => {
  const listener = Deno.listen({ transport: "unix", path });
  atFirst = modeOf(path);
  return listener;
});
Deno.writeTextFileSync(path + ".after", "");
console.log(JSON.stringify({ atFirst, then: modeOf(path), after: modeOf(path + ".after") }));
await Deno.stdin.readable.pipeTo(new WritableStream());
`;

// In a process of its own: the umask belongs to the process, and the runner's other threads bind sockets too.
Deno.test("the socket lets no other user connect, and never has", { ignore: !onUnix }, async () => {
  const dir = await Deno.makeTempDir();
  await Deno.chmod(dir, 0o755);
  const path = join(dir, "it");
  const script = join(dir, "bind.ts");
  await Deno.writeTextFile(script, BIND);
  const config = fromFileUrl(new URL("../../deno.json", import.meta.url));
  const run = [Deno.execPath(), "run", "-A", "--no-check", "--config", config, script, path];
  const args = ["-c", 'umask 022; exec "$@"', "sh", ...run];
  const child = new Deno.Command("sh", { args, stdin: "piped", stdout: "piped" }).spawn();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { atFirst, then, after } = JSON.parse((await lines.read()).value ?? "");
  assertEquals(atFirst & 0o077, 0, "between being made and being made private");
  assertEquals(then, 0o600);
  assertEquals(after, 0o644, "the umask is as it was");
  if (canBeOther) assertMatch(await talkAsOther({ hostname: path, port: 0 }, ""), /PermissionError/);
  await child.stdin.close();
  await lines.cancel();
  await child.status;
  await Deno.remove(dir, { recursive: true });
});

Deno.test("a socket where other users may put theirs is refused", { ignore: !onUnix }, async () => {
  const base = await Deno.makeTempDir();
  const shared = join(base, "shared");
  const below = join(shared, "mine");
  await Deno.mkdir(below, { recursive: true });
  const at = (socket: string) => testDaemon({ settings: { socket } });
  for (const mode of [0o777, 0o1777, 0o770]) {
    await Deno.chmod(shared, mode);
    await assertRejects(() => at(join(shared, "it.sock")), ExaiError, "other users may write");
  }
  await Deno.chmod(shared, 0o777);
  await assertRejects(() => at(join(below, "it.sock")), ExaiError, "which leads to it");
  await Deno.chmod(shared, 0o1777);
  {
    await using it = await at(join(below, "it.sock"));
    assertEquals(it.daemon.socket, join(below, "it.sock"));
  }
  await Deno.remove(base, { recursive: true });
});

Deno.test("where the system does not say whose a connection is, a token is needed", async () => {
  const blind = { ofPeer: () => ({ kind: "unknown" }) as const };
  const check = (settings: Pick<Settings, "token" | "peers">) => checkPeers(settings, blind);
  const error = await assertRejects(() => check({ token: "", peers: "own" }), ExaiError);
  assertEquals(error.code, "CONFIG");
  assertMatch(error.message, /EXAI_WS_TOKEN=auto.*EXAI_WS_PEERS=any/);
  await check({ token: "auto", peers: "own" });
  await check({ token: "", peers: "any" });
});

Deno.test("in a namespace that shows every user as one the daemon does not start without a token", {
  ignore,
}, async () => {
  const home = await Deno.makeTempDir();
  const daemon = (...args: string[]) =>
    new Deno.Command("unshare", {
      args: [
        "--user",
        Deno.execPath(),
        "run",
        "-A",
        "--no-check",
        new URL("../../daemon.ts", import.meta.url).pathname,
      ]
        .concat(args),
      env: { EXAI_HOME: home, XDG_RUNTIME_DIR: home, EXAI_WS_PORT: "0", ENV_FILE: "" },
    }).output();
  const { code, stderr, stdout } = await daemon();
  const said = new TextDecoder().decode(stderr) + new TextDecoder().decode(stdout);
  assertEquals(code, 1, said);
  assertMatch(said, /does not say which user.*EXAI_WS_TOKEN=auto/s);
  await Deno.remove(home, { recursive: true });
});

Deno.test("an address by any name that other machines can reach is refused without token and TLS", async () => {
  const settings = (host: string) => ({ host, token: "", tlsCert: "" });
  for (
    const host of ["127.0.0.1", "127.9.9.9", "localhost", "LOCALHOST", "::1", "[::1]", "::ffff:127.0.0.1"]
  ) {
    checkExposure(settings(host));
  }
  const exposed = [
    "0.0.0.0",
    "::",
    "[::]",
    "0",
    "0x7f.1",
    "127.1",
    "2130706433",
    "127.999.1.1",
    "::ffff:0.0.0.0",
  ];
  for (const host of [...exposed, "::ffff:10.0.0.1", "10.0.0.1", "127.0.0.1.example", "localhost."]) {
    assertEquals(messageOf(() => checkExposure(settings(host))).includes("other machines"), true, host);
  }
  for (const host of ["0", "::ffff:0.0.0.0", "[::]"]) {
    const { code, stderr } = await runDaemon({ env: { EXAI_WS_HOST: host } });
    assertEquals(code, 1);
    assertMatch(stderr, /other machines can reach/);
  }
});

Deno.test("localhost is checked by what the system makes of it", () => {
  const settings = { host: "localhost", token: "", tlsCert: "" };
  checkBoundAddress("127.0.0.1", settings);
  checkBoundAddress("::1", settings);
  assertMatch(messageOf(() => checkBoundAddress("10.0.0.1", settings)), /localhost \(here 10\.0\.0\.1\)/);
  checkBoundAddress("10.0.0.1", { ...settings, token: "auto", tlsCert: "/cert" });
});

Deno.test("an IPv6 address may be written in brackets", () => {
  const { settings } = loadSettings({ args: [], env: { EXAI_WS_HOST: "[::1]", ENV_FILE: "" } });
  assertEquals(settings.host, "::1");
});

function messageOf(work: () => void): string {
  try {
    work();
    return "";
  } catch (thrown) {
    return (thrown as Error).message;
  }
}
