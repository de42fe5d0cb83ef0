// Which client EXAI is to an authorization server, and to which of them that client's secret goes.

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { Accounts } from "../lib/auth/accounts.ts";
import { PendingLogins } from "../lib/auth/pending_logins.ts";
import { digestOfTokens, renewTokens } from "../lib/auth/oauth/renew.ts";
import type { OAuthConfig } from "../lib/config/server_config.ts";
import { CALLBACK, failure, Rig } from "./helpers/oauth_rig.ts";
import { ScriptedAuth, signIn } from "./helpers/scripted_auth.ts";

const metadata = { token_endpoint_auth_methods_supported: ["client_secret_post"] };

/** Names `next` as the authorization server from now on. */
function turnTo(rig: Rig, next: ScriptedAuth): void {
  rig.auth.script.resourceMetadata = { authorization_servers: [next.issuer] };
  rig.auth.expire();
}

function secretsAt({ tokenRequests }: ScriptedAuth) {
  return tokenRequests.map((it) => it.get("client_secret"));
}

Deno.test("the secret of a machine goes to the first authorization server, or to one that mcp.json names", async () => {
  const oauth: OAuthConfig = { grant: "client_credentials", clientId: "robot", clientSecret: "hush-hush" };
  await using rig = new Rig({ challenge: "run", metadata }, oauth);
  await using next = new ScriptedAuth({ metadata });
  await rig.call();
  turnTo(rig, next);
  rig.account.configure(rig.config);
  const error = await failure(() => rig.call());
  assertStringIncludes(error.message, `"issuer": "${next.issuer}"`);
  assertEquals([secretsAt(rig.auth), secretsAt(next)], [["hush-hush"], []]);
  const named = new Accounts({ store: rig.store }).of(rig.configOf({ ...oauth, issuer: next.issuer }));
  // The server does not take what that one gives.
  await rig.call(rig.endpointOf(named)).catch(() => {});
  assertEquals(new Set(secretsAt(next)), new Set(["hush-hush"]));
});

Deno.test("the client of mcp.json is not shown to another authorization server than the one it was used with", async () => {
  const oauth: OAuthConfig = { grant: "authorization_code", clientId: "mine", clientSecret: "hush-hush" };
  await using rig = new Rig({ metadata }, oauth);
  await using next = new ScriptedAuth({ metadata });
  await rig.login();
  turnTo(rig, next);
  assertStringIncludes((await failure(() => rig.login())).message, `"issuer": "${next.issuer}"`);
  assertEquals([next.authorizations.length, next.tokenRequests.length], [0, 0]);
  rig.account.configure(rig.configOf({ ...oauth, issuer: next.issuer }));
  const { authorizationUrl } = await rig.account.beginLogin({ redirectUrl: CALLBACK });
  await rig.account.finishLogin(await signIn(authorizationUrl));
  assertEquals(secretsAt(next), ["hush-hush"]);
});

Deno.test("a key in the URL of a server goes to no authorization server, and is in no name of an account", async () => {
  // As a server from before there was metadata of resources: its authorization server is at its own origin.
  await using rig = new Rig({ rotates: true, resourceMetadata: null });
  const url = `${rig.auth.issuer}/mcp?api_key=hush-hush`;
  const account = rig.accounts.of({ ...rig.config, url });
  const { authorizationUrl } = await account.beginLogin({ redirectUrl: CALLBACK });
  await account.finishLogin(await signIn(authorizationUrl));
  const kept = (await rig.store.read(account.id))!;
  const renewal = await renewTokens(rig.store, {
    id: account.id,
    oauth: undefined,
    seen: await digestOfTokens(kept),
  });
  assertEquals(renewal, { is: "renewed" });
  const named = [authorizationUrl.searchParams, ...rig.auth.tokenRequests].map((it) => it.get("resource"));
  assertEquals(named, Array(3).fill(`${rig.auth.issuer}/mcp`));
  assert(!JSON.stringify([kept, account.id]).includes("hush"));
  const other = rig.accounts.of({ ...rig.config, url: `${rig.auth.issuer}/mcp?api_key=another` });
  assertNotEquals(other.id, account.id);
});

Deno.test("a login on a device has a client that was registered for it, and one in a browser its own", async () => {
  await using rig = new Rig({ metadata: { device_authorization_endpoint: "http://127.0.0.1:1/device" } });
  await rig.login();
  const device = await rig.account.deviceClient();
  await device.keep({ access_token: "given", token_type: "bearer" });
  await rig.account.deviceClient();
  const [browser, onDevice, ...more] = rig.auth.registrations.map((it) => it.grant_types);
  assertEquals([browser, more], [["authorization_code", "refresh_token"], []]);
  assertEquals(onDevice, ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"]);
  assertEquals(device.client.client_id, "client-2");
});

Deno.test("of what a server sends only what is used is kept, and no more than a login has", async () => {
  const filler = "x".repeat(500_000);
  await using rig = new Rig({
    metadata: { filler },
    resourceMetadata: { filler },
    register: (body) => Response.json({ ...body, client_id: "c", filler }, { status: 201 }),
  });
  await rig.login();
  const size = JSON.stringify(await rig.store.read(rig.account.id)).length;
  assert(size < 3000, `${size}`);
  const scopes = Array(20_000).fill("read");
  const long = "x".repeat(17_000);
  const token = { access_token: "given", token_type: "bearer" };
  for (
    const [script, why] of [
      [{ metadata: { scopes_supported: scopes } }, "publishes more than 64 KiB"],
      [{ resourceMetadata: { scopes_supported: scopes } }, "publishes more than 64 KiB"],
      [
        { register: (body: object) => Response.json({ ...body, client_id: long }, { status: 201 }) },
        "more than 16 KiB",
      ],
      [{ token: () => Response.json({ ...token, access_token: long }) }, "a token of more than 16 KiB"],
      [{ token: () => Response.json({ ...token, refresh_token: long }) }, "a token of more than 16 KiB"],
    ] as const
  ) {
    await using large = new Rig(script as never);
    assertStringIncludes((await failure(() => large.login())).message, why);
    assertEquals(await large.store.read(large.account.id), undefined);
  }
  await using scoped = new Rig({ token: () => Response.json({ ...token, scope: long }), challenge: "read" });
  await scoped.login();
  assertEquals((await scoped.store.read(scoped.account.id))!.tokens!.scope, "read");
});

Deno.test("a client that is registered is told of its port, and is not registered anew at that", async () => {
  await using rig = new Rig();
  assertEquals(await rig.account.registeredPort(), undefined);
  await rig.login();
  assertEquals(await rig.account.registeredPort(), Number(new URL(CALLBACK).port));
  await rig.login();
  assertEquals(rig.auth.registrations.length, 1);
});

Deno.test("a login on a device works whatever signs what the server says of the person", async () => {
  await using device = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, () => {
    const [page, interval] = ["https://login.example/device", 0.01];
    return Response.json({
      device_code: "d",
      user_code: "u",
      verification_uri: page,
      expires_in: 600,
      interval,
    });
  });
  await using rig = new Rig({
    rotates: true,
    metadata: {
      device_authorization_endpoint: `http://127.0.0.1:${device.addr.port}/device`,
      id_token_signing_alg_values_supported: ["RS256", "ES256"],
    },
  });
  const part = (value: unknown) => new TextEncoder().encode(JSON.stringify(value)).toBase64(BASE64URL);
  rig.auth.script.token = (params) => {
    const [iat, aud] = [Math.floor(Date.now() / 1000), params.get("client_id")];
    const claims = { iss: rig.auth.issuer, aud, sub: "ada", iat, exp: iat + 600 };
    const id_token = [part({ alg: "ES256" }), part(claims), "c2ln"].join(".");
    return Response.json({ access_token: "a", token_type: "Bearer", refresh_token: "r", id_token });
  };
  await using logins = new PendingLogins();
  const login = await logins.beginDevice({ account: rig.account, server: "far" });
  await login.done;
  assertEquals((await rig.store.read(rig.account.id))?.tokens?.refresh_token, "r");
});

const BASE64URL = { alphabet: "base64url", omitPadding: true } as const;
