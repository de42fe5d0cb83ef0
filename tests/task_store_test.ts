import { assertEquals, assertStringIncludes } from "@std/assert";
import { SqliteTaskStore } from "../lib/state/task_store.ts";
import { tempDir } from "./helpers/files.ts";

const task = (taskId: string, createdAtMs = 0) => ({ taskId, owner: "me", createdAtMs, ttlMs: 100 });
const done = (updatedAtMs: number, text = "") =>
  ({ status: "completed", updatedAtMs, outcome: { result: { text } } }) as const;

Deno.test("the outcome of a task is there for the next daemon, and a task that ran has failed", async () => {
  await using dir = await tempDir({});
  const path = `${dir.path}/tasks.db`;
  {
    using store = new SqliteTaskStore(path, { now: () => 1 });
    for (const id of ["ended", "runs"]) store.add(task(id));
    assertEquals(store.get("runs")!.status, undefined);
    assertEquals(store.finish("ended", done(1, "well")), true);
    assertEquals(store.finish("ended", done(2, "twice")), false);
  }
  using next = new SqliteTaskStore(path, { now: () => 2 });
  assertEquals(next.get("ended")!.outcome, { result: { text: "well" } });
  const lost = next.get("runs")!;
  assertEquals(lost.status, "failed");
  assertStringIncludes(JSON.stringify(lost.outcome), "OUTCOME_UNKNOWN");
});

Deno.test("a task that has ended is kept for its ttl, and one that runs for as long as it takes", async () => {
  await using dir = await tempDir({});
  let now = 0;
  using store = new SqliteTaskStore(`${dir.path}/tasks.db`, { now: () => now });
  for (const id of ["ended", "runs"]) store.add(task(id));
  store.finish("ended", done(1));
  now = 100;
  assertEquals([store.get("ended"), store.get("runs")?.status], [undefined, undefined]);
  assertEquals(store.get("runs")?.taskId, "runs");
});

Deno.test("the oldest outcomes make room, by number and by size, and none that is newest or runs", async () => {
  await using dir = await tempDir({});
  using store = new SqliteTaskStore(`${dir.path}/tasks.db`, { maxTasks: 3, maxChars: 1000, now: () => 0 });
  const known = () => ["a", "b", "c", "d", "e"].filter((id) => store.get(id));
  for (const id of ["a", "b", "c"]) store.add(task(id));
  store.finish("b", done(1));
  store.finish("c", done(2));
  store.add(task("d"));
  store.finish("d", done(3));
  assertEquals(known(), ["a", "c", "d"]);
  store.add(task("e"));
  store.finish("e", done(4, "x".repeat(2000)));
  assertEquals(known(), ["a", "e"]);
});
