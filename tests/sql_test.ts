import { assertEquals, assertThrows } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { execute, IN_MEMORY, inTransaction } from "../lib/state/sqlite/sql.ts";

/** A database in memory, and the texts of the statements prepared in it. */
function observed() {
  const db = new DatabaseSync(IN_MEMORY);
  const prepared: string[] = [];
  const prepare = db.prepare.bind(db);
  db.prepare = (text) => {
    prepared.push(text);
    return prepare(text);
  };
  return { db, prepared, [Symbol.dispose]: () => db.close() };
}

Deno.test("the statements of transactions are prepared once for each database", () => {
  using first = observed();
  using second = observed();
  for (const { db, prepared } of [first, second]) {
    for (let n = 0; n < 20; n++) {
      inTransaction(db, n % 2 === 0 ? "read" : "write", () => assertEquals(db.isTransaction, true));
      assertThrows(() => inTransaction(db, "write", () => assertEquals(1, 2)));
      assertEquals(db.isTransaction, false);
    }
    assertEquals(prepared.toSorted(), ["BEGIN", "BEGIN IMMEDIATE", "COMMIT", "ROLLBACK"]);
  }
});

Deno.test("a script may hold comments and empty statements anywhere", () => {
  using db = new DatabaseSync(IN_MEMORY);
  for (const script of ["", "-- nothing", "/* nothing", ";; ; -- nothing\n", "/* a * b **/ -- c\n\n"]) {
    execute(db, script);
  }
  execute(
    db,
    "-- first\nCREATE TABLE a (x /* ; */); -- then\n;/* and */ ALTER TABLE a ADD COLUMN y; -- last\n",
  );
  execute(db, "INSERT INTO a VALUES ('-- x', '/* y')--");
  assertEquals({ ...db.prepare("SELECT * FROM a").get() }, { x: "-- x", y: "/* y" });
});
