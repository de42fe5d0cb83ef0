// How an entry of mcp.json says that its server is signed in to, and as whom.

import { assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { bindToSession, type UrlServerConfig } from "../lib/config/server_config.ts";
import { readServers } from "../lib/config/servers.ts";
import { readFile, readOne, readSilent, remoteIn } from "./helpers/read_servers.ts";

const isWindows = Deno.build.os === "windows";
const url = "https://x.example/mcp";
const PEM = "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----";
const privateKey = { pem: PEM, algorithm: "ES256" };
const machine = { grant: "client_credentials", clientId: "x", privateKey };

function signInOf({ oauth, account, accounts, headersHelper }: UrlServerConfig) {
  return { oauth, account, accounts, headersHelper };
}

Deno.test("an entry says how its server is signed in to, with secrets from elsewhere", async () => {
  const file = await readSilent({
    url,
    oauth: {
      clientId: "${env:ID}",
      clientSecret: "${file:secret}",
      issuer: "https://login.example",
      scopes: ["read", "${env:ID}:write"],
      redirectUrl: "http://localhost:8080/oauth/${env:ID}",
    },
  }, { env: { ID: "exai" }, files: { secret: "hush-hush\n" } });
  assertEquals(remoteIn(file).oauth, {
    clientId: "exai",
    clientSecret: "hush-hush",
    issuer: "https://login.example",
    scopes: ["read", "exai:write"],
    grant: "authorization_code",
    redirectUrl: "http://localhost/oauth/exai",
    callbackPort: 8080,
  });
  const machine = await readSilent({
    url,
    oauth: {
      clientId: "robot",
      grant: "client_credentials",
      privateKey: { pem: "${file:key.pem}", algorithm: "ES256" },
    },
  }, { files: { "key.pem": PEM } });
  assertEquals(remoteIn(machine).oauth, {
    clientId: "robot",
    grant: "client_credentials",
    privateKey: { pem: PEM, algorithm: "ES256" },
  });
  assertEquals(remoteIn(await readSilent({ url, oauth: false })).oauth, false);
  for (const nothing of [{}, true, null]) {
    assertEquals(remoteIn(await readSilent({ url, oauth: nothing })).oauth, undefined);
  }
});

Deno.test("accounts have a name, directories and clients", async () => {
  const file = await readSilent({
    url,
    account: "me@home.example",
    accounts: [
      { name: "work", directories: ["~/work", "${userHome}/shop"], clients: ["cursor*"] },
      { name: "ci", clients: ["ci-*"] },
    ],
  }, { env: { HOME: "/home/me" } });
  assertEquals(signInOf(remoteIn(file)), {
    oauth: undefined,
    account: "me@home.example",
    accounts: [
      { name: "work", directories: ["/home/me/work", "/home/me/shop"], clients: ["cursor*"] },
      { name: "ci", clients: ["ci-*"] },
    ],
    headersHelper: undefined,
  });
  const { warned } = await readOne({ url, accounts: [{ name: "all" }, { name: "never" }] });
  assertMatch(warned.join(), /accounts\[1\] is never chosen: accounts\[0\] before it is for every window/);
});

Deno.test("a program that prints headers is a line or words, beside mcp.json where it is a relative path", async () => {
  const helper = async (headersHelper: unknown, files: Record<string, string> = {}) => {
    const { headersHelper: words = [] } = remoteIn(await readSilent({ url, headersHelper }, { files }));
    return words.map((word) => word.replace(/^.*exai-config-[^/\\]*/, "DIR").replaceAll("\\", "/"));
  };
  assertEquals(await helper(["print-headers", "--for", "${workspaceFolder}"]), [
    "print-headers",
    "--for",
    "/work/shop",
  ]);
  assertEquals(await helper("print-headers --prod 'a b'"), ["print-headers", "--prod", "a b"]);
  assertEquals(await helper("./my headers.sh --prod", { "my headers.sh": "" }), [
    "DIR/my headers.sh",
    "--prod",
  ]);
  assertEquals(await helper("${workspaceFolder}/headers.sh"), ["/work/shop/headers.sh"]);
  const line = "jq -n '{A: env.T}' | cat";
  const shell = Deno.build.os === "windows" ? ["cmd", "/d", "/s", "/c", line] : ["sh", "-c", line];
  assertEquals(await helper(line), shell);
});

Deno.test("a server whose helper names a directory has one of its own for each directory", async () => {
  const file = await readSilent({ url, headersHelper: ["h", "${workspaceFolder}"] });
  const config = file.servers.get("s") as UrlServerConfig;
  assertEquals(bindToSession(config, "/a").headersHelper, ["h", "/a"]);
  assertEquals(bindToSession(config, "/b").headersHelper, ["h", "/b"]);
});

Deno.test("a directory whose name a shell would run is in no line of a shell, and elsewhere as it is", async () => {
  const remote = await readSilent({ url, headersHelper: "cat ${workspaceFolder}/token | sed s/x/y/" });
  const local = await readSilent({ command: "bash", args: ["-lc", "cd '${workspaceFolder}' && serve"] });
  const odd = ["/work/$(evil)", "/work/`evil`", "/a;evil", "/a'&&evil'", '/a"|evil"', "/a\nevil"];
  for (const file of [remote, local]) {
    const config = file.servers.get("s")!;
    for (const dir of odd) {
      const { message } = assertThrows(() => bindToSession(config, dir), ExaiError);
      assertMatch(message, /uses \$\{workspaceFolder\} in mcp.json, and a shell would run parts/);
    }
    const bound = bindToSession(config, "/home/zoë/my shop-2.0");
    assertMatch(JSON.stringify(bound), /zoë\/my shop-2\.0/);
  }
  const plain = (await readSilent({ url, headersHelper: ["h", "${workspaceFolder}"] })).servers.get("s")!;
  assertEquals((bindToSession(plain, odd[0]) as UrlServerConfig).headersHelper, ["h", odd[0]]);
});

Deno.test("what is wrong with signing in is named where it is, with what to write, and without a secret", async () => {
  const secret = "hush-hush-secret";
  const wrong: [object, RegExp][] = [
    [{ oauth: { clientIdd: "x" } }, /oauth.clientIdd is no key here; write clientId/],
    [{ oauth: { clientId: 5 } }, /oauth.clientId is a number; allowed: the id of a client/],
    [
      { oauth: { scopes: ["a b"] } },
      /oauth.scopes is an array with something else in it; allowed: an array of scopes/,
    ],
    [{ oauth: { clientSecret: secret } }, /oauth.clientSecret stands without clientId/],
    [{ oauth: { callbackPort: 0 } }, /oauth.callbackPort is a number; allowed: a whole number from 1/],
    [
      { oauth: { redirectUrl: "http://localhost:1/cb", callbackPort: 2 } },
      /oauth.redirectUrl has the port 1, and callbackPort is 2/,
    ],
    [{ oauth: { clientMetadataUrl: "https://x.example/" } }, /oauth.clientMetadataUrl is no id of a client/],
    [
      { oauth: { clientMetadataUrl: "http://x.example/c.json" } },
      /oauth.clientMetadataUrl is no id of a client/,
    ],
    [{ oauth: { issuer: "http://x.example" } }, /oauth.issuer is no issuer; allowed: an https URL/],
    [{ oauth: { issuer: "https://x.example?a" } }, /oauth.issuer is no issuer/],
    [
      { oauth: { grant: "client_credentials", clientId: "x" } },
      /oauth.grant is client_credentials, which needs/,
    ],
    [
      { oauth: { grant: "password" } },
      /oauth.grant is another text; allowed: authorization_code, client_cred/,
    ],
    [
      { oauth: { clientId: "x", privateKey: { pem: secret, algorithm: "ES256" } } },
      /oauth.privateKey.pem is no private key as PKCS #8 in PEM; `openssl pkcs8/,
    ],
    [
      { oauth: { clientId: "x", privateKey: { pem: PEM, algorithm: "none" } } },
      /oauth.privateKey.algorithm is another text; allowed: ES256/,
    ],
    [
      { oauth: { clientId: "x", clientSecret: secret, privateKey } },
      /oauth.privateKey stands beside clientSecret/,
    ],
    [
      { oauth: { clientId: "x", privateKey } },
      /oauth.privateKey has no effect: only a login of "grant": "client_credentials"/,
    ],
    [
      { oauth: { ...machine, clientId: undefined, clientMetadataUrl: "https://x.example/c.json" } },
      /oauth.privateKey stands without clientId/,
    ],
    [
      { oauth: { ...machine, clientMetadataUrl: "https://x.example/c.json" } },
      /oauth.clientMetadataUrl has no effect beside grant client_credentials/,
    ],
    [{ oauth: { ...machine, callbackPort: 7 } }, /oauth.callbackPort has no effect beside grant/],
    [
      { oauth: { clientId: "x", clientSecret: "${workspaceFolder}" } },
      /oauth.clientSecret holds \$\{workspaceFolder\}, which differs by window/,
    ],
    [{ oauth: { clientId: "${env:NOT_SET}" } }, /oauth.clientId needs the environment variable NOT_SET/],
    [{ account: "a/b" }, /account is another text; allowed: at most 64/],
    [{ accounts: {} }, /accounts is an object; allowed: an array of accounts/],
    [{ accounts: ["work"] }, /accounts\[0\] is another text; allowed: an object: \{"name"/],
    [{ accounts: [{ directories: ["/a"] }] }, /accounts\[0\] has no name/],
    [{ accounts: [{ name: "x", dirs: ["/a"] }] }, /accounts\[0\].dirs is no key here/],
    [{ accounts: [{ name: "x", directories: [] }] }, /accounts\[0\].directories is an empty array/],
    [
      { accounts: [{ name: "x", directories: ["shop"] }] },
      /accounts\[0\].directories\[0\] is no absolute directory/,
    ],
    [{ headersHelper: 5 }, /headersHelper is a number; allowed: a program that prints/],
    [{ headersHelper: [] }, /headersHelper is an empty array/],
  ];
  for (const [entry, expected] of wrong) {
    const { lines, servers } = await readOne({ url, ...entry });
    assertMatch(lines.join("\n"), expected, JSON.stringify(entry));
    assertEquals([servers.size, lines.join().includes(secret)], [0, false], JSON.stringify(entry));
  }
});

Deno.test("what stands for a variable in scopes and the redirect address is checked as what is written there", async () => {
  const linesOf = async (oauth: object) =>
    (await readOne({ url, oauth }, { env: { TWO: "a b" } })).lines.join();
  assertMatch(
    await linesOf({ scopes: ["r", "${env:TWO}"] }),
    /oauth.scopes\[1\] is no scope; allowed: a text/,
  );
  assertMatch(
    await linesOf({ redirectUrl: "${env:TWO}" }),
    /oauth.redirectUrl is no address that the daemon/,
  );
});

Deno.test("what no authorization server can take is refused where it is written", async () => {
  const bare = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----";
  const wrong: [object, RegExp][] = [
    [{ oauth: { privateKey: { pem: PEM } } }, /oauth.privateKey has no algorithm; allowed: ES256/],
    [
      { oauth: { privateKey: { algorithm: "ES256" } } },
      /oauth.privateKey has no pem; allowed: a private key/,
    ],
    [{ oauth: { ...machine, privateKey: { ...privateKey, pem: bare } } }, /pem is no private key as PKCS/],
    [{ oauth: { clientId: "  " } }, /oauth.clientId is another text; allowed: the id of a client, on one/],
    [{ oauth: { clientId: "a\nb" } }, /oauth.clientId is another text/],
    [{ oauth: { issuer: "https://u:p@x.example" } }, /issuer is no issuer; allowed: .* without .* a user/],
    [{ accounts: [] }, /accounts is an empty array; allowed: an array of accounts/],
  ];
  for (const [entry, expected] of wrong) {
    const { lines, servers } = await readOne({ url, ...entry });
    assertMatch(lines.join("\n"), expected, JSON.stringify(entry));
    assertEquals(servers.size, 0);
  }
});

Deno.test("a command is not signed in to, and the entry says so", async () => {
  const { warned, lines } = await readOne({ command: "c", account: "work", accounts: [{ name: "a" }] });
  assertEquals(lines, []);
  assertMatch(warned.join(), /account has no effect beside command: only a server behind a URL/);
  await readSilent({ command: "c", oauth: {}, headersHelper: "", scopes: [] });
});

Deno.test("two ways to sign in to one server as one account are a fault, two accounts are none", async () => {
  const read = async (...entries: object[]) => {
    const file = await readFile({
      mcpServers: Object.fromEntries(entries.map((entry, i) => [`s${i}`, { url, ...entry }])),
    });
    return [file.lines.join(), [...file.servers.keys()]] as const;
  };
  const mine = { oauth: { clientId: "a" } };
  const [fault, mounted] = await read(mine, { oauth: { clientId: "b" } });
  assertMatch(
    fault,
    /server "s1": oauth is another than in an entry before it with the same url and account/,
  );
  assertMatch(fault, /"account": "s1"/);
  assertEquals(mounted, ["s0"]);
  assertMatch((await read(mine, {}))[0], /server "s1": oauth is another/);
  const fine: object[][] = [
    [mine, mine],
    [mine, { oauth: { clientId: "b" }, account: "b" }],
    [mine, { url: "https://x.example/other" }],
    [mine, { oauth: false }],
    [mine, { headers: { Authorization: "Bearer t" } }],
    [{ ...mine, accounts: [{ name: "a" }] }, { accounts: [{ name: "b" }] }],
  ];
  for (const entries of fine) {
    assertEquals(await read(...entries), ["", ["s0", "s1"]], JSON.stringify(entries));
  }
});

Deno.test(
  "a secret of signing in, in a file that others can read, is warned of",
  { ignore: isWindows },
  async () => {
    const dir = await Deno.makeTempDir();
    try {
      await Deno.chmod(dir, 0o755);
      const path = `${dir}/mcp.json`;
      const warned = async (oauth: object) => {
        await Deno.writeTextFile(path, JSON.stringify({ mcpServers: { s: { url, oauth } } }));
        await Deno.chmod(path, 0o644);
        const { warnings } = await readServers(path, { env: { S: "s" } });
        return warnings.some(({ isExposed }) => isExposed);
      };
      assertEquals(await warned({ clientId: "a", clientSecret: "hush" }), true);
      assertEquals(await warned({ clientId: "a", clientSecret: "${env:S}" }), false);
      assertEquals(await warned({ clientId: "a", privateKey, grant: "client_credentials" }), true);
    } finally {
      await Deno.remove(dir, { recursive: true });
    }
  },
);

Deno.test("a secret for logins of several accounts says which authorization server it is for", async () => {
  const accounts = [{ name: "a", clients: ["x"] }, { name: "b" }];
  const oauth = { clientId: "x", clientSecret: "hush-hush-secret" };
  const { lines } = await readOne({ url, oauth, accounts });
  assertMatch(
    lines.join(),
    /oauth.clientSecret stands beside several accounts without "issuer": write there/,
  );
  for (const entry of [{ oauth: { ...oauth, issuer: "https://as.example" }, accounts }, { oauth }]) {
    assertEquals((await readOne({ url, ...entry })).lines, []);
  }
});
