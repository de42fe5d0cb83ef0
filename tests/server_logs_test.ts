import { assertEquals } from "@std/assert";
import { ServerLogs } from "../lib/app/server_logs.ts";
import { tempDir } from "./helpers/files.ts";

Deno.test("what a server says after its daemon has ended makes no file", async () => {
  await using dir = await tempDir({});
  const logs = new ServerLogs(dir.path, 1000);
  logs.append("early", "said in time\n");
  await logs[Symbol.asyncDispose]();
  logs.append("early", "too late\n");
  logs.append("late", "too late\n");
  await logs[Symbol.asyncDispose]();
  assertEquals(await Array.fromAsync(Deno.readDir(dir.path), ({ name }) => name), ["server-early.log"]);
  assertEquals(await Deno.readTextFile(`${dir.path}/server-early.log`), "said in time\n");
});
