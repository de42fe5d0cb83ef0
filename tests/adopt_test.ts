import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { applyAdoption } from "../lib/adopt/apply.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { readServers } from "../lib/config/servers.ts";
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

Deno.test("a path of Windows that has lost its backslashes stays in its client", async () => {
  await using user = await TestUser.create();
  const text = String
    .raw`{"mcpServers": {"a": {"command": "C:\tools\npx.cmd"}, "b": {"command": "node", "args": ["D:\new\x"]}}}`;
  await user.write(CURSOR, text.replace("\\x", "\\\\x"));
  const { kept, servers, left } = (await user.prepare()).plan;
  assertEquals([kept.map(({ entry }) => entry.name), servers], [["a", "b"], []]);
  for (const { reason } of kept) assertStringIncludes(reason, "written twice");
  assertEquals(left, []);
  await user.write(CURSOR, text);
  const { reason } = (await user.prepare()).plan.left[0]!;
  assertStringIncludes(reason, "line 1: a \\ in a text is written twice in JSON");
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

Deno.test("the servers of a file written since are as they were, in their order and layout", async () => {
  await using user = await TestUser.create();
  const section = `{\n    "thinking": ${JSON.stringify(MEMORY)}, // mine\n    "files": ${
    JSON.stringify(FILES)
  }\n  }`;
  const text = (startups: number) => `{\n  "numStartups": ${startups},\n  "mcpServers": ${section}\n}\n`;
  await user.write(CLAUDE, text(1));
  await user.adopt();
  await user.write(CLAUDE, (await user.read(CLAUDE)).replace('"numStartups": 1', '"numStartups": 2'));
  await user.undo();
  assertEquals(await user.read(CLAUDE), text(2));
});

Deno.test("a file that an adoption could not write is not touched when the adoption is taken back", async () => {
  await using user = await TestUser.create();
  await user.write(CURSOR, servers({ memory: MEMORY }));
  await user.write("{home}/.codeium/windsurf/mcp_config.json", servers({ memory: MEMORY }));
  const prepared = await user.prepare();
  const changed = servers({ other: { command: "other-mcp" } });
  await user.write(CURSOR, changed);
  const { files } = await applyAdoption(prepared.plan, prepared.target, user.backups);
  assertEquals(files.filter(({ reason }) => reason !== undefined).map(({ path }) => path), [
    user.path(CURSOR),
  ]);
  assertEquals((await user.undo()).map(({ how }) => how), ["restored", "removed"]);
  assertEquals(await user.read(CURSOR), changed);
});

Deno.test("a list that has been changed since is left, and the copy of it is named", async () => {
  await using user = await TestUser.create();
  const list = (...names: string[]) => json(names.map((name) => ({ name, command: name })));
  const at = "{data}/Code/User/globalStorage/augment.vscode-augment/augment-global-state/mcpServers.json";
  await user.write(at, list("a", "b"));
  await user.adopt();
  await user.write(at, list("c"));
  const [file] = await user.undo();
  assertEquals(file!.how, "left");
  assertStringIncludes(file!.reason!, join(user.backups, "adopt-"));
  assertEquals(await user.read(at), list("c"));
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

Deno.test("a client goes on to wait as long as it did for the slowest of its servers", async () => {
  await using user = await TestUser.create();
  const server = (name: string, limit: number) =>
    `[mcp_servers.${name}]\ncommand = "${name}"\ntool_timeout_sec = ${limit}\n`;
  await user.write(CODEX, server("quick", 20) + server("slow", 900));
  await user.adopt();
  assertStringIncludes(await user.read(CODEX), "tool_timeout_sec = 900");
  assertEquals((await imported(user)).slow!.callTimeoutMs, 900_000);
});

Deno.test("a server of several clients has the longest of their time limits, and what becomes of each is said", async () => {
  await using user = await TestUser.create();
  const limits = "startup_timeout_sec = 20\ntool_timeout_sec = 900\n";
  await user.write(CODEX, `[mcp_servers.notes]\ncommand = "notes"\n${limits}`);
  await user.write(CURSOR, json({ mcpServers: { notes: { command: "notes" } } }));
  const { plan } = await user.adopt();
  assertEquals((await imported(user)).notes, { command: "notes", callTimeoutMs: 900_000 });
  const notes = plan.servers[0]!.notes.join("\n");
  assertStringIncludes(notes, "callTimeoutMs differs between its clients; the longest, 900000, is for all");
  assertStringIncludes(notes, "startTimeoutMs is left out");
});

Deno.test({
  name: "two clients whose files are links to one file share one entry in it",
  ignore: !isUnix,
  fn: async () => {
    await using user = await TestUser.create();
    const real = await user.write("{home}/shared/mcp.json", servers({ files: FILES, memory: MEMORY }));
    for (const link of [CURSOR, "{home}/.codeium/windsurf/mcp_config.json"]) {
      await Deno.mkdir(dirname(user.path(link)), { recursive: true });
      await Deno.symlink(real, user.path(link));
    }
    await user.adopt();
    assertEquals(Object.keys(JSON.parse(await Deno.readTextFile(real)).mcpServers), ["exai"]);
    await user.undo();
    assertEquals(await Deno.readTextFile(real), servers({ files: FILES, memory: MEMORY }));
  },
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

Deno.test("mcp.json is added to in the shape it has, and what it has is not imported once more", async () => {
  const shapes = [
    { servers: { mem: MEMORY } },
    { mcpServers: [{ name: "mem", ...MEMORY }] },
    { mem: MEMORY },
  ];
  for (const shape of shapes) {
    await using user = await TestUser.create();
    await Deno.mkdir(join(user.dir, "exai"));
    await Deno.writeTextFile(user.mcp, json(shape));
    await user.write(CURSOR, servers({ memory: MEMORY, files: FILES }));
    await user.adopt();
    const { servers: read, faults } = await readServers(user.mcp, { env: {} });
    assertEquals([[...read.keys()].toSorted(), faults], [["files", "mem"], []], JSON.stringify(shape));
    await user.undo();
    assertEquals(await Deno.readTextFile(user.mcp), json(shape));
  }
});

Deno.test("a server that stays under EXAI's name keeps it", async () => {
  await using user = await TestUser.create();
  await user.write(CURSOR, servers({ exai: { url: "https://mcp.figma.com/mcp" }, files: FILES }));
  await user.adopt();
  const { mcpServers } = JSON.parse(await user.read(CURSOR));
  assertEquals([Object.keys(mcpServers), mcpServers.exai.url], [
    ["exai", "exai-all"],
    "https://mcp.figma.com/mcp",
  ]);
});

Deno.test("a mcp.json that cannot be read is named, and no client is changed", async () => {
  await using user = await TestUser.create();
  await Deno.mkdir(join(user.dir, "exai"));
  await Deno.writeTextFile(user.mcp, '{\n  "mcpServers": {');
  await user.write(CURSOR, servers({ files: FILES }));
  await assertRejects(() => user.adopt(), Error, "mcp.json, line 2");
  assertEquals(await user.read(CURSOR), servers({ files: FILES }));
});
