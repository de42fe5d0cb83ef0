import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { authFetch, AuthServerError } from "../lib/auth/oauth/auth_fetch.ts";
import type { DeviceAccount } from "../lib/auth/login/device_login.ts";
import { PendingLogins } from "../lib/auth/pending_logins.ts";
import * as oauth from "oauth4webapi";

type Answer = { status?: number; json?: unknown; text?: string; location?: string } | "broken";

const pending: Exclude<Answer, "broken"> = { status: 400, json: { error: "authorization_pending" } };
const granted: Answer = { json: { access_token: "access", token_type: "bearer", refresh_token: "refresh" } };

/** An account whose authorization server answers the questions for its token with `answers`, one after another. */
function deviceAccount(answers: Answer[], begun: Record<string, unknown> = {}, offers = true) {
  const asked: URLSearchParams[] = [];
  const kept: oauth.TokenEndpointResponse[] = [];
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async (request) => {
    const { pathname, origin } = new URL(request.url);
    asked.push(new URLSearchParams(await request.text()));
    if (pathname === "/device") {
      const page = `${origin}/page`;
      return Response.json({
        device_code: "device",
        user_code: "ABCD-EFGH",
        verification_uri: page,
        verification_uri_complete: `${page}?code=ABCD-EFGH`,
        expires_in: 600,
        interval: 0.01,
        ...begun,
      });
    }
    const answer = answers.shift() as Exclude<Answer, "broken"> | undefined ?? pending;
    const { status = 200, json, text, location } = answer;
    if (location) return new Response(null, { status: 307, headers: { location } });
    return text === undefined ? Response.json(json, { status }) : new Response(text, { status });
  });
  const issuer = `http://127.0.0.1:${server.addr.port}`;
  const fetchOnce = authFetch("http://127.0.0.1:1/mcp");
  const fetch = (url: string, init: RequestInit) => {
    if (answers[0] !== "broken") return fetchOnce(url, init);
    answers.shift();
    return Promise.reject(new AuthServerError("it cannot be reached", { cause: new TypeError("reset") }));
  };
  const account: DeviceAccount = {
    id: { resource: "http://127.0.0.1:1/mcp", name: "default" },
    deviceClient: () =>
      Promise.resolve({
        server: {
          issuer,
          token_endpoint: `${issuer}/token`,
          ...(offers ? { device_authorization_endpoint: `${issuer}/device` } : {}),
        },
        client: { client_id: "exai" },
        clientAuth: oauth.None(),
        resource: "http://127.0.0.1:1/mcp",
        scope: "files:read",
        fetch: fetch as typeof globalThis.fetch,
        keep: (tokens: oauth.TokenEndpointResponse) => (kept.push(tokens), Promise.resolve()),
      }),
  };
  return { account, asked, kept, issuer, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("a code is shown until somebody has typed it in, and then the tokens are kept", async () => {
  await using it = deviceAccount([pending, "broken", pending, granted]);
  await using logins = new PendingLogins();
  const login = await logins.beginDevice({ account: it.account, server: "files" });
  assertEquals(login.prompt, {
    kind: "device",
    url: `${it.issuer}/page`,
    code: "ABCD-EFGH",
    completeUrl: `${it.issuer}/page?code=ABCD-EFGH`,
  });
  assertEquals(await logins.beginDevice({ account: it.account, server: "files" }), login);
  await login.done;
  assertEquals(it.kept.map(({ access_token: token }) => token), ["access"]);
  const [begun, ...polls] = it.asked;
  assertEquals(Object.fromEntries(begun!), {
    client_id: "exai",
    resource: "http://127.0.0.1:1/mcp",
    scope: "files:read",
  });
  assertEquals(polls.length, 3);
  for (const poll of polls) {
    assertEquals([poll.get("device_code"), poll.get("resource")], ["device", "http://127.0.0.1:1/mcp"]);
  }
});

Deno.test("a code is waited for while the authorization server is down or has too much to do", async () => {
  const down: Answer = { status: 502, text: "<html>bad gateway</html>" };
  await using it = deviceAccount([down, { status: 429, text: "later" }, pending, granted]);
  await using logins = new PendingLogins();
  const login = await logins.beginDevice({ account: it.account, server: "files" });
  await login.done;
  assertEquals([it.kept.length, it.asked.length], [1, 5]);
});

Deno.test("a code that no entry of mcp.json is for any more signs nobody in", async () => {
  await using it = deviceAccount([pending, granted]);
  await using logins = new PendingLogins({ isWanted: ({ id }) => id !== it.account.id });
  const login = await logins.beginDevice({ account: it.account, server: "files" });
  await assertRejects(() => login.done, ExaiError, 'server "files" in mcp.json has changed meanwhile');
  assertEquals(it.kept, []);
});

Deno.test("a code is shown whatever is written for its times", async () => {
  for (const times of [{ expires_in: "900", interval: "0.01" }, { expires_in: undefined }]) {
    await using it = deviceAccount([granted], times);
    await using logins = new PendingLogins();
    const login = await logins.beginDevice({ account: it.account, server: "files" });
    await login.done;
    assertEquals(it.kept.length, 1);
  }
  for (const interval of [0, -1, "soon", null]) {
    await using it = deviceAccount([], { interval, expires_in: 0.06 });
    await using logins = new PendingLogins();
    const login = await logins.beginDevice({ account: it.account, server: "files" });
    await assertRejects(() => login.done, ExaiError, "nobody has signed in within 1 s; begin again");
    // Not asked before the time is up that is waited where none is told.
    assertEquals(it.asked.length, 1);
  }
});

const ENDS: [string, Answer, RegExp][] = [
  ["declined", { status: 400, json: { error: "access_denied" } }, /it was declined/],
  ["late", { status: 400, json: { error: "expired_token" } }, /the code has expired; begin again/],
  ["refused", { status: 400, json: { error: "invalid_client" } }, /it was refused \(invalid_client\)/],
  ["redirected", { location: "https://elsewhere.example/token" }, /redirect/],
  ["a page", { text: "<html>down</html>" }, /http:.*\(HTTP 200\)/],
  ["not found", { status: 404, text: "gone" }, /http:.*\(HTTP 404\)/],
];
for (const [name, answer, why] of ENDS) {
  Deno.test(`a login on a device ends where the answer is: ${name}`, async () => {
    await using it = deviceAccount([pending, answer, granted]);
    await using logins = new PendingLogins();
    const login = await logins.beginDevice({ account: it.account, server: "files" });
    const { message } = await assertRejects(() => login.done, ExaiError);
    assertMatch(message, why);
    assertEquals(it.kept, []);
  });
}

Deno.test("a login on a device begins only where that is offered, on a page that may be opened", async () => {
  await using logins = new PendingLogins();
  await using without = deviceAccount([], {}, false);
  const begin = (account: DeviceAccount) => logins.beginDevice({ account, server: "files" });
  await assertRejects(
    () => begin(without.account),
    ExaiError,
    "does not offer to sign in from another device",
  );
  await using odd = deviceAccount([], { verification_uri: "file:///etc/passwd" });
  await assertRejects(() => begin(odd.account), ExaiError, "not opened");
});

Deno.test("a login on a device is asked for no more once it is over", async () => {
  await using it = deviceAccount([]);
  const logins = new PendingLogins({ timeoutMs: 60 });
  const login = await logins.beginDevice({ account: it.account, server: "files" });
  await assertRejects(() => login.done, ExaiError, "nobody has signed in");
  await logins[Symbol.asyncDispose]();
  const before = it.asked.length;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assertEquals(it.asked.length - before <= 1, true);
});
