import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { AuthorizationServer, misused, refreshes } from "../helpers/authorization.ts";
import { visit } from "../helpers/person.ts";
import { HostileAuthorization, type Hostility } from "../helpers/hostile_authorization.ts";
import { SdkWindow } from "../helpers/sdk_login.ts";

for (const isModern of [false, true]) {
  const era = isModern ? "modern" : "legacy";
  Deno.test(`a client of the SDK signs in to a ${era} server, goes on when its token ends, and adds a scope`, async () => {
    await using it = await AuthorizationServer.start({ accessTokenSeconds: 3 });
    await using one = new SdkWindow(it.url(era), { isModern, account: "bob" });
    await one.connect();
    assertEquals((await one.call("whoami")).account, "bob");
    const first = one.login.kept!.access_token;
    while (one.login.kept!.access_token === first) await one.call("whoami");
    await it.set({ accessTokenSeconds: 3600 });
    const { scopes } = await one.call("write");
    assert(scopes.includes("files:write") && scopes.includes("files:read"));
    const record = await it.record();
    assertEquals(record.registrations.length, 1);
    assertEquals(record.logins.map(({ account }) => account), ["bob", "bob"]);
    assertEquals(new Set(record.logins.map(({ resource }) => resource)), new Set([it.url(era)]));
    assert(refreshes(record).length > 0);
    assertEquals(misused(record), { twice: [], atOnce: [] });
    assertEquals(record.replays, 0);
    for (const secret of [first, one.login.kept!.refresh_token!]) assert(record.secrets.includes(secret));
  });
}

Deno.test("a token for one server is no token for another, and a refresh token that comes twice ends the login", async () => {
  await using it = await AuthorizationServer.start();
  await using one = new SdkWindow(it.url("both", "first"));
  await one.connect();
  const { access_token, refresh_token } = one.login.kept!;
  const headers = { authorization: `Bearer ${access_token}`, "content-type": "application/json" };
  const other = await fetch(it.url("both", "two"), { method: "POST", headers, body: "{}" });
  assertEquals([other.status, await other.text()].at(0), 401);
  const client_id = (one.login.client as { client_id: string }).client_id;
  const body = new URLSearchParams({
    grant_type: "refresh_token",
    refresh_token: refresh_token!,
    client_id,
    resource: it.url("both", "first"),
  });
  const refresh = async () => (await (await fetch(`${it.issuer}/token`, { method: "POST", body })).json());
  const { refresh_token: fresh } = await refresh();
  assert(fresh && fresh !== refresh_token);
  assertEquals((await refresh()).error, "invalid_grant");
  body.set("refresh_token", fresh);
  assertEquals((await refresh()).error, "invalid_grant");
  const record = await it.record();
  assertEquals(record.replays, 1);
  assertEquals(misused(record).twice.length, 1);
  assertEquals(record.refused["other resource"], 1);
});

Deno.test("clients are known by a document, or beforehand, and by nothing else where they may not register", async () => {
  const document = {
    client_id: "https://client.example/mcp.json",
    client_name: "by document",
    redirect_uris: ["http://127.0.0.1/callback"],
    application_type: "native",
    grant_types: ["authorization_code", "refresh_token"],
    token_endpoint_auth_method: "none",
  };
  const beforehand = { ...document, client_id: "beforehand", client_name: "beforehand" };
  await using it = await AuthorizationServer.start({
    isRegistering: false,
    clientDocuments: { [document.client_id]: document },
    clients: [beforehand],
  });
  await using byDocument = new SdkWindow(it.url("both"), { clientMetadataUrl: document.client_id });
  await byDocument.connect();
  await using known = new SdkWindow(it.url("both"), {
    client: { client_id: "beforehand", issuer: it.issuer },
  });
  await known.connect();
  await using unknown = new SdkWindow(it.url("both"));
  await assertRejects(() => unknown.connect(), Error, "registration");
  const { logins, documents } = await it.record();
  assertEquals(logins.map(({ client }) => client), [document.client_id, "beforehand"]);
  assertEquals(new Set(documents), new Set([document.client_id]));
});

Deno.test("a person may say no, and a device is signed in by its code", async () => {
  const device = {
    client_id: "device",
    grant_types: ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
    response_types: [],
    redirect_uris: [],
    token_endpoint_auth_method: "none",
    application_type: "native",
  };
  await using it = await AuthorizationServer.start({ clients: [device] });
  await using one = new SdkWindow(it.url("both"), { refuses: true });
  await assertRejects(() => one.connect(), Error, "the person said no");
  const ask = async (path: string, fields: Record<string, string>) =>
    await (await fetch(`${it.issuer}${path}`, { method: "POST", body: new URLSearchParams(fields) })).json();
  const resource = it.url("both");
  const { device_code, verification_uri_complete } = await ask("/device/auth", {
    client_id: "device",
    scope: "files:read offline_access",
    resource,
  });
  const grant_type = device.grant_types[0]!;
  const claim = () => ask("/token", { grant_type, device_code, client_id: "device", resource });
  assertEquals((await claim()).error, "authorization_pending");
  const { page } = await visit(verification_uri_complete, { account: "carol" });
  assert(page.includes("Success"), page);
  const tokens = await claim();
  assert(tokens.access_token && tokens.refresh_token, JSON.stringify(tokens));
});

/** Ways of lying that the SDK sees through, and what it says. */
const LIES: Record<string, { hostility(it: HostileAuthorization): Hostility; says: RegExp }> = {
  "the answer is of another issuer": {
    hostility: () => ({
      callback: (honest) => {
        honest.set("iss", "https://other.example");
        return honest;
      },
    }),
    says: /iss/i,
  },
  "the metadata are of another issuer": {
    hostility: () => ({
      metadata: (honest) => Response.json({ ...honest, issuer: "https://other.example" }),
    }),
    says: /issuer/i,
  },
  "the token endpoint redirects to another host": {
    hostility: (it) => ({
      token: () => Response.redirect(`${it.origin("stranger")}/token`, 307),
    }),
    says: /307/,
  },
  "the resource is another": {
    hostility: () => ({
      resource: (honest) => Response.json({ ...honest, resource: "https://other.example/mcp" }),
    }),
    says: /resource/i,
  },
};

Deno.test("the server that lies does as it should until it is told to lie, and the SDK sees what it should", async () => {
  await using honest = new HostileAuthorization();
  await using client = new SdkWindow(honest.url);
  await client.connect();
  assertEquals(honest.count("/token"), 1);
  assertEquals(honest.leaked, []);
  for (const [lie, { hostility, says }] of Object.entries(LIES)) {
    await using it = new HostileAuthorization();
    it.hostility = hostility(it);
    await using deceived = new SdkWindow(it.url);
    const thrown = await assertRejects(() => deceived.connect(), Error);
    assertMatch(thrown.message, says, lie);
    assertEquals(it.leaked, [], lie);
    assertEquals(it.received.filter(({ host }) => host === "stranger"), [], lie);
  }
});
