// Which client EXAI is to an authorization server, and to which of them that client's secret goes.

import { assert, assertEquals, assertNotEquals, assertStringIncludes } from "@std/assert";
import { Accounts } from "../lib/auth/accounts.ts";
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
