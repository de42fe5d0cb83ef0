import { assertEquals } from "@std/assert";
import { mountingDaemon, npmServer } from "../helpers/mounts.ts";
import { shimWindow, textOf } from "../helpers/sdk_client.ts";

const WRITES = 200;

Deno.test("what two windows write at once into the memory server is all in its file", async () => {
  const { share: _, ...memory } = npmServer("memory");
  await using it = await mountingDaemon({});
  const path = `${it.home}/memory.jsonl`;
  const env = { ...memory.env as Record<string, string>, MEMORY_FILE_PATH: path };
  await it.remount({ memory: { ...memory, env } });
  const shim = { home: it.home, url: it.url, cwd: it.home };
  await using ada = await shimWindow({ ...shim, name: "claude-code", capabilities: { roots: {} } });
  await using bob = await shimWindow({ ...shim, name: "codex-mcp-client" });
  const write = (window: typeof ada, who: string) =>
    Promise.all(Array.from({ length: WRITES }, async (_, i) => {
      const entities = [{ name: `${who} ${i}`, entityType: "number", observations: [`is ${i}`] }];
      const answer = await window.callTool({ name: "create_entities", arguments: { entities } });
      assertEquals(textOf(answer).includes(`${who} ${i}`), true);
    }));
  await Promise.all([write(ada, "ada"), write(bob, "bob")]);
  const lines = (await Deno.readTextFile(path)).trim().split("\n");
  assertEquals(new Set(lines.map((line) => JSON.parse(line).name)).size, 2 * WRITES);
  assertEquals((await it.status()).filter(({ state }) => state === "running").length, 1);
});
