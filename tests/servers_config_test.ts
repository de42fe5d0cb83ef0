import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { join } from "@std/path";
import {
  bindToSession,
  type ServerConfig,
  type StdioServerConfig,
  type UrlServerConfig,
  usesWorkspace,
} from "../lib/config/server_config.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { statePaths } from "../lib/config/paths.ts";
import { formatFault, readServers, serversJsonSchema } from "../lib/config/servers.ts";
import { readFile } from "./helpers/read_servers.ts";

/** The one server called `s`, made ready for a session in `/work/shop`. */
async function server(entry: object, options: Parameters<typeof readFile>[1] = {}): Promise<ServerConfig> {
  const file = await readFile({ mcpServers: { s: entry } }, options);
  assertEquals(file.lines, []);
  return bindToSession(file.servers.get("s")!, "/work/shop");
}

async function stdio(entry: object, options: Parameters<typeof readFile>[1] = {}) {
  return asStdio(await server({ command: "c", ...entry }, options));
}

function asStdio(config: ServerConfig | undefined): StdioServerConfig {
  if (config?.kind !== "stdio") throw new Error(`a stdio server is expected, not ${config?.kind}`);
  return config;
}

function asUrl(config: ServerConfig | undefined): UrlServerConfig {
  if (config === undefined || config.kind === "stdio") throw new Error("a URL server is expected");
  return config;
}

async function faultsOf(entry: unknown, options: Parameters<typeof readFile>[1] = {}): Promise<string[]> {
  return (await readFile({ mcpServers: { s: entry } }, options)).lines;
}

Deno.test("a file as Claude, Cursor and VS Code write it is read as it is", async () => {
  const claude = await readFile({
    mcpServers: { fs: { command: "npx", args: ["-y", "x"], env: { A: "1" } } },
  });
  const fs = asStdio(claude.servers.get("fs"));
  assertEquals([fs.command, fs.args, fs.env, fs.cwd], ["npx", ["-y", "x"], { A: "1" }, undefined]);
  assertEquals([fs.share, fs.cwdFree, fs.tools], [
    "auto",
    false,
    { include: undefined, exclude: [], rename: {}, prefix: "" },
  ]);
  const code = await readFile(`{
    // comments, and commas at the end
    "inputs": [],
    "servers": { "gh": { "type": "http", "url": "https://x.example/mcp", "headers": { "A": "b" }, }, },
  }`);
  assertEquals([code.lines, code.warned], [[], []]);
  const gh = asUrl(code.servers.get("gh"));
  assertEquals([gh.url, gh.headers, gh.fallBackToSse], ["https://x.example/mcp", { A: "b" }, false]);
});

Deno.test("a URL without a type is tried as Streamable HTTP and then as SSE; every spelling of a type is known", async () => {
  const kinds: unknown[] = [];
  for (const type of [undefined, "http", "streamable-http", "streamableHttp", "sse"]) {
    const config = asUrl(await server({ url: "http://localhost:1/", ...(type ? { type } : {}) }));
    kinds.push([config.kind, config.fallBackToSse]);
  }
  assertEquals(kinds, [["http", true], ["http", false], ["http", false], ["http", false], ["sse", false]]);
});

Deno.test("a missing file and an empty one hold no servers and no fault", async () => {
  const missing = await readServers("/no/such/dir/mcp.json", { env: {} });
  assertEquals([missing.servers.size, missing.faults, missing.readable], [0, [], true]);
  for (const text of ["", "  \n", "{}", "\uFEFF{}", "// nothing yet\n", '{"mcpServers": {}}']) {
    const file = await readFile(text);
    assertEquals([file.servers.size, file.lines, file.readable], [0, [], true], text);
  }
});

Deno.test("EXAI's own keys are read", async () => {
  const config = await server({
    command: "c",
    share: "session",
    cwdFree: true,
    include: ["read_*"],
    exclude: ["read_all"],
    rename: { read_one: "one" },
    prefix: "fs_",
    maxInflight: 4,
    callTimeoutMs: 1000,
    startTimeoutMs: 2000,
    idleStopMs: 0,
  });
  assertEquals([config.share, config.cwdFree, config.maxInflight, config.idleStopMs], [
    "session",
    true,
    4,
    0,
  ]);
  assertEquals([config.callTimeoutMs, config.startTimeoutMs], [1000, 2000]);
  assertEquals(config.tools, {
    include: ["read_*"],
    exclude: ["read_all"],
    rename: { read_one: "one" },
    prefix: "fs_",
  });
});

Deno.test("a server that is switched off is named and not read further", async () => {
  const file = await readFile({
    mcpServers: { a: { command: "${env:NOT_SET}", disabled: true }, b: { command: "c" } },
  });
  assertEquals([file.disabled, [...file.servers.keys()], file.lines], [["a"], ["b"], []]);
});

Deno.test("${env:} is filled in from the environment, then from the login shell, then from its default", async () => {
  let asked = 0;
  const loginEnv = () => (asked++, Promise.resolve({ SHELL_ONLY: "from shell" }));
  const options = { env: { A: "from env", EMPTY: "" }, loginEnv };
  const config = await stdio({ args: ["${env:A}", "${A}", "x${env:EMPTY}y", "${env:EMPTY:-d}"] }, options);
  assertEquals(config.args, ["from env", "from env", "xy", "d"]);
  assertEquals(asked, 0, "the login shell is not started for what is known");
  const late = await stdio(
    { env: { T: "${env:SHELL_ONLY}", U: "${env:NONE:-a:-b}", V: "${NONE:-}" } },
    options,
  );
  assertEquals(late.env, { T: "from shell", U: "a:-b", V: "" });
});

Deno.test("${file:} is filled in with a file's text, beside mcp.json or below the home directory", async () => {
  const files = { token: "  s3cret-token\n" };
  const config = await stdio({ env: { A: "${file:token}", B: "Bearer ${file:~/token}" } }, { files });
  assertEquals(config.env, { A: "s3cret-token", B: "Bearer s3cret-token" });
});

Deno.test("${workspaceFolder} stays open until a session attaches", async () => {
  const { servers } = await readFile({
    servers: {
      s: { command: "c", args: ["${workspaceFolder}/db", "${workspaceFolderBasename}"], cwd: "sub" },
      free: { command: "${userHome}/bin/c", args: ["${pathSeparator}"], cwd: "~/x" },
    },
  }, { env: { HOME: "/home/me" } });
  const [config, free] = [servers.get("s")!, servers.get("free")!];
  assertEquals([usesWorkspace(config), usesWorkspace(free)], [true, false]);
  const bound = asStdio(bindToSession(config, "/work/shop"));
  assertEquals([bound.args, bound.cwd], [["/work/shop/db", "shop"], "/work/shop/sub"]);
  const freeBound = asStdio(bindToSession(free, undefined));
  assertEquals([freeBound.command, freeBound.cwd], ["/home/me/bin/c", "/home/me/x"]);
  const error = assertThrows(() => bindToSession(config, undefined), ExaiError);
  assertEquals(error.code, "UPSTREAM_UNAVAILABLE");
  assertStringIncludes(error.message, 'server "s"');
});

Deno.test("a value that holds ${} itself, and $${, are left as they are", async () => {
  const files = { ".env": "E='${workspaceFolder}'\n" };
  const env = { TRICKY: "${workspaceFolder} $${x}" };
  const config = await stdio({ args: ["${env:TRICKY}", "$${env:TRICKY}"], envFile: ".env" }, { env, files });
  assertEquals(config.args, ["${workspaceFolder} $${x}", "${env:TRICKY}"]);
  assertEquals(config.env, { E: "${workspaceFolder}" });
});

Deno.test("env takes numbers and true or false as text, null takes a variable out, envFile comes first", async () => {
  const files = { ".env": "A=file\nB=file\n" };
  const config = await stdio({ envFile: ".env", env: { A: 1, C: true, D: null } }, { files });
  assertEquals(config.env, { A: "1", B: "file", C: "true", D: null });
});

Deno.test("a faulty server never hides the others", async () => {
  const file = await readFile({ mcpServers: { bad: { command: 5 }, worse: 7, good: { command: "c" } } });
  assertEquals([...file.servers.keys()], ["good"]);
  assertEquals(file.faulty, ["bad", "worse"]);
  assertEquals(file.readable, true);
});

Deno.test("a fault names file, line, column, server, key and what is allowed", async () => {
  const file = await readFile(`{
  "mcpServers": {
    "shop": {
      "command": "node",
      "args": ["a", {}]
    }
  }
}`);
  assertEquals(file.lines, [
    'mcp.json:5:21: server "shop": args[1] is an object; allowed: an array of strings',
  ]);
});

Deno.test("each wrong value is a fault that says what is allowed, and shows no secret", async () => {
  const cases: [object, RegExp][] = [
    [{ command: "" }, /command is ""; allowed: the name or path of a program/],
    [{ command: "c", env: { TOKEN: ["hush"] } }, /env\.TOKEN is an array; allowed: an object of names/],
    [{ command: "c", cwd: 5 }, /cwd is 5; allowed: the path of a directory/],
    [{ command: "c", share: "all" }, /share is "all"; allowed: auto, machine, project, window, session/],
    [{ command: "c", cwdFree: "yes" }, /cwdFree is "yes"; allowed: true or false/],
    [{ command: "c", include: "a" }, /include is "a"; allowed: an array of tool names/],
    [{ command: "c", rename: { a: "b c" } }, /rename\.a is a text; allowed: .*64/],
    [{ command: "c", rename: { a: "x", b: "x" } }, /rename\.b is "x", which another tool/],
    [{ command: "c", prefix: "a b" }, /prefix is "a b"; allowed: at most 32/],
    [{ command: "c", maxInflight: 0 }, /maxInflight is 0; allowed: a whole number from 1/],
    [{ command: "c", callTimeoutMs: 1.5 }, /callTimeoutMs is 1.5; allowed: a whole number/],
    [{ command: "c", type: "http" }, /type is "http"; allowed: "stdio" for a command/],
    [{ url: "http://x/", type: "stdio" }, /type is "stdio"; allowed: "http"/],
    [{ url: "ws://x/" }, /url is no such URL; allowed: a URL that starts with http/],
    [{ url: "http://x/", headers: { "a b": "c" } }, /headers\.a b is no HTTP header/],
    [{ url: "http://x/", headers: { A: "hush\nB: c" } }, /headers\.A is no HTTP header/],
    [{ command: "c", url: "http://x/" }, /url stands beside command/],
    [{}, /has neither command nor url/],
    [{ comand: "c" }, /comand is no key that EXAI reads; write command in its place/],
    [{ command: "c", envFile: "none.env" }, /envFile cannot be read/],
    [{ command: "c", shared: "machine" }, /shared is no key that EXAI reads; write share$/],
    [{ command: "c", maxInFlight: 2 }, /maxInFlight is no key that EXAI reads; write maxInflight$/],
    [{ command: "c", "call-timeout-ms": 1 }, /call-timeout-ms .* write callTimeoutMs$/],
    [{ url: "http://x/", header: {} }, /header is no key that EXAI reads; write headers$/],
  ];
  for (const [entry, expected] of cases) {
    const lines = await faultsOf(entry);
    assertMatch(lines.join("\n"), expected, JSON.stringify(entry));
    assert(!lines.join().includes("hush"), lines.join());
  }
});

Deno.test("a variable that cannot be filled in is a fault that says what to write", async () => {
  const cases: [string, RegExp][] = [
    [
      "${env:NOT_SET}",
      /args\[0\] needs the environment variable NOT_SET, which is not set; .*\$\{env:NOT_SET:-default\}/,
    ],
    ["${NOT_SET}", /needs the environment variable NOT_SET/],
    ["${input:api-key}", /args\[0\] asks an editor .*\$\{env:API_KEY\}.*\$\{file:~\/PATH\}/],
    [
      "${file:none}",
      /args\[0\] names \$\{file:none\}, which cannot be read: \/.*none is not there; write the value into it/,
    ],
    ["${config:a.b}", /holds \$\{config:a\.b\}, which means nothing here; allowed: .*\$\{env:NAME\}/],
    ["${cwd:web}", /means nothing here/],
  ];
  for (const [value, expected] of cases) {
    const lines = await faultsOf({ command: "c", args: [value] });
    assertEquals(lines.length, 1);
    assertMatch(lines[0]!, expected);
  }
});

Deno.test("what is no JSON is a fault at its line, and says nothing about any server", async () => {
  const cases: [string, RegExp][] = [
    ['{\n  "mcpServers": {\n    "a" 5\n}}', /^mcp\.json:3:9: a colon is expected/],
    ['{ "mcpServers": {} ', /^mcp\.json:1:\d+: a closing } is expected/],
    ["[]", /^mcp\.json:1:1: the file must hold one/],
    ['{ "mcpServers": "x" }', /^mcp\.json:1:17: mcpServers must be an object/],
    ['{ "mcpserver": {} }', /^mcp\.json:1:\d+: has mcpserver where mcpServers is meant/],
    ['{ "a": {} }', /^mcp\.json:1:1: has no mcpServers; allowed:/],
  ];
  for (const [text, expected] of cases) {
    const file = await readFile(text);
    assertEquals([file.readable, file.servers.size], [false, 0], text);
    assertMatch(file.lines.join("\n"), expected);
  }
});

Deno.test("keys of other clients pass; one that no program is known to have is warned about", async () => {
  const { warned, lines, servers } = await readFile({
    mcpServers: { s: { command: "c", alwaysAllow: ["x"], version: "1", excludeTools: ["y"], fancy: 1 } },
  });
  assertEquals([lines, servers.size], [[], 1]);
  assertEquals(warned.length, 1);
  assertMatch(warned[0]!, /fancy is no key that EXAI reads; it is ignored$/);
});

Deno.test("keys of other programs are no faults", async () => {
  const keys = [
    "name source link transport timeout_ms startup_timeout_sec tool_timeout_sec headersHelper note oauth registry",
    "apiKey remote trust metadata autoApprove alwaysAllow gallery version tools description",
    "_comment comment title icons id scope auth",
  ].flatMap((line) => line.split(" "));
  for (const key of keys) assertEquals(await faultsOf({ command: "c", [key]: "x" }), [], key);
});

Deno.test("a server's name is made fit for the catalog; no two are the same and none is exai", async () => {
  const entry = { command: "c" };
  const file = await readFile({
    mcpServers: {
      "My Server": entry,
      "github.com/a/b": entry,
      "my server": entry,
      "My-Server": entry,
      exai: entry,
      "日本": entry,
      "--": entry,
      "": entry,
    },
  });
  assertEquals([...file.servers.keys()], ["My-Server", "github-com-a-b", "my-server", "server-0qmsg4k"]);
  assertEquals(file.servers.get("My-Server")?.title, "My Server");
  assertEquals(file.lines.length, 4);
  assertMatch(file.lines[0]!, /server "My-Server": has the same name as "My Server"/);
  assertMatch(file.lines[1]!, /server "exai": has the name of EXAI's own tools/);
  assertMatch(file.lines[2]!, /needs a name with letters or digits/);
});

Deno.test("what stands twice is warned about, and mcpServers goes before servers", async () => {
  const file = await readFile(
    '{"mcpServers":{"a":{"command":"x"},"a":{"command":"y"}},"servers":{"a":{"command":"z"}}}',
  );
  assertEquals(file.servers.size, 1);
  assertEquals(asStdio(file.servers.get("a")).command, "y");
  assertEquals(file.warned.length, 2);
});

Deno.test("a file that may not be read is a fault, not an empty configuration", async () => {
  const dir = await Deno.makeTempDir();
  const file = await readServers(dir, { env: {} });
  await Deno.remove(dir);
  assertEquals(file.readable, false);
  assertMatch(formatFault(file.faults[0]!), /cannot be read/);
});

Deno.test("the schema for editors is draft 7 and describes every key", () => {
  const schema = serversJsonSchema() as {
    $schema: string;
    definitions: { server: { anyOf: { properties: Record<string, { description?: string }> }[] } };
  };
  assertMatch(schema.$schema, /draft-07/);
  for (const { properties } of schema.definitions.server.anyOf) {
    for (const [key, { description }] of Object.entries(properties)) assert(description, key);
    assert("share" in properties && "idleStopMs" in properties);
  }
});

Deno.test("mcp.json stands where EXAI_CONFIG says, or in EXAI_HOME, or in the system's place", () => {
  assertEquals(statePaths({ home: "/h", config: "/c/my.json" }).config, "/c/my.json");
  assertEquals(statePaths({ home: "/h" }).config, join("/h", "mcp.json"));
  assertMatch(statePaths({ home: "" }).config, /exai[/\\]mcp\.json$/);
});
