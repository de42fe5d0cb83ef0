import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { HelperPrograms } from "../lib/auth/helper_programs.ts";
import { UsageError } from "../lib/base/errors.ts";
import { redact } from "../lib/base/log.ts";
import { textOfSecret } from "../lib/commands/secret_value.ts";
import { readClink } from "../lib/config/clink_file.ts";
import { readModels } from "../lib/config/models_file.ts";
import { formatFault } from "../lib/config/config_fault.ts";
import { type ConfiguredSecrets, SettingsLoader } from "../lib/config/program_settings.ts";
import type { SecretReader } from "../lib/config/secrets.ts";
import type { StdioServerConfig, UrlServerConfig } from "../lib/config/server_config.ts";
import { readServers } from "../lib/config/servers.ts";
import { readWindowSettings } from "../lib/config/window_settings.ts";
import { tempDir } from "./helpers/files.ts";

const VALUES: Readonly<Record<string, string>> = { gh: "canary-of-gh", odd: "a${b} $1 % canary-odd" };

const SECRETS: SecretReader = {
  read: (name) =>
    name in VALUES
      ? Promise.resolve(VALUES[name]!)
      : Promise.reject(new Error("which is not set; set it: exai-daemon secret set X")),
};

async function read(entry: object, secrets: SecretReader | "hidden" | undefined = SECRETS) {
  await using dir = await tempDir({ "mcp.json": JSON.stringify({ mcpServers: { s: entry } }) });
  const file = await readServers(`${dir.path}/mcp.json`, { env: {}, secrets });
  const lines = [...file.faults, ...file.warnings].map((fault) =>
    formatFault(fault).replaceAll(dir.path, "")
  );
  return { server: file.servers.get("s"), lines };
}

Deno.test("secrets are filled in where a server needs them, whatever is in them", async () => {
  const { server, lines } = await read({
    command: "c",
    env: { TOKEN: "${secret:gh}", BOTH: "x-${secret:odd}-y" },
  });
  assertEquals([lines, (server as StdioServerConfig).env], [[], {
    TOKEN: "canary-of-gh",
    BOTH: "x-a$${b} $1 % canary-odd-y",
  }]);
  const url = await read({
    url: "https://x.example/mcp",
    headers: { Authorization: "Bearer ${secret:gh}" },
    oauth: { clientId: "c", clientSecret: "${secret:gh}" },
  });
  const { headers, oauth } = url.server as UrlServerConfig;
  assertEquals([url.lines, headers.Authorization], [[], "Bearer canary-of-gh"]);
  assertEquals(oauth && oauth.clientSecret, "canary-of-gh");
  assertEquals(redact("canary-of-gh and canary-odd"), "[secret] and canary-odd");
});

Deno.test("a secret that is not there is a fault that says how to set it; one that is no name is not shown", async () => {
  const { server, lines } = await read({ command: "c", env: { A: "${secret:gone}" } });
  assertEquals(server, undefined);
  assertMatch(lines.join(), /needs the secret gone, which is not set; set it: exai-daemon secret set/);
  const pasted = await read({ command: "c", env: { A: "${secret:sk-canary with spaces}" } });
  assertStringIncludes(pasted.lines.join(), "no name of a secret");
  assert(!pasted.lines.join().includes("canary"));
});

Deno.test("a secret is refused where the list of processes shows it, by whatever way it gets there", async () => {
  for (
    const entry of [
      { command: "c", args: ["--token=${secret:gh}"] },
      { command: "c ${secret:gh}" },
      { command: "c", args: ["${T}"], env: { T: "${secret:gh}" } },
      { command: "c", args: ["${T}"], env: { T: "Bearer ${secret:odd}" } },
      { url: "https://x.example/mcp", headersHelper: ["helper", "${secret:gh}"] },
    ]
  ) {
    const { server, lines } = await read(entry);
    assertEquals(server, undefined, JSON.stringify(entry));
    assertMatch(lines.join(), /holds the secret (gh|odd), and other users of this machine can see/);
    assert(!lines.join().includes("canary"));
  }
  assertEquals((await read({ command: "c", args: ["$${T}"], env: { T: "${secret:gh}" } })).lines, []);
});

Deno.test("a secret is refused in a path, which is shown in the open", async () => {
  for (
    const entry of [
      { command: "c", envFile: "/tmp/${secret:gh}" },
      { command: "c", envFile: "${workspaceFolder}/${secret:gh}" },
      { command: "c", cwd: "/tmp/${secret:gh}" },
      { command: "c", cwd: "/tmp/${T}", env: { T: "${secret:gh}" } },
      { url: "https://x.example/mcp", accounts: [{ name: "a", directories: ["/tmp/${secret:gh}"] }] },
    ]
  ) {
    const { server, lines } = await read(entry);
    assertEquals([server, lines.length], [undefined, 1], JSON.stringify(entry));
    assertMatch(lines.join(), /holds the secret gh, and a path is shown/);
    assertEquals((await read(entry, "hidden")).server, undefined);
  }
});

Deno.test("what only looks at entries asks for no secret", async () => {
  const none: SecretReader = { read: () => Promise.reject(new Error("asked")) };
  assertEquals((await read({ command: "c", env: { A: "${secret:gone}" } }, "hidden")).lines, []);
  assertStringIncludes(
    (await read({ command: "c", env: { A: "${secret:gone}" } }, none)).lines.join(),
    "asked",
  );
});

Deno.test("what only looks at entries does not judge a text by the secret it does not read", async () => {
  const oauth = {
    clientId: "c",
    issuer: "https://${secret:host}/",
    privateKey: { pem: "${secret:pem}", algorithm: "ES256" },
    grant: "client_credentials",
  };
  for (
    const entry of [
      { url: "${secret:whole}" },
      { url: "https://${secret:host}.example/mcp" },
      { url: "https://x.example/mcp", oauth },
      { url: "https://x.example/mcp", oauth: { clientMetadataUrl: "${secret:whole}" } },
    ]
  ) {
    assertEquals((await read(entry, "hidden")).lines, [], JSON.stringify(entry));
  }
  assertEquals((await read({ url: "no-url" }, "hidden")).lines.length, 1);
  const given: SecretReader = { read: () => Promise.resolve("no url") };
  assertEquals((await read({ url: "${secret:whole}" }, given)).lines.length, 1);
});

Deno.test("what is not UTF-8 is refused as a secret, from stdin and from a program", async () => {
  const bytes = Uint8Array.from([0x70, 0xe4, 0x73, 0x73]);
  assertEquals(textOfSecret(new TextEncoder().encode("päss\r\n")), "päss");
  assertThrows(() => textOfSecret(bytes), UsageError, "is not UTF-8, and a secret is text");
  if (Deno.build.os === "windows") return;
  await using programs = new HelperPrograms({ env: { PATH: Deno.env.get("PATH") } });
  const command = ["printf", "p\\344ss"];
  await assertRejects(() => programs.run({ command }), Error, "printf printed something that is not UTF-8");
});

Deno.test("a program that prints no secret is said with what it wrote on stderr, also where it ends well", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using programs = new HelperPrograms({ env: { PATH: Deno.env.get("PATH") } });
  const command = ["sh", "-c", "echo 'sign in first' >&2"];
  await assertRejects(() => programs.run({ command }), Error, "sh printed nothing: sign in first");
});

Deno.test("what a program wrote on stderr is said without the words that may be its secret", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using programs = new HelperPrograms({ env: { PATH: Deno.env.get("PATH") } });
  for (const secret of ["CANARY01", "sk-ant-oat01-abc", "QWxhZGRpbg0==", "correct-horse-battery-staple"]) {
    for (const code of [0, 3]) {
      const script = `echo "401 from https://vault/v1: token=${secret} is refused" >&2; exit ${code}`;
      const { message } = await assertRejects(() => programs.run({ command: ["sh", "-c", script] }), Error);
      assertStringIncludes(message, ": 401 from https://vault/v1: [secret] is refused");
    }
  }
});

async function load(text: object, secrets?: ConfiguredSecrets) {
  await using dir = await tempDir({ "exai.json": JSON.stringify(text) });
  await Deno.chmod(`${dir.path}/exai.json`, 0o600);
  const sources = { args: [], env: { ENV_FILE: "", EXAI_HOME: dir.path, OP_TOKEN: "of-op" } };
  const loader = new SettingsLoader(sources);
  loader.secrets = secrets;
  const { settings, file } = await loader.read();
  const shown = (list: typeof file.faults) =>
    list.map((one) => formatFault(one).replaceAll(dir.path, "")).join("\n");
  return {
    settings,
    file,
    faults: shown(file.faults),
    warnings: shown(file.warnings),
    shim: await readWindowSettings(sources),
  };
}

Deno.test("keys of models in exai.json can be secrets, which come after the start", async () => {
  const text = { openaiApiKey: "${secret:gh}", kimiApiKey: "${secret:gone}", logLevel: "debug" };
  const before = await load(text);
  assertEquals([before.faults, before.file.awaitsSecrets, before.settings.openaiApiKey], ["", true, ""]);
  const after = await load(text, { ...SECRETS, commands: new Map() });
  assertEquals([after.faults, after.settings.openaiApiKey, after.settings.logLevel], [
    "",
    "canary-of-gh",
    "debug",
  ]);
  assertEquals(after.settings.kimiApiKey, "");
  assertMatch(after.warnings, /kimiApiKey.*needs the secret gone, which is not set.*counts as not set/);
});

Deno.test("other settings cannot be secrets, as they are shown or every window reads them", async () => {
  assertMatch(
    (await load({ token: "${secret:gh}" })).faults,
    /token.*cannot be a secret, as the shim of every window reads it/,
  );
  assertMatch((await load({ locale: "${secret:gh}" })).faults, /locale.*cannot be a secret, as it is shown/);
});

Deno.test("exai.json names programs that print secrets", async () => {
  const { file, faults, shim } = await load({
    secrets: {
      gh: { command: ["op", "read", "op://Private/gh/token"], env: { T: "${env:OP_TOKEN}" }, timeout: 60 },
    },
  });
  assertEquals(faults, "");
  assertEquals([...file.secrets], [["gh", {
    command: ["op", "read", "op://Private/gh/token"],
    env: { T: "of-op" },
    timeoutMs: 60_000,
  }]]);
  assertEquals(shim.settings.logLevel, "info");
  for (
    const [secrets, why] of [
      ["canary", "must be an object of programs"],
      [{ gh: "canary" }, "exai-daemon secret set gh"],
      [{ gh: { value: "canary" } }, '"value", which means nothing here'],
      [{ gh: { command: "op read canary" } }, "as an array of texts"],
      [{ gh: { command: [] } }, "as an array of texts"],
      [{ "a b": { command: ["canary"] } }, "no name of a secret"],
      [{ gh: { command: ["op"], timeout: 1e6 } }, "up to 300"],
      [{ gh: { command: ["op", "${secret:other}"] } }, "cannot need one"],
    ] as const
  ) {
    const { file, faults } = await load({ secrets });
    assertStringIncludes(faults, why);
    assert(!faults.includes("canary"), faults);
    assertEquals(file.secrets.size, 0);
  }
});

Deno.test("models.json can name secrets, and the agents of clink.json cannot", async () => {
  const models = JSON.stringify({
    providers: { lab: { url: "http://x.example/v1", apiKey: "${secret:gh}", models: ["m"] } },
  });
  const clink = JSON.stringify({ agents: { a: { command: "c", env: { A: "${secret:gh}" } } } });
  await using dir = await tempDir({ "models.json": models, "clink.json": clink });
  const { providers, faults } = await readModels(`${dir.path}/models.json`, {}, SECRETS);
  assertEquals([providers[0]?.apiKey, faults], ["canary-of-gh", []]);
  const agents = await readClink(`${dir.path}/clink.json`, {});
  assertStringIncludes(agents.faults.map(formatFault).join(), "this file can hold no secrets");
});
