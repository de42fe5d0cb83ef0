import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { runDaemon } from "../helpers/program.ts";

const FILES = { command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "/srv"] };
const TEXT = JSON.stringify({ mcpServers: { files: { ...FILES, env: { KEY: "sk-never-shown" } } } }, null, 2);

/** A home of its own, with a file of Cursor's, and the command run in it. */
async function inHome(
  run: (
    home: { dir: string; cursor: string; adopt: (...args: string[]) => ReturnType<typeof runDaemon> },
  ) => Promise<void>,
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
  };
  const project = join(dir, "project");
  await Deno.mkdir(project);
  await Deno.mkdir(dirname(cursor));
  await Deno.writeTextFile(cursor, TEXT);
  const adopt = (...args: string[]) =>
    runDaemon({ args: ["adopt", `--project=${project}`, ...args], env, home: join(dir, "exai") });
  try {
    await run({ dir, cursor, adopt });
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
