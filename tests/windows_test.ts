import { assertEquals } from "@std/assert";
import { bad, mountingDaemon } from "./helpers/mounts.ts";
import { sdkClient, textOf } from "./helpers/sdk_client.ts";

Deno.test("two hundred windows come and go and leave one process and no session behind", async () => {
  await using it = await mountingDaemon({ well: bad("well") });
  const visit = async (i: number) => {
    await using client = await sdkClient(it.url);
    const text = `window ${i}`;
    assertEquals(textOf(await client.callTool({ name: "well_echo", arguments: { text } })), text);
  };
  for (let i = 0; i < 200; i += 10) await Promise.all(Array.from({ length: 10 }, (_, n) => visit(i + n)));
  for (;;) {
    const status = await (await fetch(new URL("/status", it.http))).json();
    if (status.sessions.length > 0) continue;
    const [{ sessions, state, calls }] = status.servers;
    assertEquals([sessions, state, calls], [[], "running", 200]);
    break;
  }
});
