import { assertEquals, assertMatch } from "@std/assert";
import { parseLimit } from "../lib/admin/call_routes.ts";
import { assertServes, testDaemon } from "./helpers/daemon.ts";
import { RawHttp, statusOf } from "./helpers/http_client.ts";
import { doorsOf, statusAt } from "./helpers/raw_head.ts";

const SITE = "Sec-Fetch-Site";

/** What a browser says of how a request came about, and whether it is served. */
const FETCHES: [what: string, headers: string[], served: boolean][] = [
  [
    "an image of another site",
    [`${SITE}: cross-site`, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image"],
    false,
  ],
  [
    "a script of a sibling site",
    [`${SITE}: same-site`, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: script"],
    false,
  ],
  [
    "a frame of another site",
    [`${SITE}: cross-site`, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"],
    false,
  ],
  [
    "a link of another site",
    [`${SITE}: cross-site`, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"],
    false,
  ],
  ["a fetch of another site", [`${SITE}: cross-site`, "Sec-Fetch-Mode: cors"], false],
  ["a site nobody knows", [`${SITE}: elsewhere`], false],
  ["two sites at once", [`${SITE}: same-origin`, `${SITE}: cross-site`], false],
  ["nothing as a site", [`${SITE}: `], false],
  ["an image without its site", ["Sec-Fetch-Dest: image"], false],
  ["an address in a frame", [`${SITE}: none`, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe"], false],
  ["a page of another site that claims our origin", [`${SITE}: cross-site`, "Origin: http://HOST"], false],
  ["a link of a site on the list", [
    `${SITE}: cross-site`,
    "Sec-Fetch-Mode: navigate",
    "Origin: https://mine.example",
  ], false],
  ["a typed address", [`${SITE}: none`, "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"], true],
  [
    "a program built on a browser",
    [`${SITE}: none`, "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: empty"],
    true,
  ],
  ["our own page", [`${SITE}: same-origin`, "Sec-Fetch-Mode: cors"], true],
  ["a page of a site on the list", [
    `${SITE}: cross-site`,
    "Sec-Fetch-Mode: cors",
    "Origin: https://mine.example",
  ], true],
  ["Node.js", ["Sec-Fetch-Mode: cors"], true],
];

Deno.test("what a page of another site has a browser load is refused at every door, before anything is counted", async () => {
  await using it = await testDaemon({ settings: { allowedOrigins: ["https://mine.example"], helloRate: 1 } });
  const { host } = new URL(it.url);
  const upgrade = ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"];
  const key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==";
  for (const door of doorsOf(it)) {
    for (const [what, headers, served] of FETCHES) {
      const lines = [`Host: ${host}`, ...headers.map((line) => line.replace("HOST", host))];
      for (const path of ["/health", "/calls?limit=1", "/nowhere"]) {
        const status = await statusAt(door, [`GET ${path} HTTP/1.1`, ...lines]);
        assertEquals(status, !served ? 403 : path === "/nowhere" ? 404 : 200, `${what}: ${path}`);
      }
      if (what.includes("address")) continue;
      const socket = await statusAt(door, ["GET / HTTP/1.1", ...lines, ...upgrade, key]);
      assertEquals(socket, served ? 101 : 403, `${what}: a WebSocket`);
    }
    const post = ["POST /reload HTTP/1.1", `Host: ${host}`, "Content-Length: 0"];
    assertEquals(await statusAt(door, [...post, `${SITE}: none`, "Sec-Fetch-Mode: navigate"]), 403);
  }
  assertEquals([it.daemon.refusals.rate, it.daemon.refusals.token], [0, 0]);
  await assertServes(it.url);
});

Deno.test("a page that loads from the daemon with a wrong token is not counted as one that tries", async () => {
  await using it = await testDaemon({ settings: { token: "correct-horse", helloRate: 1 } });
  const ask = (headers: Record<string, string>) =>
    statusOf(fetch(new URL("/health?token=wrong", it.http), { headers }));
  for (let n = 0; n < 20; n++) assertEquals(await ask({ "sec-fetch-site": "cross-site" }), 403);
  assertEquals(await ask({}), 401, "and not 429");
});

Deno.test("no answer may be framed, guessed at, or had by a page as an image or a script", async () => {
  await using it = await testDaemon({ settings: { token: "correct-horse" } });
  const authorization = "Bearer correct-horse";
  const mcp = await RawHttp.open(`${it.http}mcp`, { authorization });
  const answers = [
    await fetch(new URL("/health", it.http), { headers: { authorization } }),
    await fetch(new URL("/health", it.http)),
    await fetch(new URL("/nowhere", it.http), { headers: { authorization } }),
    await fetch(new URL("/health", it.http), { headers: { origin: "https://evil.example" } }),
    await mcp.post({ id: 1, method: "ping" }),
    await mcp.post("no json"),
  ];
  for (const { headers, status, body } of answers) {
    const found = ["x-content-type-options", "cross-origin-resource-policy", "x-frame-options"]
      .map((name) => headers.get(name));
    assertEquals(found, ["nosniff", "same-origin", "DENY"], String(status));
    assertMatch(headers.get("content-security-policy") ?? "", /frame-ancestors 'none'/);
    await body?.cancel();
  }
});

Deno.test("a list of calls has a limit, and what is no limit or no time is refused", async () => {
  await using it = await testDaemon();
  const ask = (query: string) => fetch(new URL(`/calls?${query}`, it.http));
  for (
    const limit of ["0", "-1", "1e3", "abc", "", "10.5", "NaN", "9".repeat(400), "0x10"]
  ) {
    const response = await ask(`limit=${limit}`);
    assertEquals(response.status, 400, limit);
    assertMatch((await response.json()).error.message, /limit is .*; allowed: a whole number from 1/);
  }
  for (const since of ["abc", "", "Infinity", "2026-11-24"]) {
    assertEquals(await statusOf(ask(`since=${since}`)), 400, since);
    assertEquals(await statusOf(fetch(new URL(`/calls/follow?since=${since}`, it.http))), 400, since);
  }
  for (const [path, name] of [["/calls?outcom=failed", "outcom"], ["/calls/follow?server=a&tol=b", "tol"]]) {
    const response = await fetch(new URL(path!, it.http));
    assertEquals(response.status, 400, path);
    assertMatch(
      (await response.json()).error.message,
      new RegExp(`no "${name}" \\(did you mean (outcome|tool)\\?`),
    );
  }
  assertEquals(await statusOf(ask("limit=1000&since=0")), 200);
  const { searchParams } = new URL("http://localhost/?limit=100000");
  assertEquals(parseLimit(searchParams), 2000);
});
