import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { pathOf } from "../lib/adopt/find.ts";
import { throughInterop } from "../lib/adopt/interop.ts";
import { type Door, reachOf } from "../lib/adopt/shim_entry.ts";
import { placesOf } from "../lib/config/client_places.ts";
import { SHIM, TestUser } from "./helpers/adoption.ts";

const isUnix = Deno.build.os !== "windows";

const FILES = { command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "/srv"] };
const MEMORY = { command: "npx", args: ["-y", "@modelcontextprotocol/server-memory"] };
const CURSOR = "{home}/.cursor/mcp.json";
const CODEX = "{codex}/config.toml";
const CLAUDE = "{claudeState}";

const json = (value: unknown) => JSON.stringify(value, null, 2) + "\n";
const servers = (entries: Record<string, unknown>) => json({ mcpServers: entries });

async function imported(user: TestUser): Promise<Record<string, JsonObject>> {
  return JSON.parse(await Deno.readTextFile(user.mcp)).mcpServers;
}

Deno.test("a server that several clients have is imported once, one with another account apart", async () => {
  await using user = await TestUser.create();
  const github = (token: string) => ({ command: "github-mcp", env: { GITHUB_TOKEN: token } });
  await user.write(CURSOR, servers({ memory: MEMORY, github: github("a") }));
  await user.write(CLAUDE, servers({ mem: { type: "stdio", ...MEMORY, env: {} }, github: github("b") }));
  await user.write(
    CODEX,
    '[mcp_servers.memory]\ncommand = "npx.cmd"\nargs = ["-y", "@modelcontextprotocol/server-memory"]\n',
  );
  await user.adopt();
  const entries = await imported(user);
  assertEquals(Object.keys(entries).length, 3);
  assertEquals(entries.memory ?? entries.mem, MEMORY);
  const tokens = Object.values(entries).flatMap(({ env }) => (env as JsonObject)?.GITHUB_TOKEN ?? []);
  assertEquals(tokens.toSorted(), ["a", "b"]);
});

Deno.test("EXAI's own entries are never imported, however they are written, and stay", async () => {
  await using user = await TestUser.create();
  const own = {
    shim: { command: SHIM.command },
    named: { command: "C:\\Program Files\\EXAI\\exai-shim.exe", args: ["--server=files"] },
    wrapped: { command: "cmd", args: ["/c", "npx", "exai-shim"] },
    bridge: { command: "npx", args: ["mcp-remote", "http://localhost:8765/mcp"] },
    door: { url: "http://127.0.0.1:8765/mcp" },
  };
  const path = await user.write(CURSOR, servers(own));
  const { plan } = await user.prepare();
  assertEquals([plan.imports, plan.files, plan.kept], [[], [], []]);
  await user.write(CURSOR, servers({ ...own, memory: MEMORY }));
  await user.adopt();
  assertEquals(Object.keys(await imported(user)), ["memory"]);
  assertEquals(JSON.parse(await Deno.readTextFile(path)), { mcpServers: own }, "no second entry is added");
});

Deno.test("what is switched off stays off: everywhere, or in the client that has it off", async () => {
  await using user = await TestUser.create();
  await user.write(
    CURSOR,
    servers({ files: { ...FILES, disabled: true }, memory: { ...MEMORY, disabled: true } }),
  );
  await user.write(
    CODEX,
    '[mcp_servers.memory]\ncommand = "npx"\nargs = ["-y", "@modelcontextprotocol/server-memory"]\n',
  );
  await user.adopt();
  const entries = await imported(user);
  assertEquals([entries.files!.disabled, entries.memory!.disabled], [true, undefined]);
  const cursor = JSON.parse(await user.read(CURSOR)).mcpServers;
  assertEquals([cursor.memory.disabled, cursor.memory.args], [true, ["--server=memory"]]);
});

Deno.test("a server that its client signs in to stays there, one with a token of its own does not", async () => {
  await using user = await TestUser.create();
  const entries = {
    linear: { url: "https://mcp.linear.app/mcp" },
    corp: { url: "https://mcp.corp.example/mcp", oauth: {} },
    github: { url: "https://api.githubcopilot.com/mcp/", headers: { Authorization: "Bearer t" } },
    open: { url: "https://open.example.com/mcp" },
  };
  await user.write(CURSOR, servers(entries));
  const { plan } = await user.adopt();
  assertEquals(Object.keys(await imported(user)), ["github", "open"]);
  assertEquals(plan.kept.map(({ entry }) => entry.name), ["linear", "corp"]);
  assertStringIncludes(plan.kept[0]!.reason, "sign-in");
  const { mcpServers } = JSON.parse(await user.read(CURSOR));
  assertEquals(Object.keys(mcpServers), ["linear", "corp", "exai"]);
});

Deno.test("an entry that would be a fault in mcp.json stays, a variable that is missing is said", async () => {
  await using user = await TestUser.create();
  await user.write(
    CURSOR,
    servers({
      nested: { command: "x", args: [{ a: 1 }] },
      ftp: { url: "ftp://example.com/mcp" },
      database: { url: "postgres://u@h/d", type: "postgres" },
      variable: { command: "${env:NO_SUCH_PROGRAM_HERE}" },
    }),
  );
  const { plan } = await user.adopt();
  assertEquals(plan.kept.map(({ entry }) => entry.name).toSorted(), ["database", "ftp", "nested"]);
  assertStringIncludes(plan.servers[0]!.notes.join(), "NO_SUCH_PROGRAM_HERE");
});

Deno.test("a value that a client asks for becomes a secret in a file, its default a plain text", async () => {
  await using user = await TestUser.create();
  await user.write(
    "{data}/Code/User/mcp.json",
    json({
      inputs: [{ id: "key", password: true, default: "no" }, { id: "zone", default: "eu" }],
      servers: {
        api: {
          command: "api",
          args: ["--zone=${input:zone}"],
          env: { KEY: "${input:key}", X: "${input:other}" },
        },
      },
    }),
  );
  const { plan } = await user.adopt();
  assertEquals((await imported(user)).api, {
    command: "api",
    args: ["--zone=eu"],
    env: { KEY: "${file:secrets/key}", X: "${file:secrets/other}" },
  });
  assertEquals(plan.servers[0]!.asks.map(({ file }) => file), ["secrets/key", "secrets/other"]);
});

Deno.test("the servers of a project run in it, those of several projects where the window is", async () => {
  await using user = await TestUser.create();
  const dir = join(user.dir, "shop");
  await user.write(
    CLAUDE,
    json({
      mcpServers: {},
      projects: {
        [dir]: {
          mcpServers: {
            own: { command: "./run.sh" },
            app: { command: "php", args: ["artisan", "mcp"] },
            memory: MEMORY,
          },
        },
        [join(user.dir, "blog")]: { mcpServers: { app: { command: "php", args: ["artisan", "mcp"] } } },
      },
    }),
  );
  await user.adopt();
  const entries = await imported(user);
  assertEquals([entries.own!.cwd, entries.app!.cwd, entries.memory!.cwd], [dir, undefined, undefined]);
  const { projects, mcpServers } = JSON.parse(await user.read(CLAUDE));
  assertEquals([projects[dir].mcpServers, Object.keys(mcpServers)], [{}, ["exai"]]);
});

Deno.test("what is for single projects is left where it is with --user-only", async () => {
  await using user = await TestUser.create();
  await user.write(
    CLAUDE,
    json({ mcpServers: { a: FILES }, projects: { "/p": { mcpServers: { b: MEMORY } } } }),
  );
  await user.write("{project}/.mcp.json", servers({ c: { command: "c" } }));
  const { plan } = await user.prepare({ isUserOnly: true });
  assertEquals(plan.servers.map(({ name }) => name), ["a"]);
});

Deno.test("a file that git tracks is named and left, unless --tracked is given", async () => {
  await using user = await TestUser.create();
  const git = async (...args: string[]) => {
    await new Deno.Command("git", { args, cwd: user.project, stdout: "null", stderr: "null" }).output();
  };
  await git("init", "-q");
  await user.write("{project}/.mcp.json", servers({ files: FILES }));
  assertEquals((await user.prepare()).plan.files.length, 1, "not tracked yet");
  await git("add", ".mcp.json");
  const { plan } = await user.prepare();
  assertEquals([plan.imports, plan.files], [[], []]);
  assertStringIncludes(plan.left[0]!.reason, "is tracked by git");
  assertEquals((await user.prepare({ areTrackedChanged: true })).plan.files.length, 1);
});

Deno.test({
  name: "a file that is read-only or being written is named and left, and the others go on",
  ignore: !isUnix,
  fn: async () => {
    await using user = await TestUser.create();
    const path = await user.write(CURSOR, servers({ files: FILES }));
    await Deno.chmod(path, 0o444);
    const state = await user.write(CLAUDE, servers({ files: FILES }));
    await Deno.mkdir(`${state}.lock`);
    await user.write(CODEX, '[mcp_servers.memory]\ncommand = "m"\n');
    const { plan } = await user.adopt();
    assertEquals(plan.left.map(({ reason }) => reason.replace(/\(.*\)/, "()")), [
      "is being written by another program (); close it and run the command again",
      "is read-only",
    ]);
    assertEquals(Object.keys(await imported(user)), ["memory"], "nothing of a file that stays is imported");
    assertEquals(await Deno.readTextFile(path), servers({ files: FILES }));
    assertStringIncludes(await user.read(CODEX), "exai");
  },
});

Deno.test({
  name: "a link stays a link, and its target is changed and restored",
  ignore: !isUnix,
  fn: async () => {
    await using user = await TestUser.create();
    const real = await user.write("{home}/dotfiles/mcp.json", servers({ files: FILES }));
    await Deno.mkdir(user.path("{home}/.cursor"));
    await Deno.symlink("../dotfiles/mcp.json", user.path(CURSOR));
    await user.adopt();
    assert((await Deno.lstat(user.path(CURSOR))).isSymlink);
    assertStringIncludes(await Deno.readTextFile(real), "exai");
    await user.undo();
    assert((await Deno.lstat(user.path(CURSOR))).isSymlink);
    assertEquals(await Deno.readTextFile(real), servers({ files: FILES }));
  },
});

Deno.test("a file that its client has written since keeps that, and gets its servers back", async () => {
  await using user = await TestUser.create();
  await user.write(CLAUDE, json({ numStartups: 1, mcpServers: { files: FILES, memory: MEMORY } }));
  await user.write("{claude}/settings.json", json({ permissions: { allow: ["mcp__files__x"] } }));
  await user.adopt();
  const state = JSON.parse(await user.read(CLAUDE));
  await user.write(CLAUDE, json({ ...state, numStartups: 2 }));
  const undone = await user.undo();
  assertEquals(undone.map(({ how }) => how), ["edited", "removed"]);
  assertEquals(JSON.parse(await user.read(CLAUDE)), {
    numStartups: 2,
    mcpServers: { files: FILES, memory: MEMORY },
  });
});

Deno.test("a file that its client has only laid out anew is the same to the byte once that is undone", async () => {
  await using user = await TestUser.create();
  const text = `{ "mcpServers": { "files": ${JSON.stringify(FILES)} }, "x": [1,  2] }`;
  await user.write(CURSOR, text);
  await user.adopt();
  await user.write(CURSOR, json(JSON.parse(await user.read(CURSOR))));
  assertEquals((await user.undo()).map(({ how }) => how), ["restored", "removed"]);
  assertEquals(await user.read(CURSOR), text);
});

Deno.test("adoptions are taken back one after the other, the last one first", async () => {
  await using user = await TestUser.create();
  await user.write(CURSOR, servers({ files: FILES }));
  await user.adopt();
  await user.write(CODEX, '[mcp_servers.memory]\ncommand = "m"\n');
  await user.adopt();
  await user.undo();
  assertEquals(Object.keys(await imported(user)), ["files"]);
  await user.undo();
  assertEquals(await Deno.stat(user.mcp).catch(() => "gone"), "gone");
  assertEquals(await user.read(CURSOR), servers({ files: FILES }));
});

Deno.test("mcp.json keeps its comments and servers; a name that is taken gets its client's behind it", async () => {
  await using user = await TestUser.create();
  const text =
    '// mine\r\n{\r\n  "mcpServers": {\r\n    "files": { "command": "other" } // kept\r\n  }\r\n}\r\n';
  await Deno.mkdir(join(user.dir, "exai"));
  await Deno.writeTextFile(user.mcp, text);
  await user.write(CURSOR, servers({ files: FILES, exai: MEMORY }));
  await user.adopt();
  const after = await Deno.readTextFile(user.mcp);
  assertStringIncludes(
    after,
    '// mine\r\n{\r\n  "mcpServers": {\r\n    "files": { "command": "other" }, // kept\r\n',
  );
  assert(!/[^\r]\n/.test(after));
  assertEquals(JSON.parse(after.replace(/\/\/.*/g, "")).mcpServers["files-cursor"], FILES);
  assertEquals(JSON.parse(await user.read(CURSOR)).mcpServers.exai.command, SHIM.command);
  await user.undo();
  assertEquals(await Deno.readTextFile(user.mcp), text);
});

Deno.test("a mcp.json that cannot be read is named, and no client is changed", async () => {
  await using user = await TestUser.create();
  await Deno.mkdir(join(user.dir, "exai"));
  await Deno.writeTextFile(user.mcp, '{\n  "mcpServers": {');
  await user.write(CURSOR, servers({ files: FILES }));
  await assertRejects(() => user.adopt(), Error, "mcp.json, line 2");
  assertEquals(await user.read(CURSOR), servers({ files: FILES }));
});

Deno.test("the places of clients are those of each system", () => {
  const windows = placesOf({
    USERPROFILE: "C:\\Users\\Jörg Müller",
    APPDATA: "C:\\Users\\Jörg Müller\\AppData\\Roaming",
    LOCALAPPDATA: "D:\\Local",
  }, "windows");
  assertEquals([windows.home, windows.data, windows.local], [
    "C:\\Users\\Jörg Müller",
    "C:\\Users\\Jörg Müller\\AppData\\Roaming",
    "D:\\Local",
  ]);
  const mac = placesOf({ HOME: "/Users/me" }, "darwin");
  assertEquals(pathOf("{data}/Claude/x.json", mac), "/Users/me/Library/Application Support/Claude/x.json");
  assertEquals(pathOf("{config}/zed/settings.json", mac), "/Users/me/.config/zed/settings.json");
  const linux = placesOf({
    HOME: "/home/me",
    XDG_CONFIG_HOME: "/cfg",
    CLAUDE_CONFIG_DIR: "/c",
    CODEX_HOME: "/x",
  }, "linux");
  assertEquals([linux.data, linux.claudeState, linux.claude, linux.codex, linux.opencode], [
    "/cfg",
    "/c/.claude.json",
    "/c",
    "/x",
    "/cfg/opencode",
  ]);
});

for (const system of ["darwin", "windows"] as const) {
  Deno.test(`files are found where clients have them on ${system}`, async () => {
    await using user = await TestUser.create(system);
    await user.write("{data}/Claude/claude_desktop_config.json", servers({ files: FILES }));
    await user.write("{data}/Code/User/mcp.json", json({ servers: { memory: MEMORY } }));
    if (system === "windows") {
      await user.write("{data}/Zed/settings.json", json({ context_servers: { z: { command: "z" } } }));
      const store =
        "{local}/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude/claude_desktop_config.json";
      await user.write(store, servers({ s: { command: "s" } }));
    }
    const { plan } = await user.adopt();
    const names = system === "windows" ? ["files", "s", "memory", "z"] : ["files", "memory"];
    assertEquals(plan.servers.map(({ name }) => name), names);
    await user.undo();
  });
}

Deno.test("the Windows side of WSL is named, and changed when its home is given", async () => {
  await using user = await TestUser.create();
  const home = join(user.dir, "windows", "me");
  await Deno.mkdir(join(home, ".cursor"), { recursive: true });
  const entries = {
    tokens: { command: "npx", args: ["-y", "x"], env: { TOKEN: "t" } },
    tool: { command: "C:\\Program Files\\T\\t.exe", args: ["C:\\data"] },
  };
  await Deno.writeTextFile(join(home, ".cursor/mcp.json"), servers(entries));
  const named = await user.prepare({ otherWindowsHomes: [home] });
  assertEquals(named.plan.files, []);
  assertStringIncludes(named.plan.left[0]!.reason, `--windows-home=${home}`);
  const door: Door = {
    kind: "shim",
    command: "wsl.exe",
    args: ["-d", "Debian", "--exec", SHIM.command],
    env: {},
  };
  await user.adopt({
    windowsHomes: [home],
    shims: { own: SHIM, windows: door },
    doors: { own: SHIM, windows: door },
  });
  assertEquals(await imported(user), {
    tokens: {
      command: "cmd.exe",
      args: ["/d", "/c", "npx", "-y", "x"],
      env: { TOKEN: "t", WSLENV: "TOKEN/w" },
    },
    tool: { command: "/mnt/c/Program Files/T/t.exe", args: ["C:\\data"] },
  });
  const cursor = JSON.parse(await Deno.readTextFile(join(home, ".cursor/mcp.json")));
  assertEquals(cursor.mcpServers, { exai: { command: "wsl.exe", args: door.args } });
  assertEquals(throughInterop({ command: "wsl", args: ["-d", "Debian", "--", "uvx", "y"] }), {
    command: "uvx",
    args: ["y"],
  });
});

Deno.test("each client gets the keys it reads, for the shim and for the daemon's address", () => {
  const http: Door = { kind: "http", url: "http://127.0.0.1:8765/mcp" };
  assertEquals(reachOf("plain", SHIM, "a"), { command: SHIM.command, args: ["--server=a"] });
  assertEquals(reachOf("typed", http), { type: "http", url: http.url });
  assertEquals(reachOf("opencode", SHIM), { type: "local", command: [SHIM.command] });
  assertEquals(reachOf("opencode", http, "a"), { type: "remote", url: `${http.url}/a` });
  assertEquals(reachOf("windsurf", http), { serverUrl: http.url });
  assertEquals(reachOf("gemini", http), { httpUrl: http.url });
  assertEquals(reachOf("copilot", SHIM), { type: "local", command: SHIM.command, args: [] });
  assertEquals(reachOf("goose", http), { type: "streamable_http", uri: http.url });
});

Deno.test("with --http, a client whose file takes no URL gets the shim", async () => {
  await using user = await TestUser.create();
  await user.write(CURSOR, servers({ files: FILES }));
  await user.write("{data}/Claude/claude_desktop_config.json", servers({ files: FILES }));
  const door: Door = { kind: "http", url: "http://127.0.0.1:8765/mcp" };
  await user.adopt({ doors: { own: door, windows: door } });
  assertEquals(JSON.parse(await user.read(CURSOR)).mcpServers.exai, { url: door.url });
  const desktop = JSON.parse(await user.read("{data}/Claude/claude_desktop_config.json"));
  assertEquals(desktop.mcpServers.exai.command, SHIM.command);
});
