import { assertEquals } from "@std/assert";
import { SqliteSpendingRecords } from "../lib/state/spending_records.ts";
import { tempDir } from "./helpers/files.ts";

Deno.test("what a day has used is kept over a restart", async () => {
  await using dir = await tempDir({});
  const path = `${dir.path}/spending.db`;
  {
    using records = new SqliteSpendingRecords(path);
    records.add("2026-11-24", "openai", { inputTokens: 10, outputTokens: 5, usd: 0.25 });
    records.add("2026-11-24", "openai", { inputTokens: 1, outputTokens: 1 });
    records.add("2026-11-24", "glm", { inputTokens: 7, outputTokens: 0 });
  }
  using again = new SqliteSpendingRecords(path);
  assertEquals(Object.fromEntries(again.of("2026-11-24")), {
    openai: { inputTokens: 11, outputTokens: 6, usd: 0.25 },
    glm: { inputTokens: 7, outputTokens: 0, usd: undefined },
  });
  assertEquals(again.of("2026-11-25").size, 0);
});

Deno.test("what a day has used is forgotten after more than a year", async () => {
  await using dir = await tempDir({});
  using records = new SqliteSpendingRecords(`${dir.path}/spending.db`);
  for (const day of ["2025-09-01", "2026-01-01"]) {
    records.add(day, "openai", { inputTokens: 1, outputTokens: 1 });
  }
  records.add("2026-11-24", "openai", { inputTokens: 1, outputTokens: 1 });
  assertEquals([records.of("2025-09-01").size, records.of("2026-01-01").size], [0, 1]);
});
