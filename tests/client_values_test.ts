import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { redact } from "../lib/base/log.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { commandIn, commandOf, readFile, readOne, readSilent, remoteIn } from "./helpers/read_servers.ts";

Deno.test("a variable in env that is not set is left out with a warning, and the server is mounted", async () => {
  const file = await readOne({
    command: "c",
    env: { A: "${NOT_SET}", B: "x", C: "Bearer ${env:NOT_SET_TOO}", D: "${NOT_SET:-d}", E: "${EMPTY}" },
  }, { env: { EMPTY: "" } });
  assertEquals(commandIn(file).env, { B: "x", D: "d", E: "" });
  assertEquals(file.warned.length, 2);
  assertMatch(file.warned[0]!, /env\.A is left out, as the environment variable NOT_SET is not set/);
});

Deno.test("a variable in command, args, url or headers that is not set is refused by its name", async () => {
  const entries: [JsonObject, RegExp][] = [
    [{ command: "${NOT_SET}/x" }, /command needs the environment variable NOT_SET/],
    [{ command: "c", args: ["--key", "${NOT_SET}"] }, /args\[1\] needs the environment variable NOT_SET/],
    [{ url: "https://x.example/${NOT_SET}" }, /url needs the environment variable NOT_SET/],
    [{ url: "https://x.example", headers: { A: "${NOT_SET}" } }, /headers\.A needs the environment variable/],
    [{ command: "c", cwd: "${NOT_SET}" }, /cwd needs/],
  ];
  for (const [entry, expected] of entries) {
    const { lines, faults, faulty } = await readOne(entry);
    assertMatch(lines.join("\n"), expected);
    assertEquals([faults[0]!.unset, faulty], ["NOT_SET", ["s"]]);
  }
});

Deno.test("the names that clients have for the workspace mean the window's directory", async () => {
  const names = [
    "workspaceFolder",
    "workspaceRoot",
    "workspacePath",
    "cwd",
    "CLAUDE_PROJECT_DIR",
    "env:CLAUDE_PROJECT_DIR",
  ];
  const { args } = await commandOf({ args: [...names.map((name) => `\${${name}}/a`), "$PROJECT_DIR$/a"] });
  assertEquals(args, Array(7).fill("/work/shop/a"));
});

Deno.test("the root of a plugin is that of the file, or is asked for by name", async () => {
  const entry = { command: "node", args: ["${CLAUDE_PLUGIN_ROOT}/server.js"] };
  const { lines } = await readOne(entry);
  assertMatch(
    lines.join(),
    /args\[0\] holds \$\{CLAUDE_PLUGIN_ROOT\}, a directory of a client's plugin, which only/,
  );
  const inPlugin = commandIn(await readOne(entry, { files: { ".claude-plugin/plugin.json": "{}" } }));
  assertMatch(inPlugin.args[0]!, /exai-config-[^/]*\/server\.js$/);
  const gemini = { command: "node", args: ["${extensionPath}${/}server.js"] };
  assertMatch((await readOne(gemini)).lines.join(), /args\[0\] holds \$\{extensionPath\}/);
  assertEquals((await readOne(gemini, { files: { "gemini-extension.json": "{}" } })).lines, []);
  const set = await readOne(entry, { env: { CLAUDE_PLUGIN_ROOT: "/plugins/x" } });
  assertEquals(commandIn(set).args, ["/plugins/x/server.js"]);
});

Deno.test("a variable in args that the entry's own env sets is that one", async () => {
  const { args, env } = await commandOf({
    args: ["mcp-remote", "--header", "Authorization:${AUTH}", "${env:AUTH}", "$AUTH", "${DIR}"],
    env: { AUTH: "Bearer ${TOKEN}", DIR: "${workspaceFolder}/x", ALSO: "${AUTH}!" },
  }, { env: { TOKEN: "abc${x}", AUTH: "of the daemon" } });
  const bearer = "Bearer abc${x}";
  assertEquals(args, ["mcp-remote", "--header", `Authorization:${bearer}`, bearer, bearer, "/work/shop/x"]);
  assertEquals(env, { AUTH: bearer, DIR: "/work/shop/x", ALSO: "of the daemon!" });
  const url = {
    url: "https://${HOST}/mcp",
    headers: { A: "Bearer ${T}" },
    env: { T: "own", HOST: "x.example" },
  };
  const { headers, ...remote } = remoteIn(await readSilent(url));
  assertEquals([remote.url, headers], ["https://x.example/mcp", { A: "Bearer own" }]);
  const chained = await commandOf({ env: { B: "${A}", A: "1", C: "${C}x", D: "${E}", E: "${D}" } });
  assertEquals(chained.env, { B: "1", A: "1" });
});

Deno.test("a value that an editor is to ask for is refused, with the id that was most likely meant", async () => {
  const entry = { command: "c", env: { T: "${input:tokn}" } };
  const inputs = [{ type: "promptString", id: "token", password: true }, 5];
  const file = await readFile({ servers: { s: entry }, inputs });
  assertMatch(
    file.lines.join(),
    /env\.T asks an editor .*\$\{input:tokn\} \(inputs has "token"\), .*\$\{env:TOKN\}/,
  );
  const declared = { command: "c", env: { T: "${input:token}" } };
  assertEquals(
    (await readFile({ servers: { s: declared }, inputs })).lines.join().includes("inputs has"),
    false,
  );
});

Deno.test("a secret that stands in the braces in place of a name is never shown", async () => {
  const secrets = [
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "sk-proj-abcDEF123456",
    "xoxb-17653672481-19874698323",
    "AKIAIOSFODNN7EXAMPLE",
    "c3VwZXJzZWNyZXR0b2tlbjEyMw",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "hunter2 with spaces",
    "d41d8cd98f00b204e9800998ecf8427e",
    "QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
    "glpat-xxXXxxXXxxXXxxXXxxXX",
    "github_pat_11ABCDEFG0abcdefghijkl_mnopqrstuvwxyz",
  ];
  for (const secret of secrets) {
    for (
      const text of ["env:", "", "input:", "file:", "Env:"].map((kind) => `Bearer \${${kind}${secret}}`)
    ) {
      for (
        const entry of [{ command: "c", env: { T: text } }, {
          url: "https://x.example",
          headers: { A: text },
        }]
      ) {
        const { lines, warned, faults } = await readOne(entry);
        assertEquals([lines.length, warned.length], [1, 0], text);
        assert(!JSON.stringify([lines, faults]).includes(secret), lines[0]);
        assert(!redact(`a line with ${secret} in it`).includes(secret), `${secret} is kept out of the log`);
      }
    }
  }
  for (
    const name of [
      "GITHUB_TOKEN",
      "AZURE_OPENAI_API_VERSION_2024_02_01",
      "http_proxy",
      "S3_KEY",
      "myToken",
      "OAUTH2_ID",
    ]
  ) {
    assertStringIncludes((await readOne({ command: "${" + name + "}" })).lines.join(), name);
  }
});

Deno.test("what is plain is taken: null, numbers, an empty cwd, one argument as a text, pairs in arrays", async () => {
  const file = await readSilent({
    type: null,
    command: "c",
    args: ["--port", 8080, true],
    env: ["A=1=2", { name: "B", value: 2 }],
    headers: null,
    cwd: "",
    envFile: null,
    disabled: null,
    timeout: null,
    _comment: "mine",
  });
  const { args, env, cwd } = commandIn(file);
  assertEquals([args, env, cwd], [["--port", "8080", "true"], { A: "1=2", B: "2" }, "/work/shop"]);
  assertEquals((await commandOf({ args: "--stdio" })).args, ["--stdio"]);
  assertMatch(
    (await readOne({ command: "c", args: "-y x" })).lines.join(),
    /args is one text with spaces; write an array/,
  );
  const headers = await readSilent({ url: "https://x.example", headers: ["Authorization: Bearer x"] });
  assertEquals(remoteIn(headers).headers, { Authorization: "Bearer x" });
  const wrong = (await readOne({ command: "c", env: ["hush"] })).lines.join();
  assertMatch(wrong, /env\[0\] is neither NAME=value/);
  assert(!wrong.includes("hush"));
});

Deno.test("a whole command line in command is taken apart, and a path with spaces never", async () => {
  const lines: [object, string, string[]][] = [
    [{ command: "npx -y some-server" }, "npx", ["-y", "some-server"]],
    [{ command: "npx -y some-server", args: ["--a b"] }, "npx", ["-y", "some-server", "--a b"]],
    [{ command: `node "/srv/my server/x.js" 'a b' --c="d e"` }, "node", [
      "/srv/my server/x.js",
      "a b",
      "--c=d e",
    ]],
    [{ command: '"C:\\Program Files\\x\\y.exe" --stdio' }, "C:\\Program Files\\x\\y.exe", ["--stdio"]],
    [
      { command: "/Users/u/Library/Application Support/x/server" },
      "/Users/u/Library/Application Support/x/server",
      [],
    ],
    [{ command: "C:\\Program Files\\x\\y.exe", args: ["a"] }, "C:\\Program Files\\x\\y.exe", ["a"]],
    [{ command: "/bin/sh /srv/x.sh" }, "/bin/sh", ["/srv/x.sh"]],
    [{ command: "C:\\Program Files\\n\\npx.cmd -y x" }, "C:\\Program Files\\n\\npx.cmd", ["-y", "x"]],
    [{ command: "${userHome}/no such/server" }, "HOME/no such/server", []],
  ];
  for (const [entry, program, args] of lines) {
    const config = commandIn(await readSilent(entry));
    const command = config.command.replace(/^.*exai-config-[^/]*/, "HOME");
    assertEquals([command, config.args], [program, args], JSON.stringify(entry));
  }
  for (
    const text of ["cd /srv && node x.js", "TOKEN=hush node x.js", "node x.js | tee log", "node x.js > log"]
  ) {
    const { lines } = await readOne({ command: text });
    assertMatch(lines.join(), /command is a line of a shell .*"command": "sh", "args": \["-c"/);
    assert(!lines.join().includes("hush"));
  }
});

Deno.test("variables in other programs' spelling are taken where they are set, and named where not", async () => {
  const env = { TOKEN: "t", HOME_DIR: "/h", APPDATA: "/roaming" };
  const spellings = [
    "{env:TOKEN}",
    "$TOKEN",
    "%TOKEN%",
    "${env.TOKEN}",
    "$env:TOKEN",
    "${{ secrets.TOKEN }}",
  ];
  const { args } = await commandOf({ args: [...spellings, "$HOME_DIR/x", "%AppData%\\x", "--key=$TOKEN"] }, {
    env,
  });
  assertEquals(args, ["t", "t", "t", "t", "t", "t", "/h/x", "/roaming\\x", "--key=t"]);
  const literal = ["pa$SWORD", "$1", "100%", "%20a%20b%20", "a$b", "$lower", '{"env":1}', "$${TOKEN}"];
  assertEquals((await commandOf({ args: literal }, { env: { SWORD: "no" } })).args, [
    ...literal.slice(0, -1),
    "${TOKEN}",
  ]);
  assertEquals((await readSilent({ command: "c", args: ["50%off%", "x%aF1%2F"] })).lines, []);
  const windows = await readOne({ command: "c", env: { A: "%NOT_SET%\\x" } });
  assertMatch(windows.warned.join(), /env\.A holds NOT_SET as a shell/);
  const unset = await readOne({ command: "c", env: { A: "$NOT_SET", B: "x" } });
  assertEquals(commandIn(unset).env, { A: "$NOT_SET", B: "x" });
  assertMatch(
    unset.warned.join(),
    /env\.A holds NOT_SET as a shell writes a variable; .*write \$\{env:NOT_SET\}/,
  );
  const shell = await readSilent({ command: "sh", args: ["-c", "TOKEN=own; echo $TOKEN"] }, { env });
  assertEquals(commandIn(shell).args[1], "TOKEN=own; echo $TOKEN");
  const file = await commandOf({ env: { A: "{file:secret.txt}" } }, {
    files: { "secret.txt": "s3cret-value\n" },
  });
  assertEquals(file.env, { A: "s3cret-value" });
});

Deno.test("what is no MCP server is recognized by its name", async () => {
  const refused: [object, RegExp][] = [
    [
      { command: "curl", args: ["-s", "https://api.example/health?key=hush"] },
      /starts curl, which is no MCP server/,
    ],
    [{ command: "/usr/bin/curl", args: ["https://x"] }, /starts curl/],
    [{ command: "cmd", args: ["/c", "curl", "https://x"] }, /starts curl/],
    [{ command: "bash", args: ["-c", "curl -s https://x | jq ."] }, /starts curl/],
    [{ command: "psql", args: ["postgres://u:hush@h/d"] }, /starts psql/],
    [{ command: "docker", args: ["exec", "-i", "db", "psql", "-U", "me"] }, /starts psql/],
    [{ command: "docker", args: ["compose", "exec", "-T", "cache", "redis-cli"] }, /starts redis-cli/],
    [
      { command: "uvicorn", args: ["app:app", "--reload"] },
      /starts uvicorn, .* speaks HTTP; start it yourself/,
    ],
    [{ command: "python", args: ["-m", "uvicorn", "app:app"] }, /starts uvicorn/],
    [{ command: "python3", args: ["-m", "http.server", "80"] }, /starts http-server/],
    [{ command: "kubectl", args: ["exec", "-i", "pod", "--", "psql"] }, /starts psql/],
    [{ command: "uv", args: ["run", "uvicorn", "app:app"] }, /starts uvicorn/],
    [
      { command: "@modelcontextprotocol/server-github", args: [] },
      /is the name of an npm package, not of a program; write "command": "npx", "args": \["-y", "@modelc/,
    ],
    [{ url: "mysql://u:hush@h/d", type: "mysql" }, /is the address of "mysql", which is no MCP server/],
    [{ type: "redis", url: "redis://h" }, /is the address of "redis"/],
    [{ link: "https://github.com/x/y.git" }, /has neither command nor url/],
  ];
  for (const [entry, expected] of refused) {
    const { lines, servers } = await readOne(entry);
    assertMatch(lines.join(), expected, JSON.stringify(entry));
    assertEquals([servers.size, lines.join().includes("hush")], [0, false]);
  }
  const missing = await readOne({
    command: "npx",
    args: ["-y", "@modelcontextprotocol/server-fetch@latest"],
  });
  assertMatch(
    missing.warned.join(),
    /server-fetch", which the npm registry does not have; the server is "uvx mcp-server-fetch"/,
  );
  for (
    const [program, ...args] of [
      ["docker", "run", "-i", "mcp/postgres"],
      ["docker", "exec", "-i", "box", "node", "server.js"],
      ["npx", "-y", "curl-mcp-server"],
      ["kubectl", "exec", "-i", "pod", "psql"],
      ["uv", "sync", "uvicorn"],
      ["bash", "-c", "curl -s https://x > /dev/null; exec node server.js"],
      ["uvx", "mcp-server-fetch"],
      ["psql-mcp"],
    ]
  ) await readSilent({ command: program, args });
});
