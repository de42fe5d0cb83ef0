import { assert, assertEquals } from "@std/assert";
import { BrandWindow, SERVER_NAMES, tenServers } from "../helpers/ten_servers.ts";

Deno.test({
  name:
    "ten windows of two brands in five projects call ten servers and have 41 processes, and nothing is crossed",
  ignore: Deno.build.os !== "linux",
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
