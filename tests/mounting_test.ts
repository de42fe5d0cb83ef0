import { assertEquals } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { Lifelines, oddProcess } from "./helpers/processes.ts";
import { startDaemon } from "./helpers/program.ts";
import { RawClient } from "./helpers/raw_client.ts";

Deno.test("two seconds after kill -9 of the daemon no mounted server is left, nor what it started", async () => {
  using lifelines = new Lifelines();
  const home = await Deno.makeTempDir({ prefix: "exai-killed-" });
  // They never answer initialize, and two of them do not heed SIGTERM: the hardest to be rid of.
  const modes = ["deaf", "grandchild", "stray"];
  const entries = modes.map((mode) => {
    const { command, args } = oddProcess(mode, { port: lifelines.port });
    return [mode, { command, args }];
  });
  await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: Object.fromEntries(entries) }));
  {
    await using daemon = await startDaemon({ home });
    using client = await RawClient.hello(daemon.url);
    client.send({ op: "list_tools" });
    const lives: Awaited<ReturnType<typeof lifelines.next>>[] = [];
    // The three, and one more that each of the last two starts.
    while (lives.length < 5) lives.push(await lifelines.next());
    assertEquals(lives.map(({ name }) => name).sort(), ["deaf", "deaf", "deaf", "grandchild", "stray"]);
    daemon.process.kill("SIGKILL");
    await deadline(Promise.all(lives.map(({ ended }) => ended)), 2000);
  }
  await Deno.remove(home, { recursive: true });
});
