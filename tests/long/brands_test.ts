import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { tempDir } from "../helpers/files.ts";
import { mountingDaemon, npmServer } from "../helpers/mounts.ts";
import { shimWindow, textOf } from "../helpers/sdk_client.ts";
import { BrandWindow, SERVER_NAMES, tenServers } from "../helpers/ten_servers.ts";

Deno.test({
  name:
    "ten windows of two brands in five projects call ten servers and have 41 processes, and nothing is crossed",
  ignore: Deno.build.os !== "linux",
  timeout: 180_000,
  fn: async () => {
    await using it = await tenServers(5);
    await using windows = new AsyncDisposableStack();
    const open: BrandWindow[] = [];
    for (const [i, project] of it.projects.entries()) {
      const both = (["claude-code", "codex-mcp-client"] as const).map((brand) =>
        BrandWindow.open(it, { who: `${i}/${brand}`, project, brand })
      );
      for (const window of await Promise.all(both)) open.push(windows.use(window));
    }
    // All at once, as on a busy morning; then again, when all that a server asks for is known.
    for (let round = 0; round < 2; round++) {
      for (const server of SERVER_NAMES) await Promise.all(open.map((window) => window.use(server)));
    }
    const pids = new Set<number>();
    for (const server of SERVER_NAMES) {
      for (const pid of await Promise.all(open.map((window) => window.use(server)))) pids.add(pid);
    }
    assertEquals(await it.running(), {
      filesystem: 5,
      memory: 1,
      github: 1,
      playwright: 10,
      puppeteer: 10,
      context7: 1,
      "sequential-thinking": 10,
      fetch: 1,
      postgres: 1,
      notion: 1,
    });
    const { stubs, children } = await it.processes();
    assertEquals([pids.size, stubs], [41, 41]);
    // Beside them the shell that ends all servers if the daemon is killed.
    assert(children <= 42, `the daemon has ${children} child processes`);
  },
});

for (const names of ["the workspace", "another directory"]) {
  Deno.test(`the real filesystem server whose entry names ${names} lets windows with and without roots each read ${names === "the workspace" ? "it, in one process" : "what it would alone"}`, async () => {
    await using dir = await tempDir({ "work/a.txt": "in work", "data/b.txt": "in data" });
    const [work, data] = [`${dir.path}/work`, `${dir.path}/data`];
    const entry = npmServer("filesystem", [names === "the workspace" ? "${workspaceFolder}" : data]);
    delete entry.share;
    await using it = await mountingDaemon({ files: entry });
    const shim = { home: it.home, url: it.url, cwd: work };
    await using claude = await shimWindow({
      ...shim,
      name: "claude-code",
      capabilities: { elicitation: {} },
      roots: [`file://${work}`],
    });
    const capabilities = { elicitation: { form: {}, url: {} }, experimental: {} };
    await using codex = await shimWindow({ ...shim, name: "codex-mcp-client", capabilities });
    const read = async (client: typeof codex, path: string) =>
      textOf(await client.callTool({ name: "read_text_file", arguments: { path } }));
    // Which windows the server has roots from is known once it has asked.
    for (const client of [codex, claude]) await client.callTool({ name: "list_allowed_directories" });
    assertEquals(await read(claude, `${work}/a.txt`), "in work");
    assertStringIncludes(await read(claude, `${data}/b.txt`), "Access denied");
    const isShared = names === "the workspace";
    const [theirs, notTheirs] = isShared
      ? [`${work}/a.txt`, `${data}/b.txt`]
      : [`${data}/b.txt`, `${work}/a.txt`];
    assertEquals(await read(codex, theirs), isShared ? "in work" : "in data");
    assertStringIncludes(await read(codex, notTheirs), "Access denied");
    const running = (await it.status()).filter(({ state }) => state === "running");
    assertEquals(running.length, isShared ? 1 : 2);
  });
}
