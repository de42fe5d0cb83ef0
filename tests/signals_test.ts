import { assertEquals } from "@std/assert";
import { testDaemon } from "./helpers/daemon.ts";
import { startDaemon } from "./helpers/program.ts";
import { RawClient } from "./helpers/raw_client.ts";

const SIGNALS: Deno.Signal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM", "SIGHUP"];
for (const signal of SIGNALS) {
  Deno.test(`${signal} tells the clients, leaves no address behind and exits with 0`, async () => {
    await using daemon = await startDaemon();
    using client = await RawClient.hello(daemon.url);
    daemon.process.kill(signal);
    assertEquals((await client.closed).code, 1001);
    assertEquals((await daemon.process.status).code, 0);
    const left = await Array.fromAsync(Deno.readDir(daemon.home), ({ name }) => name);
    assertEquals(left.includes("daemon.json"), false);
    assertEquals(JSON.parse(await Deno.readTextFile(`${daemon.home}/health.json`)).status, "stopped");
  });
}

Deno.test("stopping twice waits for all of the first stop", async () => {
  await using it = await testDaemon();
  const files = () => Array.from(Deno.readDirSync(it.home), ({ name }) => name).sort();
  let isDone = false;
  const first = it.daemon.stop().then(() => isDone = true);
  await it.daemon.stop();
  const left = files();
  await first;
  assertEquals([isDone, left.filter((name) => name.endsWith("-wal")), left], [true, [], files()]);
});
