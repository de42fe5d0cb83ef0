import { assert, assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { AuthorizationServer } from "../helpers/authorization.ts";
import { addressIn, LoginRig } from "../helpers/login_rig.ts";
import { visit } from "../helpers/person.ts";
import { until } from "../helpers/until.ts";

const ignore = Deno.build.os === "windows";

/** What clients that were registered beforehand have in common. */
const NATIVE = {
  redirect_uris: ["http://127.0.0.1/callback"],
  application_type: "native",
  grant_types: ["authorization_code", "refresh_token"],
};

Deno.test(
  "a command signs in with a browser, or with the address that the browser of another machine ended at",
  { ignore },
  async () => {
    await using as = await AuthorizationServer.start();
    const two = { url: as.url("both", "two"), prefix: "two__", accounts: [{ name: "work" }] };
    await using rig = await LoginRig.start({ servers: { one: as.url("both", "one"), two } });
    const ada = await rig.window();
    await ada.shows("one__login");
    {
      await using login = rig.interactive("auth", "login", "one");
      const { status, page } = await visit(addressIn(await login.says(/state=/)), { account: "ada" });
      assertEquals(status, 200, page);
      const { code, said } = await login.end();
      assertEquals(code, 0, said);
    }
    {
      await using login = rig.interactive("auth", "login", "two", "--account", "work", "--paste");
      const address = addressIn(await login.says(/state=/));
      const redirect = new URL(address).searchParams.get("redirect_uri")!;
      const { url } = await visit(address, { account: "bob", stopsAt: redirect });
      await login.type(url);
      const { code, said } = await login.end();
      assertEquals(code, 0, said);
      assert(!said.includes(new URL(url).searchParams.get("code")!), said);
    }
    await ada.shows("two__whoami");
    assertEquals((await ada.told("one__whoami")).account, "ada");
    assertEquals((await ada.told("two__whoami")).account, "bob");
  },
);

Deno.test("a command that prints JSON says on stderr what is to be opened, and nothing else on stdout", {
  ignore,
}, async () => {
  await using as = await AuthorizationServer.start();
  await using rig = await LoginRig.start({ servers: { one: as.url("both", "one") } });
  await using login = rig.interactive("auth", "login", "one", "--json");
  const { status, page } = await visit(addressIn(await login.says(/state=/)), { account: "ada" });
  assertEquals(status, 200, page);
  const { code, stdout, said } = await login.end();
  assertEquals(code, 0, said);
  assertEquals(JSON.parse(stdout).signed_in, true);
});

Deno.test("a login is refused where mcp.json names another address meanwhile", { ignore }, async () => {
  await using as = await AuthorizationServer.start();
  const entries = { one: { url: as.url("both", "one") }, two: { url: as.url("both", "two") } };
  await using rig = await LoginRig.start({ servers: entries });
  await using login = rig.interactive("auth", "login", "one", "--no-browser");
  await using other = rig.interactive("auth", "login", "two", "--no-browser");
  const address = addressIn(await login.says(/state=/));
  const addressOfOther = addressIn(await other.says(/state=/));
  const mcpServers = { ...entries, one: { url: as.url("both", "moved") } };
  await Deno.writeTextFile(join(rig.home, "mcp.json"), JSON.stringify({ mcpServers }));
  assertEquals((await rig.interactive("reload").end()).code, 0);
  const { status, page } = await visit(address, { account: "ada" });
  assertMatch(page, /mcp\.json has changed meanwhile/);
  assertEquals([status >= 400, (await login.end()).code], [true, 1]);
  assertEquals((await visit(addressOfOther, { account: "ada" })).status, 200);
  assertEquals((await other.end()).code, 0);
});

Deno.test("a person signs in on another device by a code", { ignore }, async () => {
  const device = {
    ...NATIVE,
    client_id: "device",
    grant_types: [...NATIVE.grant_types, "urn:ietf:params:oauth:grant-type:device_code"],
    token_endpoint_auth_method: "none",
  };
  await using as = await AuthorizationServer.start({ clients: [device] });
  const files = { url: as.url("both"), prefix: "files__", oauth: { clientId: "device" } };
  await using rig = await LoginRig.start({ servers: { files } });
  const ada = await rig.window();
  await ada.shows("files__login");
  await using login = rig.interactive("auth", "login", "files", "--device");
  const said = await login.says(/https?:\/\/\S+\/device\S*/);
  const [page] = /https?:\/\/\S+\/device\S*/.exec(said)!;
  const [code] = /\b[B-Z]{4}-[B-Z]{4}\b/.exec(said)!;
  const { page: answer } = await visit(
    page.includes("user_code") ? page : `${page}?user_code=${code}`,
    { account: "dora" },
  );
  assertMatch(answer, /Success/);
  assertEquals((await login.end()).code, 0);
  await ada.shows("files__whoami");
  assertEquals((await ada.told("files__whoami")).account, "dora");
});

Deno.test(
  "EXAI is known by the document that is published of it, before it registers itself",
  { ignore },
  async () => {
    const url = "https://exai.example/client.json";
    const document = {
      ...NATIVE,
      client_id: url,
      client_name: "EXAI",
      token_endpoint_auth_method: "none",
    };
    await using as = await AuthorizationServer.start({ clientDocuments: { [url]: document } });
    const env = { EXAI_CLIENT_METADATA_URL: url };
    await using rig = await LoginRig.start({ servers: { files: as.url("both") }, env });
    const ada = await rig.window();
    await ada.shows("files__login");
    const { page, status } = await ada.signIn("files");
    assertEquals(status, 200, page);
    await ada.shows("files__whoami");
    const { registrations, documents } = await as.record();
    assertEquals([registrations.length, documents.length], [0, 1]);
  },
);

Deno.test(
  "a client that was registered beforehand is used, with its secret, and a machine signs in without a person",
  { ignore },
  async () => {
    const known = { ...NATIVE, client_id: "known", client_secret: "secret-of-the-known-client" };
    const machine = {
      client_id: "machine",
      client_secret: "secret-of-the-machine",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    };
    await using as = await AuthorizationServer.start({ clients: [known, machine], accessTokenSeconds: 2 });
    await using rig = await LoginRig.start({
      servers: {
        known: {
          url: as.url("both", "known"),
          prefix: "known__",
          oauth: { clientId: known.client_id, clientSecret: known.client_secret },
        },
        machine: {
          url: as.url("both", "machine"),
          prefix: "machine__",
          oauth: {
            grant: "client_credentials",
            clientId: machine.client_id,
            clientSecret: machine.client_secret,
            scopes: ["files:read"],
          },
        },
      },
    });
    const ada = await rig.window();
    await ada.shows("machine__whoami");
    assertEquals((await ada.told("machine__whoami")).account, "a machine");
    await ada.signIn("known", { account: "ada" });
    await ada.shows("known__whoami");
    const requests = async () => (await as.record()).tokenRequests;
    const first = (await requests()).length;
    await until("tokens that are renewed", async () => {
      for (const name of ["known", "machine"]) await ada.told(`${name}__whoami`);
      return (await requests()).length >= first + 4 || undefined;
    });
    const { logins, registrations } = await as.record();
    assertEquals([logins.length, registrations.length], [1, 0]);
    assert((await requests()).every(({ status }) => status === 200));
  },
);

Deno.test("a server that may never be signed in to is refused with its reason, and nobody is sent anywhere", {
  ignore,
}, async () => {
  await using as = await AuthorizationServer.start();
  await using rig = await LoginRig.start({ servers: { files: { url: as.url("both"), oauth: false } } });
  const ada = await rig.window({ person: {} });
  const names = await ada.tools();
  assert(!names.some((name) => name.endsWith("__login")), names.join());
  const { stdout } = await rig.run("status");
  assertMatch(stdout, /401|oauth/i);
  assertEquals([ada.sentTo, (await as.record()).registrations], [[], []]);
});
