import { assertEquals } from "@std/assert";
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
