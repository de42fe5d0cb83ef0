import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { DatabaseSync } from "node:sqlite";
import { FileWatch } from "../../lib/config/file_watch.ts";
import { tempDir } from "../helpers/files.ts";
import { bad } from "../helpers/mounts.ts";
import { startDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";

const DEADLINE_MS = 20_000;

async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!await holds()) {
    assert(performance.now() < end, "it does not come about");
    await delay(50);
  }
}

/** Has a watcher of the directory, if there is one, hear of the file, and gives it the time to open it. */
async function announce(path: string): Promise<void> {
  await Deno.utime(path, new Date(), new Date());
  await delay(300);
}

Deno.test({
  name:
    "a configuration beside the databases is noticed when it changes, and the daemon keeps its locks on them",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using home = await tempDir({ "mcp.json": "{}" });
    await Deno.chmod(home.path, 0o700);
    await using daemon = await startDaemon({ home: home.path });
    using client = await RawClient.hello(daemon.url);
    const step = { step: "s", step_number: 1, total_steps: 1, next_step_required: false };
    await client.call("planner", step);
    await home.write("mcp.json", JSON.stringify({ mcpServers: { echo: bad("well") } }));
    await until(async () => {
      const { tools } = await client.ask({ op: "list_tools" }) as unknown as { tools: { name: string }[] };
      return tools.some(({ name }) => name === "well_echo");
    });
    await client.call("planner", step);
    for (const suffix of ["", "-wal"]) await announce(`${home.path}/exai.db${suffix}`);
    // Were the locks gone, this would get in, be the last connection, take the log into the file and remove it.
    const script = `import { DatabaseSync } from "node:sqlite";
      const db = new DatabaseSync(${JSON.stringify(`${home.path}/exai.db`)});
      db.prepare("SELECT count(*) FROM thread").get();
      db.close();`;
    const { success, stderr } = await new Deno.Command(Deno.execPath(), { args: ["eval", script] }).output();
    assertEquals([success, /database is locked/.test(new TextDecoder().decode(stderr))], [false, true]);
    assert((await Deno.stat(`${home.path}/exai.db-wal`)).size > 0);
    assertEquals((await client.call("planner", step)).error, undefined);
  },
});

for (const way of ["as it is", "by a link"]) {
  Deno.test({
    name: `a file in the directory of databases, named ${way}, is looked at and never watched`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      await using home = await tempDir({ "it.json": "1" });
      await using elsewhere = await tempDir({});
      await Deno.symlink(`${home.path}/it.json`, `${elsewhere.path}/it.json`);
      await Deno.symlink(home.path, `${elsewhere.path}/link`);
      const path = way === "as it is" ? `${home.path}/it.json` : `${elsewhere.path}/it.json`;
      const read: string[] = [];
      await using watch = new FileWatch(path, async () => void read.push(await Deno.readTextFile(path)), {
        databaseDir: `${elsewhere.path}/link`,
      });
      await watch.reload();
      // Closing any handle of a database drops the process's locks: then another process can write although we do.
      using db = new DatabaseSync(`${home.path}/x.db`);
      db.exec("CREATE TABLE a (x); BEGIN IMMEDIATE; INSERT INTO a VALUES (1)");
      await Deno.writeTextFile(`${home.path}/it.json`, "2");
      await until(() => read.at(-1) === "2");
      db.exec("INSERT INTO a VALUES (2)");
      await announce(`${home.path}/x.db`);
      const script = `import { DatabaseSync } from "node:sqlite";
        const db = new DatabaseSync(${JSON.stringify(`${home.path}/x.db`)});
        try { db.exec("BEGIN IMMEDIATE"); console.log("in"); } catch { console.log("kept out"); }`;
      const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["eval", script] }).output();
      assertEquals(new TextDecoder().decode(stdout).trim(), "kept out");
      db.exec("COMMIT");
    },
  });
}
