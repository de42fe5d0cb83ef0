import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { loadClientTls } from "../../lib/config/tls.ts";
import { assertServes, testDaemon } from "../helpers/daemon.ts";
import { runDaemon } from "../helpers/program.ts";
import { doorsOf, statusAt, statusOn } from "../helpers/raw_head.ts";
import { connectRaw } from "../helpers/raw_socket.ts";

/** Headers that make no WebSocket, on top of good ones; empty: left out. */
const UPGRADES: [what: string, headers: Record<string, string>, statuses: number[]][] = [
  ["a subprotocol twice", { "Sec-WebSocket-Protocol": "mcp,mcp" }, [400]],
  ["a subprotocol twice, apart", { "Sec-WebSocket-Protocol": "mcp, mcp" }, [400]],
  ["a foreign Host with it", { "Host": "evil.example", "Sec-WebSocket-Protocol": "mcp,mcp" }, [403]],
  ["no name of a subprotocol", { "Sec-WebSocket-Protocol": "mcp, b@d (" }, [400]],
  ["commas for subprotocols", { "Sec-WebSocket-Protocol": ",," }, [400]],
  ["a Host with a space", { "Host": "a b" }, [400, 403]],
  ["a Host without its bracket", { "Host": "[::1" }, [400, 403]],
  ["a Host with a port too high", { "Host": "127.0.0.1:99999" }, [400, 403]],
  ["a Host with a broken escape", { "Host": "%zz" }, [400, 403]],
  ["no Host", { "Host": "" }, [400, 403]],
  ["no key", { "Sec-WebSocket-Key": "" }, [400]],
  ["a short key", { "Sec-WebSocket-Key": "x" }, [400]],
  ["two keys", { "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==, AAAAAAAAAAAAAAAAAAAAAA==" }, [400]],
  ["an old version", { "Sec-WebSocket-Version": "8" }, [426]],
  ["no version", { "Sec-WebSocket-Version": "" }, [426]],
  ["no Connection", { "Connection": "" }, [400]],
  ["a Connection that is kept", { "Connection": "keep-alive" }, [400]],
  ["more than a WebSocket", { "Upgrade": "websocket, h2c" }, [400]],
];

Deno.test("a request that makes no WebSocket is told so at every door, and the server goes on", async () => {
  const home = await Deno.makeTempDir();
  assertEquals((await runDaemon({ home, args: ["certs", "localhost"] })).code, 0);
  const pem = (name: string) => join(home, "certs", name);
  const tls = { tlsCert: pem("server.pem"), tlsKey: pem("server.key"), tlsClientCa: pem("ca.pem") };
  await using plain = await testDaemon();
  await using secure = await testDaemon({ settings: { ...tls, socket: "off" } });
  const client = await loadClientTls({
    tlsCa: pem("ca.pem"),
    tlsClientCert: pem("client.pem"),
    tlsClientKey: pem("client.key"),
  });
  const { hostname, port } = new URL(secure.url);
  const overTls = () =>
    Deno.connectTls({ ...client as Deno.ConnectTlsOptions, hostname, port: Number(port) });
  const ask = [
    ...doorsOf(plain).map((door) => (lines: string[]) => statusAt(door, lines)),
    async (lines: string[]) => {
      using conn = await overTls();
      return await statusOn(conn, lines);
    },
  ];
  const good = {
    Host: "localhost",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Version": "13",
  };
  const lines = (headers: Record<string, string>) =>
    Object.entries(headers).filter(([, value]) => value !== "").map(([name, value]) => `${name}: ${value}`);
  for (const [n, askOne] of ask.entries()) {
    for (const [what, headers, statuses] of UPGRADES) {
      const status = await askOne(["GET / HTTP/1.1", ...lines({ ...good, ...headers })]);
      assert(statuses.includes(status), `${what} at door ${n}: ${status}`);
    }
    assertEquals(await askOne(["POST / HTTP/1.1", ...lines(good)]) >= 400, true);
    assertEquals(await askOne(["GET http://[ HTTP/1.1", ...lines(good)]), 400);
    assertEquals(await askOne(["GET / HTTP/1.1", ...lines(good)]), 101, `door ${n} goes on`);
  }
  await assertServes(plain.url);
  await Deno.remove(home, { recursive: true });
});

Deno.test("subprotocols may be listed without spaces", async () => {
  await using it = await testDaemon();
  using socket = await connectRaw(it.url, { "Sec-WebSocket-Protocol": "other,mcp" });
  await socket.send('{"jsonrpc":"2.0","id":1,"method":"ping"}');
  assertMatch(await socket.readUntil('"id":1'), /"result":\{\}/);
});
