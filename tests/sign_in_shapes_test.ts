// How other clients say that a server is signed in to, and what becomes of it.

import { assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { convertEntry, type EntryDialect } from "../lib/config/entry_shapes.ts";
import { readOne, readSilent, remoteIn } from "./helpers/read_servers.ts";

const url = "https://x.example/mcp";

/** What becomes of an entry with `url`, and what is said of it. */
function converted(entry: JsonObject, client: EntryDialect = "other") {
  const { entry: { url: _, ...rest }, notes } = convertEntry({ url, ...entry }, client);
  return { rest, said: notes.map(({ kind, path, message }) => `${kind} ${path.join(".")} ${message}`) };
}

/** What clients write, and the `oauth` that becomes of it. */
const WRITTEN: [name: string, EntryDialect, JsonObject, JsonObject][] = [
  [
    "Claude Code",
    "claude-code",
    {
      oauth: {
        clientId: "a",
        callbackPort: 8080,
        authServerMetadataUrl: "https://login.example/.well-known/openid-configuration",
        scopes: "read write",
      },
    },
    {
      clientId: "a",
      callbackPort: 8080,
      issuer: "https://login.example",
      scopes: ["read", "write"],
      redirectUrl: "http://localhost/callback",
    },
  ],
  [
    "Codex",
    "codex",
    {
      oauth: { client_id: "a", callback_url: "http://127.0.0.1:4000/cb" },
      scopes: ["s"],
      oauth_resource: url,
    },
    { clientId: "a", redirectUrl: "http://127.0.0.1:4000/cb", scopes: ["s"] },
  ],
  [
    "opencode",
    "opencode",
    { type: "remote", oauth: { clientId: "a", clientSecret: "{env:S}", scope: "tools:read tools:run" } },
    {
      clientId: "a",
      clientSecret: "${env:S}",
      scopes: ["tools:read", "tools:run"],
      redirectUrl: "http://127.0.0.1:19876/mcp/oauth/callback",
    },
  ],
  [
    "Gemini CLI",
    "gemini",
    {
      authProviderType: "dynamic_discovery",
      oauth: { enabled: true, clientId: "a", clientSecret: "s", scopes: ["s"] },
    },
    {
      clientId: "a",
      clientSecret: "s",
      scopes: ["s"],
      redirectUrl: "http://localhost:7777/oauth/callback",
    },
  ],
  ["VS Code", "other", { type: "http", oauth: { clientId: "a" } }, { clientId: "a" }],
  [
    "Cursor",
    "other",
    { auth: { CLIENT_ID: "a", CLIENT_SECRET: "${env:S}", scopes: ["s"] } },
    { clientId: "a", clientSecret: "${env:S}", scopes: ["s"] },
  ],
  [
    "Kiro",
    "kiro",
    { oauth: { redirectUri: "127.0.0.1:7000", oauthScopes: [] } },
    { callbackPort: 7000, scopes: [] },
  ],
  [
    "Copilot CLI",
    "copilot-cli",
    { oauthClientId: "a", oauthPublicClient: true, oauthGrantType: "client_credentials", tools: ["*"] },
    { clientId: "a", grant: "client_credentials" },
  ],
];
Deno.test("what each client writes of signing in becomes oauth", () => {
  for (const [name, client, entry, expected] of WRITTEN) {
    const { rest, said } = converted(entry, client);
    assertEquals(rest.oauth, expected, name);
    assertEquals(said.filter((note) => /^(?:lost|fault)/.test(note)), [], name);
  }
  assertMatch(
    converted(WRITTEN[0]![2], "claude-code").said.join("\n"),
    /changed oauth.authServerMetadataUrl becomes oauth.issuer, https:\/\/login.example/,
  );
  assertMatch(converted(WRITTEN[5]![2]).said.join("\n"), /converted auth.CLIENT_ID becomes oauth.clientId/);
});

Deno.test("the metadata of an authorization server lie below its issuer, or before the path of that", () => {
  const issuerOf = (authServerMetadataUrl: string) => {
    const oauth = converted({ oauth: { authServerMetadataUrl } }).rest.oauth as JsonObject | undefined;
    return oauth?.issuer;
  };
  const known = "/.well-known/oauth-authorization-server";
  assertEquals(issuerOf(`https://a.example${known}`), "https://a.example");
  assertEquals(issuerOf(`https://a.example${known}/tenant/1`), "https://a.example/tenant/1");
  assertEquals(issuerOf("https://a.example/t/.well-known/openid-configuration"), "https://a.example/t");
  assertEquals(issuerOf("https://a.example/other.json"), undefined);
});

Deno.test("signing in that is on, off or empty is that, however it is written", () => {
  for (
    const on of [{ oauth: true }, { oauth: {} }, { auth: "oauth" }, { auth: "OAuth2.1" }, {
      oauth: { enabled: true },
    }]
  ) {
    assertEquals(converted(on), { rest: {}, said: [] }, JSON.stringify(on));
  }
  // Gemini says by this that it was not configured, and signs in all the same.
  assertEquals(converted({ oauth: { enabled: false, clientId: "a" } }), { rest: {}, said: [] });
  for (const off of [{ oauth: false }, { auth: "none" }, { auth: { type: "none" } }, { auth: false }]) {
    assertEquals(converted(off), { rest: { oauth: false }, said: [] }, JSON.stringify(off));
  }
  // A command of a client that writes every key it knows.
  const { entry, notes } = convertEntry({
    command: "c",
    oauth: {},
    auth: null,
    scopes: [],
    headersHelper: "",
  }, "other");
  assertEquals([entry, notes], [{ command: "c" }, []]);
});

Deno.test("a token in place of a way to sign in becomes a header, and is not shown", async () => {
  const secret = "hush-hush-secret";
  const header = { Authorization: `Bearer ${secret}` };
  for (const entry of [{ authorization: `Bearer ${secret}` }, { auth: { type: "bearer", token: secret } }]) {
    const { rest, said } = converted(entry);
    assertEquals([rest, said.join().includes(secret)], [{ headers: header }, false]);
    assertEquals(remoteIn(await readSilent({ url, ...entry })).headers, header);
  }
  const broken = await readOne({ url, auth: { type: "bearer", token: `a\n${secret}` } });
  assertMatch(broken.lines.join(), /server "s": auth is no HTTP header/);
  assertMatch(
    (await readOne({ url, authorization: `Bearer ${secret}\0` })).lines.join(),
    /authorization is no HTTP/,
  );
  const mine = converted({ headers: { authorization: "mine" }, auth: { token: secret } });
  assertEquals(mine.rest, { headers: { authorization: "mine" } });
  const { lines, servers } = await readOne({ url, auth: secret });
  assertEquals([servers.size, lines.join().includes(secret)], [0, false]);
  assertMatch(
    lines.join(),
    /auth names a way to sign in that EXAI does not go; write oauth, headers or headersHelper/,
  );
});

Deno.test("what cannot be converted is said, and a fault where the server would be reached as nobody", async () => {
  const { rest, said } = converted({
    oauth: {
      clientId: "a",
      authorizationUrl: "https://a.example/authorize",
      tokenUrl: "https://a.example/token",
      redirectUri: "cursor://anysphere.cursor-mcp/oauth/callback",
      audiences: ["x"],
    },
    oauth_resource: "https://other.example",
  });
  assertEquals(rest.oauth, { clientId: "a" });
  const expected = [
    /lost oauth.authorizationUrl is found by what the server publishes; write issuer/,
    /lost oauth.tokenUrl is found/,
    /lost oauth.redirectUri is an address of its client alone; have the authorization server accept http:\/\/127/,
    /lost oauth.audiences has no effect/,
    /lost oauth_resource is not sent: a token is asked for the URL of the server itself/,
  ];
  for (const one of expected) assertMatch(said.join("\n"), one);
  assertEquals(said.length, expected.length);
  const google = await readOne({
    httpUrl: url,
    authProviderType: "google_credentials",
    oauth: { scopes: ["s"] },
  });
  assertEquals(google.servers.size, 0);
  assertMatch(google.lines.join(), /authProviderType is "google_credentials", credentials of Google's own/);
});

Deno.test("a misspelt key of oauth is named as the client wrote it", async () => {
  const { lines } = await readOne({ url, auth: { clientIdd: "x" } });
  assertMatch(lines.join(), /auth.clientIdd is no key here; write clientId/);
});

Deno.test("a helper that prints headers is taken over by any of its names, with its variables", async () => {
  for (const key of ["headersHelper", "http_headers_helper", "headers_helper"]) {
    const { headersHelper } = remoteIn(
      await readSilent({ url, [key]: "print-headers --env {env:STAGE}" }, {
        env: { STAGE: "prod" },
      }),
    );
    assertEquals(headersHelper, ["print-headers", "--env", "prod"], key);
  }
  const parts = { command: "print-headers", args: ["a b", 1] };
  assertEquals(remoteIn(await readSilent({ url, headersHelper: parts })).headersHelper, [
    "print-headers",
    "a b",
    "1",
  ]);
  const plugin = { url, headersHelper: "${CLAUDE_PLUGIN_ROOT}/headers.sh" };
  const { lines } = await readOne(plugin);
  assertMatch(lines.join(), /headersHelper holds \$\{CLAUDE_PLUGIN_ROOT\}, a directory of a client's plugin/);
  const files = { ".claude-plugin/plugin.json": "{}" };
  assertMatch(
    remoteIn(await readOne(plugin, { files })).headersHelper![0]!,
    /exai-config-[^/\\]*.headers\.sh$/,
  );
});
