import { assertEquals, assertMatch } from "@std/assert";
import { join } from "@std/path";
import { type ServersChange, type ServersWatch, watchServers } from "../lib/config/servers_watch.ts";

/** Changes in the order they were told, to be awaited one by one. */
class Changes {
  readonly #told: ServersChange[] = [];
  #wake = () => {};

  readonly push = (change: ServersChange) => {
    this.#told.push(change);
    this.#wake();
  };

  get waiting(): number {
    return this.#told.length;
  }

  async next(): Promise<ServersChange> {
    while (this.#told.length === 0) await new Promise<void>((resolve) => this.#wake = resolve);
    return this.#told.shift()!;
  }

  /** The first change from now on that `wanted` holds for. */
  async until(wanted: (change: ServersChange) => boolean): Promise<ServersChange> {
    for (;;) {
      const change = await this.next();
      if (wanted(change)) return change;
    }
  }
}

interface Scene {
  dir: string;
  path: string;
  changes: Changes;
  watch: ServersWatch;
}

async function scene(
  options: { text?: string; below?: string; pollMs?: number },
  play: (scene: Scene) => Promise<void>,
) {
  const dir = await Deno.makeTempDir({ prefix: "exai-watch-" });
  const path = join(dir, options.below ?? ".", "mcp.json");
  if (options.text !== undefined) await Deno.writeTextFile(path, options.text);
  const changes = new Changes();
  try {
    await using watch = await watchServers(path, changes.push, { env: {}, pollMs: options.pollMs });
    await play({ dir, path, changes, watch });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A file with one server a word: `a=x` runs the command x. */
function file(servers: string): string {
  const entries = servers.split(" ").filter((word) => word !== "").map((word) => word.split("="));
  return JSON.stringify({
    mcpServers: Object.fromEntries(entries.map(([name, command]) => [name, { command }])),
  });
}

Deno.test("a change takes effect while running: added, removed and changed servers, and no others", async () => {
  await scene({ text: file("a=x b=x c=x") }, async ({ path, changes, watch }) => {
    assertEquals([...watch.current.servers.keys()], ["a", "b", "c"]);
    const before = watch.current.servers.get("a");
    await Deno.writeTextFile(path, file("a=x b=y d=x"));
    const change = await changes.until(({ added }) => added.length > 0);
    assertEquals([change.added, change.removed, change.changed, change.unchanged], [["d"], ["c"], ["b"], [
      "a",
    ]]);
    assertEquals(change.servers.get("a"), before);
  });
});

Deno.test("an editor that saves by renaming a new file over the old one is noticed each time", async () => {
  await scene({ text: file("a=1") }, async ({ dir, path, changes }) => {
    for (const command of ["2", "3", "4"]) {
      await Deno.writeTextFile(join(dir, "mcp.json.tmp"), file(`a=${command}`));
      await Deno.rename(join(dir, "mcp.json.tmp"), path);
      const change = await changes.until(({ changed }) => changed.length > 0);
      const server = change.servers.get("a");
      assertEquals(server?.kind === "stdio" && server.command, command);
    }
  });
});

Deno.test("a file that does not exist yet is noticed when it comes, with the directories above it", async () => {
  await scene({ below: "one/two" }, async ({ path, changes, watch }) => {
    assertEquals([watch.current.servers.size, watch.current.faults], [0, []]);
    await Deno.mkdir(join(path, ".."), { recursive: true });
    await Deno.writeTextFile(path, file("a=1"));
    assertEquals((await changes.until(({ added }) => added.length > 0)).added, ["a"]);
    await Deno.writeTextFile(path, file("a=2"));
    assertEquals((await changes.until(({ changed }) => changed.length > 0)).changed, ["a"]);
  });
});

Deno.test("a file behind a link is watched where it really is", async () => {
  const real = await Deno.makeTempDir({ prefix: "exai-dotfiles-" });
  const target = join(real, "mcp-of-mine.json");
  await Deno.writeTextFile(target, file("a=1"));
  await scene({ pollMs: 50 }, async ({ path, changes }) => {
    await Deno.symlink(target, path);
    assertEquals((await changes.until(({ added }) => added.length > 0)).added, ["a"]);
    await Deno.writeTextFile(target, file("a=2"));
    assertEquals((await changes.until(({ changed }) => changed.length > 0)).changed, ["a"]);
  });
  await Deno.remove(real, { recursive: true });
});

Deno.test("a faulty file takes nothing down, and its mending is noticed", async () => {
  await scene({ text: file("a=1 b=1") }, async ({ path, changes }) => {
    await Deno.writeTextFile(path, '{"mcpServers": {"a": ');
    const faulty = await changes.until(({ faults }) => faults.length > 0);
    assertEquals([faulty.removed, faulty.unchanged], [[], ["a", "b"]]);
    assertMatch(faulty.faults[0]!.message, /expected/);
    await Deno.writeTextFile(path, file("a=1 b=2"));
    const mended = await changes.until(({ faults }) => faults.length === 0);
    assertEquals([mended.changed, mended.unchanged], [["b"], ["a"]]);
  });
});

Deno.test("a faulty entry keeps its last good configuration while the others change", async () => {
  await scene({ text: file("a=1 b=1") }, async ({ path, changes }) => {
    await Deno.writeTextFile(
      path,
      JSON.stringify({ mcpServers: { a: { command: 5 }, b: { command: "2" } } }),
    );
    const change = await changes.until(({ faults }) => faults.length > 0);
    assertEquals([change.unchanged, change.changed, change.removed], [["a"], ["b"], []]);
    const kept = change.servers.get("a");
    assertEquals(kept?.kind === "stdio" && kept.command, "1");
  });
});

Deno.test("a file that is gone leaves its servers running; one that says {} removes them", async () => {
  await scene({ text: file("a=1") }, async ({ path, changes }) => {
    await Deno.remove(path);
    const gone = await changes.next();
    assertEquals([gone.unchanged, gone.removed], [["a"], []]);
    assertMatch(gone.faults[0]!.message, /is gone or empty; its servers stay/);
    await Deno.writeTextFile(path, "");
    await Deno.writeTextFile(path, "{}");
    assertEquals((await changes.until(({ removed }) => removed.length > 0)).removed, ["a"]);
  });
});

Deno.test("a server that is switched off is removed, and added when it is switched on", async () => {
  await scene({ text: file("a=1") }, async ({ path, changes }) => {
    await Deno.writeTextFile(path, JSON.stringify({ mcpServers: { a: { command: "1", disabled: true } } }));
    const off = await changes.until(({ removed }) => removed.length > 0);
    assertEquals([off.removed, off.disabled], [["a"], ["a"]]);
    await Deno.writeTextFile(path, file("a=1"));
    assertEquals((await changes.until(({ added }) => added.length > 0)).added, ["a"]);
  });
});

Deno.test("reload reads again what the variables stand for", async () => {
  const text = JSON.stringify({ mcpServers: { a: { command: "c", env: { T: "${file:secret}" } } } });
  await scene({}, async ({ dir, path, watch }) => {
    await Deno.writeTextFile(join(dir, "secret"), "one-secret");
    await Deno.writeTextFile(path, text);
    await watch.reload();
    await Deno.writeTextFile(join(dir, "secret"), "two-secret");
    const change = await watch.reload();
    assertEquals(change.changed, ["a"]);
    assertEquals((await watch.reload()).unchanged, ["a"]);
  });
});

Deno.test("writes that change nothing, and other files beside it, are not told", async () => {
  await scene({ text: file("a=1") }, async ({ dir, path, changes }) => {
    await Deno.writeTextFile(join(dir, "health.json"), "{}");
    await Deno.writeTextFile(path, file("a=1"));
    await Deno.writeTextFile(path, file("a=2"));
    assertEquals((await changes.until(({ changed }) => changed.length > 0)).changed, ["a"]);
    assertEquals(changes.waiting, 0);
  });
});
