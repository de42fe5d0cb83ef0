import { assertEquals, assertMatch } from "@std/assert";
import { convertEntry } from "../lib/config/servers/shapes/convert_entry.ts";
import { commandIn, commandOf, readFile, readOne, readSilent, remoteIn } from "./helpers/read_servers.ts";

Deno.test("lists of allowed and disabled tools become include and exclude, whatever the client calls them", async () => {
  for (
    const key of ["tools", "allowedTools", "enabledTools", "includeTools", "enabled_tools", "include_tools"]
  ) {
    const { tools } = commandIn(await readSilent({ command: "c", [key]: ["read", "run(git status)"] }));
    assertEquals([tools.include, tools.exclude], [["read", "run"], []], key);
  }
  for (const key of ["disabledTools", "excludeTools", "disabled_tools", "exclude_tools"]) {
    assertEquals(
      commandIn(await readSilent({ command: "c", [key]: ["write"] })).tools.exclude,
      ["write"],
      key,
    );
  }
  assertEquals(commandIn(await readSilent({ command: "c", tools: ["*"] })).tools.include, undefined);
  assertEquals(commandIn(await readSilent({ command: "c", tools: { a: true, b: false } })).tools.exclude, [
    "b",
  ]);
  const none = await readOne({ command: "c", tools: [] });
  assertEquals([commandIn(none).tools.include, none.warned.length], [[], 1]);
  assertMatch((await readOne({ command: "c", tools: 5 })).lines.join(), /tools is no array of tool names/);
});

Deno.test("what a client runs without a question draws no warning and hides no tool", async () => {
  const file = await readSilent({
    command: "c",
    alwaysAllow: ["a"],
    autoApprove: [],
    trust: true,
    default_tools_approval_mode: "approve",
    tools: { delete: { approval_mode: "prompt" } },
  });
  assertEquals(commandIn(file).tools, { include: undefined, exclude: [], rename: {}, prefix: "" });
  const claude = await readSilent({
    url: "https://x.example/mcp",
    tools: [{ name: "a", permission_policy: "always_ask" }],
  });
  assertEquals(remoteIn(claude).tools.include, undefined);
});

Deno.test("every spelling of a transport is taken", async () => {
  for (const type of ["local", "stdio", "STDIO", "command"]) {
    assertEquals(commandIn(await readSilent({ type, command: "c" })).command, "c", type);
  }
  const http = [
    "http",
    "HTTP",
    "streamable",
    "streamableHTTP",
    "streamable-http",
    "streamable_http",
    "Streamable HTTP",
  ];
  for (const type of http) {
    const { kind, fallBackToSse } = remoteIn(await readSilent({ type, url: "https://x.example/mcp" }));
    assertEquals([kind, fallBackToSse], ["http", false], type);
  }
  const open = remoteIn(await readSilent({ type: "remote", url: "https://x.example/mcp" }));
  assertEquals([open.kind, open.fallBackToSse], ["http", true]);
  assertEquals(remoteIn(await readSilent({ transport: "SSE", url: "https://x.example/sse" })).kind, "sse");
  const nested = { transport: { type: "http", url: "https://x.example/mcp", headers: { A: "b" } } };
  assertEquals(remoteIn(await readSilent(nested)).headers, { A: "b" });
  for (const key of ["httpUrl", "serverUrl", "server_url", "uri", "endpoint"]) {
    assertEquals(
      remoteIn(await readSilent({ [key]: "https://x.example/mcp" })).url,
      "https://x.example/mcp",
      key,
    );
  }
  const every = {
    command: "",
    args: [],
    env: {},
    cwd: null,
    headers: {},
    type: "http",
    url: "https://x.example/mcp",
  };
  assertEquals(remoteIn(await readSilent(every)).kind, "http");
  assertEquals(commandIn(await readSilent({ command: "c", url: "", headers: {} })).command, "c");
  const either = { command: "c", args: ["a"], url: "https://x.example/mcp" };
  const [program, address] = [
    await readOne({ ...either, type: "stdio" }),
    await readOne({ ...either, type: "sse" }),
  ];
  assertEquals([commandIn(program).args, remoteIn(address).kind], [["a"], "sse"]);
  assertEquals([program.warned.length, address.warned.length], [1, 1]);
  const both = await readOne({ httpUrl: "https://x.example/mcp", url: "https://x.example/sse" });
  assertEquals([remoteIn(both).url, both.warned.length], ["https://x.example/mcp", 1]);
});

Deno.test("servers are found under the names and in the shapes that clients have for them", async () => {
  const url = { url: "https://x.example/mcp" };
  const files: object[] = [
    { servers: [{ name: "s", ...url }] },
    { mcpServers: [{ name: "s", uri: url.url }] },
    { mcp: { s: { type: "remote", ...url }, timeout: 5 } },
    { mcp: { servers: { s: url } } },
    { mcp_servers: { s: url } },
    { context_servers: { s: { source: "custom", ...url } } },
    { context_servers: { s: { settings: url } } },
    { mcpServers: { mcpServers: { s: url } } },
    { mcpServers: { servers: { s: url } } },
    { "augment.advanced": { mcpServers: [{ name: "s", ...url }] } },
    { s: url },
    { _comment: "mine", s: url },
    { mcpServers: { _comment: "mine", "//": "more", s: url }, theme: "dark" },
  ];
  for (const content of files) {
    const file = await readFile(content);
    assertEquals([...file.servers.keys()], ["s"], JSON.stringify([content, file.lines]));
    assertEquals([remoteIn(file).url, file.warned], [url.url, []]);
  }
  const opencode = await readFile({
    mcp: { s: { type: "local", command: ["npx", "-y", "x"], environment: { A: "b" } } },
  });
  const { command, args, env } = commandIn(opencode);
  assertEquals([command, args, env], ["npx", ["-y", "x"], { A: "b" }]);
  const zed = await readFile({
    context_servers: { s: { command: { path: "/bin/x", args: ["a"], env: { A: "b" } } } },
  });
  assertEquals([commandIn(zed).command, commandIn(zed).args, commandIn(zed).env], ["/bin/x", ["a"], {
    A: "b",
  }]);
});

Deno.test("servers of single directories in a state file of Claude Code are named as not read", async () => {
  const projects = { "/work/shop": { mcpServers: { a: { command: "c" } }, history: [] } };
  const { servers, lines, warned } = await readFile({
    numStartups: 3,
    mcpServers: { s: { command: "c" } },
    projects,
  });
  assertEquals([[...servers.keys()], lines, warned.length], [["s"], [], 1]);
  assertMatch(
    warned[0]!,
    /projects holds servers of single directories, which are not read; `exai-daemon adopt`/,
  );
  const empty = await readFile({ $schema: "https://opencode.ai/config.json", mcp: {} });
  assertEquals([empty.lines, empty.servers.size], [[], 0]);
});

Deno.test("a file of another kind is named as what it is", async () => {
  const files: [string, RegExp][] = [
    ['[mcp_servers.x]\ncommand = "npx"\n', /is TOML, as Codex's config\.toml.*exai-daemon adopt/],
    ["mcpServers:\n  x:\n    command: npx\n", /is YAML/],
    ['{"mcpServers": {}} [x]', /^mcp\.json:1:20: nothing is expected after/],
    ["it is in\n/srv/mcp.json", /no JSON value/],
    ["../../shared/mcp.json\n", /nothing but a path: a symbolic link/],
    ['<?xml version="1.0"?>\n<a/>', /is XML/],
    ['{\n<<<<<<< HEAD\n  "mcpServers": {}\n=======\n>>>>>>> x\n}', /marks of a merge/],
    ['{ "command": "npx" }', /is one server without a name/],
    ['{\n  "mcpServers": {\n    "a": {', /mcp\.json:3:\d+: a closing } is expected/],
    ['{ "mcpServers": [{ "command": "c" }] }', /mcpServers\[0\]": needs a name/],
  ];
  for (const [text, expected] of files) {
    const { lines, servers } = await readFile(text);
    assertMatch(lines.join("\n"), expected, text);
    assertEquals(servers.size, 0);
  }
});

Deno.test("a server that its client has switched off is not mounted", async () => {
  for (
    const off of [{ enabled: false }, { isActive: false }, { disable: true }, {
      disabled: true,
      enabled: true,
    }]
  ) {
    const file = await readOne({ command: "c", ...off });
    assertEquals([file.disabled, file.servers.size, file.lines], [["s"], 0, []], JSON.stringify(off));
  }
  for (const on of [{ enabled: true }, { enabled: null }, { disabled: false, enabled: true }]) {
    assertEquals((await readSilent({ command: "c", ...on })).servers.size, 1, JSON.stringify(on));
  }
  assertMatch(
    (await readOne({ command: "c", enabled: "false" })).lines.join(),
    /enabled is "false"; allowed: true or false/,
  );
  const servers = { a: { command: "c" }, b: { command: "c" } };
  assertEquals((await readFile({ mcpServers: servers, mcp: { excluded: ["a"] } })).disabled, ["a"]);
  assertEquals((await readFile({ mcpServers: servers, mcp: { allowed: ["a"] } })).disabled, ["b"]);
  assertEquals((await readFile({ mcpServers: servers, disabledMcpServers: ["b"] })).disabled, ["b"]);
});

Deno.test("time limits are converted by name, by client and by size, and one that may be either is named", async () => {
  const limits = async (entry: object) => {
    const { callTimeoutMs, startTimeoutMs } = await commandOf(entry);
    return [callTimeoutMs, startTimeoutMs];
  };
  assertEquals(await limits({ tool_timeout_sec: 90, startup_timeout_sec: 12.5 }), [90_000, 12_500]);
  assertEquals(await limits({ timeout_ms: 7000 }), [7000, 60_000]);
  assertEquals(await limits({ timeout: 60 }), [60_000, 60_000]);
  assertEquals(await limits({ timeout: 30_000 }), [30_000, 60_000]);
  assertEquals(await limits({ timeout: "45" }), [45_000, 60_000]);
  assertEquals(await limits({ timeout: { startup: 9000, request: 8000 } }), [8000, 9000]);
  const unclear = await readOne({ command: "c", timeout: 1800 });
  assertEquals(commandIn(unclear).callTimeoutMs, undefined);
  assertMatch(
    unclear.warned.join(),
    /timeout is 1800, which may be seconds or milliseconds; .*1800000 or 1800/,
  );
  const inOpencode = await readFile({ mcp: { s: { type: "local", command: ["c"], timeout: 500 } } });
  assertEquals(commandIn(inOpencode).callTimeoutMs, 500);
  const copied = [{ trust: true }, { alwaysAllow: [] }, { environment: {} }];
  const limit = async (more: object) => (await limits({ timeout: 1800, ...more }))[0];
  assertEquals(await Promise.all(copied.map(limit)), [1800, 1_800_000, 1800]);
  assertEquals(convertEntry({ command: "c", timeout: 60 }, "claude-code").entry, { command: "c" });
  const ofClient = (dialect: Parameters<typeof convertEntry>[1]) =>
    convertEntry({ command: "c", timeout: 1800 }, dialect).entry.callTimeoutMs;
  assertEquals([ofClient("cline"), ofClient("roo"), ofClient("gemini"), ofClient("claude-code")], [
    1_800_000,
    1_800_000,
    1800,
    1800,
  ]);
});

Deno.test("a way to authenticate that EXAI does not go is refused, never left out in silence", async () => {
  const url = "https://x.example/mcp";
  const refused: [object, RegExp][] = [
    [{ uri: url, apiKey: "hush-hush" }, /apiKey is not sent; write "headers"/],
    [{ url, bearer_token_env_var: "hush hush" }, /bearer_token_env_var is no name of a variable/],
  ];
  for (const [entry, expected] of refused) {
    const { lines, servers } = await readOne(entry);
    assertMatch(lines.join(), expected);
    assertEquals([servers.size, lines.join().includes("hush-hush")], [0, false]);
  }
  const codex = await readSilent({
    url,
    bearer_token_env_var: "T",
    http_headers: { "X-A": "1" },
    env_http_headers: { "X-B": "B" },
  }, { env: { T: "t", B: "b" } });
  assertEquals(remoteIn(codex).headers, { "X-A": "1", "Authorization": "Bearer t", "X-B": "b" });
  const forwarded = await readSilent({ command: "c", env_vars: ["A", { name: "B" }], env: { A: "own" } }, {
    env: { B: "b" },
  });
  assertEquals(commandIn(forwarded).env, { A: "own", B: "b" });
  await readSilent({ url, oauth: false, headers: {} });
});

Deno.test("a file in UTF-16 or Latin-1 is read", async () => {
  const text = '{"mcpServers": {"s": {"command": "c", "args": ["Grüße"]}}}';
  const units = Uint16Array.from(text, (char) => char.charCodeAt(0));
  const little = new Uint8Array(units.buffer);
  const big = Uint8Array.from(little, (_, i) => little[i ^ 1]!);
  for (
    const bytes of [Uint8Array.of(0xff, 0xfe, ...little), little, Uint8Array.of(0xfe, 0xff, ...big), big]
  ) {
    const file = await readFile(bytes);
    assertEquals([commandIn(file).args, file.warned], [["Grüße"], []]);
  }
  const latin = await readFile(Uint8Array.from(text, (char) => char.charCodeAt(0)));
  assertEquals(commandIn(latin).args, ["Grüße"]);
  assertMatch(latin.warned.join(), /is no UTF-8 and was read as Windows-1252; save it as UTF-8/);
});

Deno.test("servers with Chinese names and emoji are mounted, each under a name of its own that stays", async () => {
  const entry = { command: "c" };
  const titles = ["文件", "数据 db", "文档 db", "🚀", "Ünï"];
  const first = await readFile({ mcpServers: Object.fromEntries(titles.map((title) => [title, entry])) });
  assertEquals([first.lines, first.servers.size], [[], 5]);
  const again = await readFile({ mcpServers: { "🚀": entry, "文件": entry } });
  for (const [name, { title }] of again.servers) assertEquals(first.servers.get(name)?.title, title);
});

Deno.test("what stands twice is named with its line, in the file, the section and the entry", async () => {
  const { warned, servers } = await readFile(`{
  "mcpServers": { "a": { "command": "x" } },
  "mcpServers": {
    "b": { "command": "x", "env": { "A": "1" },
      "env": {} }
  }
}`);
  assertEquals([...servers.keys()], ["b"]);
  assertEquals(warned.length, 2);
  assertMatch(
    warned[0]!,
    /mcp\.json:\d+:\d+: mcpServers stands twice; the last one counts, and what the other holds/,
  );
  assertMatch(warned[1]!, /mcp\.json:\d+:\d+: server "b": env stands twice/);
});

Deno.test("the place of a fault is the one in the file, whatever the value is called here", async () => {
  const file = await readFile(`{ "mcp": { "s": {
    "type": "local",
    "command": ["c",
      "\${NOT_SET}"],
    "environment": {
      "A": { "b": 1 } }
  } } }`);
  assertMatch(file.lines.join("\n"), /^mcp\.json:6:12: server "s": environment\.A is an object/m);
  const unset = await readFile(`{ "mcp": { "s": { "command": ["c",\n "\${NOT_SET}"] } } }`);
  assertMatch(unset.lines.join("\n"), /^mcp\.json:2:2: server "s": command\[1\] needs/);
});

Deno.test("a conversion says what became of each key, and what a person has to give", () => {
  const { entry, notes } = convertEntry({
    type: "local",
    command: "npx -y x",
    environment: { T: "${input:token}", R: "${CLAUDE_PLUGIN_ROOT}/x" },
    alwaysAllow: ["a"],
    disabledTools: ["b"],
    timeout: 30,
    enabled: false,
    oauth: {},
  }, "cline");
  assertEquals(entry, {
    type: "stdio",
    command: "npx",
    args: ["-y", "x"],
    env: { T: "${input:token}", R: "${CLAUDE_PLUGIN_ROOT}/x" },
    exclude: ["b"],
    callTimeoutMs: 30_000,
    disabled: true,
  });
  assertEquals(
    notes.map(({ kind, path, variable }) => [kind, path.join("."), ...variable ? [variable] : []]),
    [
      ["converted", "command"],
      ["kept", "alwaysAllow"],
      ["converted", "disabledTools"],
      ["converted", "enabled"],
      ["changed", "timeout"],
      ["asked", "environment.T", "input:token"],
      ["asked", "environment.R", "CLAUDE_PLUGIN_ROOT"],
    ],
  );
});
