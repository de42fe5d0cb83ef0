// What is said to authorization servers: how long that may take, how much is read, how often it is sent, and where to.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { authFetch, AuthServerError, TOKEN_REQUEST_MS } from "../lib/auth/oauth/auth_fetch.ts";
import { MINUTE_MS, SECOND_MS } from "../lib/base/units.ts";
import { BreakingServer } from "./helpers/breaking_server.ts";
import { failure, Rig } from "./helpers/oauth_rig.ts";

/** Has limits of up to `ms` end at once, and those that are longer as ever. */
function hurriedLimits(ms: number): Disposable {
  const real = AbortSignal.timeout;
  AbortSignal.timeout = (limitMs) => real.call(AbortSignal, limitMs <= ms ? 1 : limitMs);
  return { [Symbol.dispose]: () => void (AbortSignal.timeout = real) };
}

/** A server of answers, which is reached at `url`. */
function serve(answer: () => Response | Promise<Response>) {
  let asked = 0;
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, () => {
    asked++;
    return answer();
  });
  const url = `http://127.0.0.1:${server.addr.port}/`;
  return { url, asked: () => asked, [Symbol.asyncDispose]: () => server.shutdown() };
}

Deno.test("a token endpoint may take two minutes, as who hangs up before loses the login", async () => {
  assert(TOKEN_REQUEST_MS >= 2 * MINUTE_MS);
  await using rig = new Rig({ rotates: true });
  await rig.login();
  rig.auth.expire();
  rig.auth.script.token = async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return undefined;
  };
  using _ = hurriedLimits(TOKEN_REQUEST_MS - 1);
  // What the server publishes is not found out in that time, which is no reason not to renew.
  await rig.call();
  assertEquals([rig.auth.replayed, rig.events], [[], ["signed in"]]);
});

Deno.test("an authorization server that does not answer is waited for 20 s, and for its tokens not for ever", async () => {
  const held = Promise.withResolvers<Response>();
  await using server = serve(() => held.promise);
  const fetch = authFetch(server.url);
  for (
    const [init, limitMs] of [
      [{}, 20 * SECOND_MS],
      [{ method: "POST", body: "{}" }, 20 * SECOND_MS],
      [{ method: "POST", body: new URLSearchParams({ grant_type: "refresh_token" }) }, TOKEN_REQUEST_MS],
    ] as const
  ) {
    using _ = hurriedLimits(limitMs);
    const within = `did not answer within ${limitMs / SECOND_MS} s`;
    await assertRejects(() => fetch(server.url, init), AuthServerError, within);
  }
  held.resolve(new Response());
});

Deno.test("an answer of more than 1 MiB is not read, however right it is", async () => {
  await using server = serve(() => new Response(`{"issuer":"x"}${" ".repeat(1_100_000)}`));
  const response = await authFetch(server.url)(server.url);
  await assertRejects(() => response.json(), AuthServerError, "more than 1 MiB");
});

Deno.test("a token is sent once, also where a connection breaks that was kept", async () => {
  const sent = "grant_type=refresh_token&refresh_token=worth-once";
  await using server = new BreakingServer({ answer: (body) => body === sent ? undefined : {} });
  const fetch = authFetch(server.url);
  await (await fetch(server.url, { method: "POST", body: "first" })).json();
  await assertRejects(() => fetch(server.url, { method: "POST", body: new URLSearchParams(sent) }));
  assertEquals([server.connections, server.bodies], [1, ["first", sent]]);
});

Deno.test("a server elsewhere cannot have requests sent to this machine, and nothing goes in the clear", async () => {
  await using server = serve(() => new Response());
  const elsewhere = authFetch("https://far.example/mcp");
  await assertRejects(() => elsewhere(server.url), AuthServerError, "not reached over https");
  assertEquals(server.asked(), 0);
  await (await authFetch("http://localhost/mcp")(server.url)).body?.cancel();
  const here = authFetch(server.url);
  await assertRejects(() => here("http://far.example/"), AuthServerError, "not reached over https");
  await using rig = new Rig({ resourceMetadata: { authorization_servers: ["http://auth.example"] } });
  assert((await failure(() => rig.login())).message.includes("auth.example is not reached over https"));
});
