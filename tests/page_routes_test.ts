import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { HOUR_MS, MINUTE_MS } from "../lib/base/units.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { pageCommand } from "../lib/commands/page.ts";
import { PageSessions } from "../lib/edge/page_sessions.ts";
import { PAGE_FILES } from "../lib/page/files.ts";
import { servedPage } from "../lib/page/routes.ts";
import { outcomeOf } from "./helpers/command.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";

const TOKEN = "a-token-of-this-test-0123456789";

interface Asked extends RequestInit {
  /** The key of the page's session. */
  key?: string;
}

/** A request as the browser sends it for the page itself. */
function ask(http: string, path: string, { key, headers, ...init }: Asked = {}): Promise<Response> {
  const own = { "sec-fetch-site": "same-origin", ...(key === undefined ? {} : { "x-exai-page": key }) };
  return fetch(new URL(path, http), { redirect: "manual", ...init, headers: { ...own, ...headers } });
}

async function statusOf(asked: Promise<Response>): Promise<number> {
  const response = await asked;
  await response.body?.cancel();
  return response.status;
}

/** Signs a page in by the token, or by a code. */
async function keyFor(http: string, secret: string, path = "/page/session"): Promise<string> {
  const response = await ask(http, path, { method: "POST", body: secret });
  assertEquals([response.status, response.headers.get("set-cookie")], [200, null]);
  assertEquals(response.headers.get("cache-control"), "no-store");
  const { page_session: key } = await response.json();
  assertMatch(key, /^[\w-]{43}$/);
  return key;
}

Deno.test("the page is served without the token, loads nothing from elsewhere, and a browser asks only once for it", async () => {
  await using it = await testDaemon({ settings: { token: TOKEN } });
  for (
    const [path, type] of [["/", "text/html"], ["/page.css", "text/css"], ["/page.js", "text/javascript"]]
  ) {
    const response = await ask(it.http, path!);
    assertEquals(response.status, 200, path);
    assert(response.headers.get("content-type")!.startsWith(type!));
    assertMatch(response.headers.get("content-security-policy")!, /^default-src 'none'; script-src 'self'; /);
    assertEquals(response.headers.get("x-content-type-options"), "nosniff");
    assertEquals(response.headers.get("referrer-policy"), "no-referrer");
    assert((await response.text()).length > 100);
    const etag = response.headers.get("etag")!;
    assertEquals(await statusOf(ask(it.http, path!, { headers: { "if-none-match": etag } })), 304);
  }
  const opened = {
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
  };
  assertEquals(await statusOf(ask(it.http, "/", { headers: opened })), 200);
  assertEquals(await statusOf(ask(it.http, "/status", { headers: opened })), 403);
  assertEquals(
    await statusOf(ask(it.http, "/", { headers: { ...opened, "sec-fetch-dest": "iframe" } })),
    403,
  );
});

Deno.test("a file of the page that could not be loaded is loaded when it is asked for again", async () => {
  const file = PAGE_FILES["/page.css"]!;
  const { load } = file;
  try {
    let isLow = true;
    file.load = () => isLow ? Promise.reject(new Error("no file handle is left")) : load();
    const { openRoutes } = servedPage({ required: false, current: "", isCurrent: () => false });
    const get = async () =>
      await openRoutes.get("/page.css")!(new Request("http://h/page.css"), { isOwner: true });
    await assertRejects(get, Error, "no file handle");
    isLow = false;
    assertEquals((await get()).status, 200);
  } finally {
    file.load = load;
  }
});

Deno.test("a page is signed in by the token, and its key opens what the page shows and nothing else", async () => {
  await using it = await testDaemon({ settings: { token: TOKEN } });
  assertEquals(await statusOf(ask(it.http, "/status")), 401);
  assertEquals(await statusOf(ask(it.http, "/page/session", { method: "POST", body: "wrong" })), 401);
  const key = await keyFor(it.http, TOKEN);
  assertEquals(await statusOf(ask(it.http, "/status", { key })), 200);
  assertEquals(await statusOf(ask(it.http, "/watch", { key })), 200);
  assertEquals(await statusOf(ask(it.http, "/reload", { method: "POST", key })), 200);
  assertEquals(await statusOf(ask(it.http, "/status", { key: key.slice(0, -1) })), 401);
  assertEquals(await statusOf(ask(it.http, "/status", { key: TOKEN })), 401);
  assertEquals(await statusOf(ask(it.http, "/mcp", { method: "POST", key, body: "{}" })), 401);
});

Deno.test("what a browser sends by itself signs nobody in: no cookie, no address", async () => {
  await using it = await testDaemon({ settings: { token: TOKEN } });
  const key = await keyFor(it.http, TOKEN);
  const { port } = new URL(it.http);
  for (const name of ["x-exai-page", `exai-page-${port}`, "page_session"]) {
    assertEquals(await statusOf(ask(it.http, "/status", { headers: { cookie: `${name}=${key}` } })), 401);
    assertEquals(await statusOf(ask(it.http, `/status?${name}=${key}`)), 401);
  }
  // A page on another port of the same host: its browser asks first whether it may send the header.
  const other = { "sec-fetch-site": "same-site", origin: "http://127.0.0.1:1" };
  assertEquals(await statusOf(ask(it.http, "/status", { key, headers: other })), 403);
  const asking = { "access-control-request-method": "POST", "access-control-request-headers": "x-exai-page" };
  assertEquals(
    await statusOf(ask(it.http, "/reload", { method: "OPTIONS", headers: { ...other, ...asking } })),
    403,
  );
});

Deno.test("a rotation signs every page out, also one that reads, but the one that asked for it", async () => {
  await using it = await testDaemon({ settings: { token: "auto" } });
  const token = (await Deno.readTextFile(`${it.home}/token`)).trim();
  const [one, other] = [await keyFor(it.http, token), await keyFor(it.http, token)];
  const watched = (await ask(it.http, "/watch", { key: other })).body!.getReader();
  await watched.read();
  const rotated = await ask(it.http, "/token/rotate", { method: "POST", key: one });
  const { page_session: next } = await rotated.json();
  assertNotEquals(next, one);
  assertEquals(await statusOf(ask(it.http, "/status", { key: next })), 200);
  for (const key of [one, other]) assertEquals(await statusOf(ask(it.http, "/status", { key })), 401);
  while (!(await watched.read()).done);
});

Deno.test("a token that was replaced signs no page in, also while it still opens connections", async () => {
  await using it = await testDaemon({ settings: { token: "auto" } });
  const old = (await Deno.readTextFile(`${it.home}/token`)).trim();
  const headers = { authorization: `Bearer ${old}` };
  assertEquals(await statusOf(ask(it.http, "/token/rotate", { method: "POST", headers })), 200);
  assertEquals(await statusOf(ask(it.http, "/status", { headers })), 200);
  const refused = await ask(it.http, "/page/session", { method: "POST", body: old });
  assertEquals(refused.status, 401);
  assertMatch(
    (await refused.json()).error.message,
    /^this is not the daemon's token, or no longer; exai-daemon token show/,
  );
  assertEquals(await statusOf(ask(it.http, "/page/code", { method: "POST", headers })), 401);
  const token = (await Deno.readTextFile(`${it.home}/token`)).trim();
  const current = { authorization: `Bearer ${token}` };
  assertEquals(await statusOf(ask(it.http, "/page/code", { method: "POST", headers: current })), 200);
});

Deno.test("exai-daemon page gives an address that signs a page in once, and sends its code to nobody", async () => {
  await using it = await testDaemon({ settings: { token: TOKEN, helloRate: 1 } });
  const settings = defaultSettings({ home: it.home, port: Number(new URL(it.http).port), token: TOKEN });
  const { json } = await outcomeOf(pageCommand, [], { settings, switches: new Set(["print"]) });
  const { link, url } = json as { link: string; url: string };
  assertEquals(url, it.http);
  const { pathname, search, hash } = new URL(link);
  assertEquals([pathname, search], ["/", ""]);
  const code = /^#code=([\w-]{43})$/.exec(hash)![1]!;
  const key = await keyFor(it.http, code, "/page/open");
  assertEquals(await statusOf(ask(it.http, "/status", { key })), 200);
  // No wrong token: whoever opens the address again is not held back.
  for (let n = 0; n < 20; n++) {
    assertEquals(await statusOf(ask(it.http, "/page/open", { method: "POST", body: code })), 403);
  }
});

Deno.test("sessions of pages are bounded in number and age, and codes in age", () => {
  using clock = new SteadyClock();
  const pages = new PageSessions({ current: TOKEN });
  const keys = Array.from({ length: 65 }, () => pages.begin());
  assertEquals(keys.map((key) => pages.accepts(key)).indexOf(true), 1, "the one used longest ago made room");
  assertEquals([keys[0], keys[64]].map((key) => pages.accepts(key!)), [false, true]);
  const [left, used] = [keys[1]!, keys[2]!];
  for (let day = 1; day <= 8; day++) {
    clock.pass(24 * HOUR_MS - 1);
    assertEquals(pages.accepts(used), day <= 7, `after ${day} days`);
  }
  assertEquals(pages.accepts(left), false);
  const code = pages.createCode();
  clock.pass(2 * MINUTE_MS);
  assertEquals(pages.redeem(code), false);
});
