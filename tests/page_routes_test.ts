import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { defaultSettings } from "../lib/config/load.ts";
import { pageCommand } from "../lib/commands/page.ts";
import { outcomeOf } from "./helpers/command.ts";
import { testDaemon } from "./helpers/daemon.ts";

const TOKEN = "a-token-of-this-test-0123456789";

/** A request as the browser sends it for the page itself. */
function ask(http: string, path: string, init: RequestInit & { cookie?: string } = {}): Promise<Response> {
  const headers = { "sec-fetch-site": "same-origin", ...(init.cookie ? { cookie: init.cookie } : {}) };
  return fetch(new URL(path, http), {
    redirect: "manual",
    ...init,
    headers: { ...headers, ...init.headers },
  });
}

async function statusOf(asked: Promise<Response>): Promise<number> {
  const response = await asked;
  await response.body?.cancel();
  return response.status;
}

async function cookieFor(http: string, token: string): Promise<string> {
  const response = await ask(http, "/page/session", { method: "POST", body: token });
  await response.body?.cancel();
  assertEquals(response.status, 200);
  const cookie = response.headers.get("set-cookie")!;
  assertMatch(cookie, /^exai-page-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/);
  return cookie.split(";")[0]!;
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

Deno.test("a browser is signed in by the token, and its cookie opens what the page shows and nothing else", async () => {
  await using it = await testDaemon({ settings: { token: TOKEN } });
  assertEquals(await statusOf(ask(it.http, "/status")), 401);
  assertEquals(await statusOf(ask(it.http, "/page/session", { method: "POST", body: "wrong" })), 401);
  const cookie = await cookieFor(it.http, TOKEN);
  assertEquals(await statusOf(ask(it.http, "/status", { cookie })), 200);
  assertEquals(await statusOf(ask(it.http, "/watch", { cookie })), 200);
  assertEquals(await statusOf(ask(it.http, "/reload", { method: "POST", cookie })), 200);
  assertEquals(await statusOf(ask(it.http, "/status", { cookie: cookie.slice(0, -1) })), 401);
  assertEquals(await statusOf(ask(it.http, "/mcp", { method: "POST", cookie, body: "{}" })), 401);
  // A page of the same host on another port, and a program that has the cookie and says nothing of where it is.
  for (const headers of [{ "sec-fetch-site": "same-site" }, { "sec-fetch-site": "none" }]) {
    assertEquals(await statusOf(ask(it.http, "/reload", { method: "POST", cookie, headers })), 403);
  }
});

Deno.test("a rotation signs every browser out but the one that asked for it", async () => {
  await using it = await testDaemon({ settings: { token: "auto" } });
  const token = (await Deno.readTextFile(`${it.home}/token`)).trim();
  const [one, other] = [await cookieFor(it.http, token), await cookieFor(it.http, token)];
  const rotated = await ask(it.http, "/token/rotate", { method: "POST", cookie: one });
  assertEquals(rotated.status, 200);
  await rotated.body?.cancel();
  const next = rotated.headers.get("set-cookie")!.split(";")[0]!;
  assertNotEquals(next, one);
  assertEquals(await statusOf(ask(it.http, "/status", { cookie: next })), 200);
  for (const cookie of [one, other]) assertEquals(await statusOf(ask(it.http, "/status", { cookie })), 401);
});

Deno.test("exai-daemon page gives an address that signs a browser in once", async () => {
  await using it = await testDaemon({ settings: { token: TOKEN } });
  const settings = defaultSettings({ home: it.home, port: Number(new URL(it.http).port), token: TOKEN });
  const { json } = await outcomeOf(pageCommand, [], { settings, switches: new Set(["print"]) });
  const { link, url } = json as { link: string; url: string };
  assertEquals(url, it.http);
  const first = await fetch(link, { redirect: "manual" });
  await first.body?.cancel();
  assertEquals([first.status, first.headers.get("location")], [303, "/"]);
  const cookie = first.headers.get("set-cookie")!.split(";")[0]!;
  assertEquals(await statusOf(ask(it.http, "/status", { cookie })), 200);
  const second = await fetch(link, { redirect: "manual" });
  await second.body?.cancel();
  assertEquals([second.status, second.headers.get("set-cookie")], [303, null]);
});
