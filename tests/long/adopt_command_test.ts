// @ts-types="@modelcontextprotocol/sdk/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { dirname, fromFileUrl, join } from "@std/path";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { until } from "../helpers/until.ts";

const FILES = { command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "/srv"] };
const TEXT = JSON.stringify({ mcpServers: { files: { ...FILES, env: { KEY: "sk-never-shown" } } } }, null, 2);

/** Where packages are: below the real home, unless it is set. */
const { denoDir } = JSON.parse(
  new TextDecoder().decode(
    (await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output()).stdout,
  ),
);

type RunCommand = (...args: string[]) => ReturnType<typeof runDaemon>;

/** A home of its own, with a file of Cursor's, and the command run in it. */
async function inHome(
  run: (home: { dir: string; cursor: string; adopt: RunCommand; servers: RunCommand }) => Promise<void>,
): Promise<void> {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai adopt ü " }));
  const cursor = join(dir, ".cursor", "mcp.json");
  const env = {
    HOME: dir,
    USERPROFILE: dir,
    APPDATA: join(dir, "AppData", "Roaming"),
    LOCALAPPDATA: join(dir, "AppData", "Local"),
    XDG_CONFIG_HOME: join(dir, ".config"),
    CLAUDE_CONFIG_DIR: "",
    CODEX_HOME: "",
    WSL_DISTRO_NAME: "",
    DENO_DIR: denoDir,
  };
  const project = join(dir, "project");
  await Deno.mkdir(project);
  await Deno.mkdir(dirname(cursor));
  await Deno.writeTextFile(cursor, TEXT);
  const exai: RunCommand = (...args) => runDaemon({ args, env, home: join(dir, "exai") });
  const adopt: RunCommand = (...args) => exai("adopt", "--no-test", `--project=${project}`, ...args);
  const servers: RunCommand = (...args) => exai("servers", ...args);
  try {
    await run({ dir, cursor, adopt, servers });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test("adopt shows every change and no secret, and changes nothing where nobody can be asked", async () => {
  await inHome(async ({ cursor, adopt }) => {
    for (const args of [["--dry-run"], []]) {
      const { code, stdout } = await adopt(...args);
      assertEquals(code, args.length === 0 ? 1 : 0);
      for (const shown of ["files", "one directory", "Cursor", cursor, "- files", "+ exai: all servers"]) {
        assertStringIncludes(stdout, shown);
      }
      assert(!stdout.includes("sk-never-shown"), stdout);
      assertEquals(await Deno.readTextFile(cursor), TEXT);
    }
  });
});

Deno.test("adopt --yes changes the files, --undo makes them as they were", async () => {
  await inHome(async ({ dir, cursor, adopt }) => {
    const first = await adopt("--yes", "--json");
    assertEquals(first.code, 0, first.stderr);
    const { applied, servers } = JSON.parse(first.stdout);
    assertEquals(applied.files.map(({ reason }: { reason: null }) => reason), [null, null]);
    assertEquals(servers[0].shared, "project");
    const { exai } = JSON.parse(await Deno.readTextFile(cursor)).mcpServers;
    assertEquals(exai.env, { EXAI_HOME: join(dir, "exai") }, "the shim finds the same daemon");
    assertStringIncludes([exai.command, ...exai.args].join(" "), "shim.ts");
    const backup = await Deno.stat(applied.backup);
    if (Deno.build.os !== "windows") assertEquals(backup.mode! & 0o777, 0o700);
    const undone = await adopt("--undo");
    assertEquals(undone.code, 0, undone.stdout);
    assertEquals(await Deno.readTextFile(cursor), TEXT);
    const again = await adopt("--undo", "--json");
    assertEquals([again.code, JSON.parse(again.stdout)], [1, { undone: null }]);
  });
});

Deno.test("a client that is not known is refused with the nearest name, as a wrong command line", async () => {
  await inHome(async ({ adopt }) => {
    const { code, stderr } = await adopt("--client=cusor", "--dry-run");
    assertEquals(code, 2);
    assertStringIncludes(stderr, "did you mean cursor");
  });
});

Deno.test("--client leaves the files of all others as they are", async () => {
  await inHome(async ({ cursor, adopt }) => {
    const { code, stdout } = await adopt("--client=codex", "--client=zed", "--yes");
    assertEquals(code, 0);
    assertStringIncludes(stdout, "nothing to change");
    assertEquals(await Deno.readTextFile(cursor), TEXT);
  });
});

Deno.test("what adopt writes into a client leads to its servers, together and each under its own names", async () => {
  await inHome(async ({ dir, cursor, adopt }) => {
    const stub = fromFileUrl(new URL("../fixtures/known_stub.ts", import.meta.url));
    const server = (name: string) => ({ command: Deno.execPath(), args: ["run", "-A", stub, "npx", name] });
    const text = JSON.stringify({ mcpServers: { one: server("pkg-one"), two: server("pkg-two") } });
    await Deno.writeTextFile(cursor, text);
    assertEquals((await adopt("--yes")).code, 0);
    const { exai } = JSON.parse(await Deno.readTextFile(cursor)).mcpServers;
    await using _daemon = await startDaemon({ home: join(dir, "exai") });
    await showsTools(exai, ["pkg_one_run", "pkg_two_run"]);
    assertEquals((await adopt("--undo")).code, 0);
    assertEquals(await Deno.readTextFile(cursor), text);
    assertEquals((await adopt("--yes", "--per-server")).code, 0);
    const each = JSON.parse(await Deno.readTextFile(cursor)).mcpServers;
    assertEquals(Object.keys(each).toSorted(), ["exai", "one", "two"]);
    assertEquals(await showsTools(each.one, ["pkg_one_run"]), ["pkg_one_run"]);
    assertEquals(await showsTools(each.two, ["pkg_two_run"]), ["pkg_two_run"]);
  });
});

Deno.test("adopt and servers add at the same time lose nothing that one of them has written", async () => {
  await inHome(async ({ dir, adopt, servers }) => {
    const names = ["a", "b", "c", "d"];
    const results = await Promise.all([
      adopt("--yes"),
      adopt("--yes"),
      ...names.map((name) => servers("add", name, "node", "x.js")),
    ]);
    assertEquals(results.map(({ code }) => code), results.map(() => 0));
    const { mcpServers } = JSON.parse(await Deno.readTextFile(join(dir, "exai", "mcp.json")));
    assertEquals(Object.keys(mcpServers).toSorted(), [...names, "files"]);
    const backups = await Array.fromAsync(Deno.readDir(join(dir, "exai", "backups")));
    assertEquals(backups.length, 1, "the second adoption has nothing to do");
  });
});

/** Starts an entry as its client does, and waits until it shows `wanted`; all that it shows then. */
async function showsTools(
  entry: { command: string; args: string[]; env: Record<string, string> },
  wanted: readonly string[],
): Promise<string[]> {
  const client = new Client({ name: "sdk", version: "1" });
  await client.connect(
    new StdioClientTransport({
      command: entry.command,
      args: entry.args,
      env: {
        ...Deno.env.toObject(),
        ...entry.env,
        // The daemon that runs is the one of this test.
        EXAI_WS_AUTOSTART: "false",
        EXAI_WS_PORT: "0",
        XDG_RUNTIME_DIR: entry.env.EXAI_HOME!,
        ENV_FILE: "",
      },
      stderr: "ignore",
    }),
  );
  try {
    return await until(`the tools ${wanted}`, async () => {
      const names = (await client.listTools()).tools.map(({ name }) => name);
      return wanted.every((name) => names.includes(name)) ? names : undefined;
    }, 30_000);
  } finally {
    await client.close();
  }
}

Deno.test("adopt starts what it has imported: its tools are known before a client asks, and what fails is said", async () => {
  await inHome(async ({ dir, cursor }) => {
    const tools = { "tools/list": { tools: [{ name: "count", inputSchema: { type: "object" } }] } };
    const script = fromFileUrl(new URL("../fixtures/scripted_server.ts", import.meta.url));
    const good = {
      command: Deno.execPath(),
      args: ["run", "-A", "--no-check", script, JSON.stringify(tools)],
    };
    const servers = { good, bad: { command: join(dir, "no-such-program") } };
    await Deno.writeTextFile(cursor, JSON.stringify({ mcpServers: servers }));
    const env = { HOME: dir, USERPROFILE: dir, XDG_CONFIG_HOME: join(dir, ".config"), DENO_DIR: denoDir };
    const home = join(dir, "exai");
    const run = (...args: string[]) => runDaemon({ args, env, home });
    try {
      const { code, stdout } = await run(
        "adopt",
        "--yes",
        "--client=cursor",
        `--project=${join(dir, "project")}`,
      );
      assertEquals(code, 0, "the files are changed");
      assertMatch(stdout, /good +ok .* 1 tool/);
      assertMatch(stdout, /bad +FAILED[^]*no-such-program/);
      assertMatch((await run("tools", "--json")).stdout, /"count"/);
    } finally {
      await run("stop");
    }
  });
});
