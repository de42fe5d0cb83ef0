import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { VERSION } from "../lib/base/version.ts";
import type { Envelope } from "../lib/tool/tool_output.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { RawClient } from "./helpers/raw_client.ts";

async function call(client: RawClient, name: string, args: JsonObject = {}): Promise<Envelope> {
  const reply = await client.call(name, args);
  assertEquals(reply.error, undefined, JSON.stringify(reply));
  return JSON.parse(String((reply.outputs as JsonObject[])[0]!.text));
}

Deno.test("the daemon serves its own tools: what it is, how it fares, what was called", async () => {
  await using running = await testDaemon();
  using client = await RawClient.hello(running.url);
  assertStringIncludes(String((await call(client, "version")).content), `exai ${VERSION}\n`);
  assertStringIncludes(String((await call(client, "activity")).content), " version ok ");
  await client.call("no_such_tool");
  const { health, recent_errors } = (await call(client, "health")).content as JsonObject;
  assertEquals((health as JsonObject).pid, Deno.pid);
  assertStringIncludes(JSON.stringify(recent_errors), "no_such_tool");
  await client.close();
});

Deno.test("an investigation begun in one window goes on in another, after a restart of the daemon", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-own-tools-" });
  const step = { step: "s", step_number: 1, total_steps: 2, next_step_required: true };
  try {
    let continuation_id: string;
    {
      await using running = await testDaemon({ settings: { home } });
      using client = await RawClient.hello(running.url, { cwd: home });
      ({ continuation_id } = (await call(client, "planner", step)).continuation_offer!);
      await client.close();
    }
    await using running = await testDaemon({ settings: { home } });
    using client = await RawClient.hello(running.url, { cwd: home });
    const second = { ...step, step_number: 2, next_step_required: false, continuation_id };
    const { status, content } = await call(client, "planner", second);
    assertEquals([status, (content as JsonObject).steps_kept], ["planning_complete", [1, 2]]);
    await client.close();
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
