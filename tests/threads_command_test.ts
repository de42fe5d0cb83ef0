import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import { allThreads } from "../lib/admin/thread_routes.ts";
import { exportThreads, threadsCommand } from "../lib/commands/threads.ts";
import { runCommandAlone } from "./helpers/command.ts";
import { openThreadStore } from "../lib/state/sqlite_thread_store.ts";
import { defaultSettings, loadSettings } from "../lib/config/load.ts";
import { tempDir } from "./helpers/files.ts";
import { runDaemon } from "./helpers/program.ts";
import { openThreads } from "./helpers/threads.ts";

/** A state directory with two threads in it. */
async function setUp() {
  const dir = await tempDir({});
  const settings = defaultSettings({ home: dir.path });
  const ids: string[] = [];
  {
    using store = openThreads({
      path: join(dir.path, "exai.db"),
      timeoutMs: settings.conversationTimeoutMs,
      maxTurns: 50,
    });
    for (const prompt of ["what is a monad?", "why is it red?"]) {
      const reply = { content: `about ${prompt}`, model: "some-model" };
      ids.push((await store.record({ tool: "chat", title: prompt, request: { prompt }, reply })).thread.id);
    }
  }
  return {
    ids,
    home: dir.path,
    run: (...args: string[]) => {
      const switches = new Set(args.includes("--json") ? ["json"] : []);
      return runCommandAlone(threadsCommand, args.filter((arg) => arg !== "--json"), { settings, switches });
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

Deno.test("threads are listed, last used first, as a table or as JSON", async () => {
  await using at = await setUp();
  const [head, first, second] = (await at.run()).split("\n");
  assertStringIncludes(head!, "EXCHANGES");
  assertStringIncludes(first!, at.ids[1]!);
  assertStringIncludes(second!, "what is a monad?");
  assertEquals(JSON.parse(await at.run("list", "--json")).length, 2);
});

Deno.test("a thread is shown and exported in full, by the beginning of its id", async () => {
  await using at = await setUp();
  const page = await at.run("show", at.ids[0]!.slice(0, 8));
  for (const part of ["# what is a monad?", "**some-model:**", "about what is a monad?"]) {
    assertStringIncludes(page, part);
  }
  const [thread] = JSON.parse(await at.run("export", at.ids[0]!, "--json"));
  assertEquals([thread.id, thread.exchanges[0].request.prompt], [at.ids[0], "what is a monad?"]);
  assertEquals(JSON.parse(await at.run("export", "--json")).length, 2);
});

Deno.test("an export of all threads passes over one that is deleted meanwhile", async () => {
  await using at = await setUp();
  using store = openThreadStore({ path: join(at.home, "exai.db"), timeoutMs: 3_600_000, maxTurns: 50 });
  const threads = allThreads(store);
  const racing = {
    ...threads,
    list: async () => {
      const listed = await threads.list();
      await threads.delete(at.ids[0]!);
      return listed;
    },
  };
  const { json } = await exportThreads(racing, []);
  assertEquals((json as { id: string }[]).map(({ id }) => id), [at.ids[1]]);
});

Deno.test("threads are deleted all or none", async () => {
  await using at = await setUp();
  await assertRejects(() => at.run("delete", at.ids[0]!, "no such thread"), ExaiError, "there is no thread");
  assertEquals(JSON.parse(await at.run("list", "--json")).length, 2);
  assertEquals(await at.run("delete", ...at.ids), at.ids.map((id) => `deleted ${id}`).join("\n"));
  assertStringIncludes(await at.run(), "no threads");
});

Deno.test("what cannot be done with threads says what can", async () => {
  await using at = await setUp();
  for (const args of [["burn"], ["show"], ["show", "a", "b"], ["delete"], ["show", at.ids[0]!.slice(0, 2)]]) {
    await assertRejects(() => at.run(...args), ExaiError);
  }
  assertEquals(
    loadSettings({ args: ["threads", "show", "12e4"], env: { ENV_FILE: "" } }).words.at(-1),
    "12e4",
  );
});

Deno.test("where no daemon ever ran there are no threads, and looking makes no file", async () => {
  await using dir = await tempDir({});
  const home = join(dir.path, "state");
  const settings = defaultSettings({ home });
  assertStringIncludes(await runCommandAlone(threadsCommand, [], { settings }), "no threads");
  await assertRejects(() => Deno.stat(home), Deno.errors.NotFound);
});

Deno.test("the real program lists threads, and exits with 1 for one that is not there", async () => {
  await using at = await setUp();
  const listed = await runDaemon({ home: at.home, args: ["threads"] });
  assertEquals(listed.code, 0);
  assertStringIncludes(listed.stdout, at.ids[0]!);
  const missing = await runDaemon({ home: at.home, args: ["threads", "show", "nobody"] });
  assert(missing.code === 1 && missing.stdout === "");
  assertStringIncludes(missing.stderr, "there is no thread");
});
