import { DatabaseSync } from "node:sqlite";
import { assertEquals } from "@std/assert";
import { SqliteServerLists } from "../lib/state/saved_lists.ts";
import type { StoredView } from "../lib/upstream/list_store.ts";
import { tempDir } from "./helpers/files.ts";

const KEY = { server: "s", config: "c" };
const view = (...tools: string[]): StoredView => ({
  description: { protocolVersion: "2025-11-25", capabilities: {}, serverInfo: { name: "s", version: "1" } },
  lists: { tools: tools.map((name) => ({ name })) },
});
const namesOf = (view: StoredView | undefined) => view?.lists.tools?.map(({ name }) => name);

Deno.test("each place keeps what it listed, and a new one is shown what was listed last anywhere", async () => {
  await using dir = await tempDir({});
  {
    using lists = new SqliteServerLists(`${dir.path}/lists.db`);
    lists.set(KEY, "p", view("a"));
    assertEquals(lists.varies(KEY), false);
    lists.set(KEY, "q", view("b"));
  }
  using lists = new SqliteServerLists(`${dir.path}/lists.db`);
  const shown = ["p", "q", "r"].map((place) => namesOf(lists.at(KEY, place)));
  assertEquals([shown, namesOf(lists.latest(KEY)), lists.varies(KEY)], [
    [["a"], ["b"], undefined],
    ["b"],
    true,
  ]);
  assertEquals(lists.latest({ ...KEY, config: "other" }), undefined);
});

Deno.test("when one place shows a new release of a server, those that listed the same before are not taken for different", () => {
  using lists = new SqliteServerLists(":memory:");
  for (const place of ["p", "q"]) lists.set(KEY, place, view("old"));
  lists.set(KEY, "p", view("new"));
  assertEquals([lists.varies(KEY), lists.at(KEY, "q"), namesOf(lists.latest(KEY))], [
    false,
    undefined,
    ["new"],
  ]);
  lists.set({ ...KEY, config: "changed" }, "p", view("other"));
  assertEquals(lists.latest(KEY), undefined, "one configuration of a server is kept");
});

Deno.test("a server in many directories does not displace the lists of the others", () => {
  using lists = new SqliteServerLists(":memory:");
  lists.set({ server: "quiet", config: "c" }, "p", view("a"));
  for (let n = 0; n < 600; n++) lists.set(KEY, `p${n}`, view(`t${n}`));
  assertEquals(namesOf(lists.latest({ server: "quiet", config: "c" })), ["a"]);
  assertEquals([lists.at(KEY, "p0"), namesOf(lists.at(KEY, "p599"))], [undefined, ["t599"]]);
});

Deno.test("a file of the daemon before is taken over without its lists, which servers are asked for again", async () => {
  await using dir = await tempDir({});
  const path = `${dir.path}/lists.db`;
  {
    using db = new DatabaseSync(path);
    db.exec(`
      CREATE TABLE view (server TEXT NOT NULL, capabilities TEXT NOT NULL, config TEXT NOT NULL, text TEXT NOT NULL,
        kept_ms INTEGER NOT NULL, PRIMARY KEY (server, capabilities));
      INSERT INTO view VALUES ('s', '{}', 'c', '{"description":{},"lists":{"tools":[]}}', 1);
      PRAGMA application_id = 0x45584149; PRAGMA user_version = 1;
    `);
  }
  using lists = new SqliteServerLists(path);
  assertEquals([lists.fault, lists.latest(KEY)], [undefined, undefined]);
  lists.set(KEY, "p", view("a"));
  assertEquals(namesOf(lists.latest(KEY)), ["a"]);
});
