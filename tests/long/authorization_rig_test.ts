import { assert, assertEquals, assertRejects } from "@std/assert";
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from "@modelcontextprotocol/client";
import { AuthorizationServer, misused, refreshes } from "../helpers/authorization.ts";
import { type PersonOptions, visit } from "../helpers/person.ts";
import { REDIRECT_URL, SdkLogin, type SdkLoginOptions } from "../helpers/sdk_login.ts";

/** What tests of logins rely on, shown with the SDK's own client. */
class SdkWindow implements AsyncDisposable {
  readonly login: SdkLogin;
  readonly #url: string;
  readonly #person: PersonOptions;
  readonly #mode: "legacy" | { pin: string };
  #client: Client | undefined;

  constructor(url: string, options: SdkLoginOptions & PersonOptions & { isModern?: boolean } = {}) {
    this.#url = url;
    this.#person = { account: options.account, refuses: options.refuses, stopsAt: REDIRECT_URL };
    this.#mode = options.isModern ? { pin: "2026-07-28" } : "legacy";
    this.login = new SdkLogin(options);
  }

  #transport(): StreamableHTTPClientTransport {
    return new StreamableHTTPClientTransport(new URL(this.#url), { authProvider: this.login });
  }

  /** Signs in the person who is sent away. */
  async #signIn(transport: StreamableHTTPClientTransport): Promise<void> {
    const { url } = await visit(this.login.sentTo.at(-1)!.href, this.#person);
    const params = new URL(url).searchParams;
    assertEquals(params.get("state"), this.login.states.at(-1));
    await transport.finishAuth(params);
  }

  async connect(): Promise<void> {
    for (let attempt = 0; attempt < 2; attempt++) {
      const transport = this.#transport();
      this.#client = new Client({ name: "sdk", version: "1" }, { versionNegotiation: { mode: this.#mode } });
      try {
        return await this.#client.connect(transport);
      } catch (thrown) {
        if (!(thrown instanceof UnauthorizedError)) throw thrown;
        await this.#signIn(transport);
      }
    }
    throw new Error("signed in, and refused all the same");
  }

  async call(name: string): Promise<{ account: string; scopes: string[] }> {
    const call = () => this.#client!.callTool({ name, arguments: {} });
    const { content } = await call().catch(async (thrown) => {
      if (!(thrown instanceof UnauthorizedError)) throw thrown;
      await this.#signIn(this.#client!.transport as StreamableHTTPClientTransport);
      return await call();
    });
    return JSON.parse((content as { text: string }[])[0]!.text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.close();
  }
}

for (const isModern of [false, true]) {
  const era = isModern ? "modern" : "legacy";
  Deno.test(`a client of the SDK signs in to a ${era} server, goes on when its token ends, and adds a scope`, async () => {
    await using it = await AuthorizationServer.start({ accessTokenSeconds: 1 });
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
