import { assert, assertEquals } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ListRootsRequestSchema } from "@modelcontextprotocol/sdk/types.js";
import type { JsonObject } from "../../lib/base/json.ts";
import { asking, mountingDaemon } from "../helpers/mounts.ts";
import { sdkClient } from "../helpers/sdk_client.ts";
import { until } from "../helpers/until.ts";

type Daemon = Awaited<ReturnType<typeof mountingDaemon>>;
type Client = Awaited<ReturnType<typeof sdkClient>>;

/** What `ps` and `calls` say the one call that runs waits for. */
async function shownWait(it: Daemon, passing?: RegExp): Promise<string> {
  const get = async (path: string): Promise<JsonObject> => await (await fetch(new URL(path, it.http))).json();
  return await until("a call that waits", async () => {
    const [one, ...others] = (await get("/status")).waiting as JsonObject[];
    const { calls } = await get("/calls?outcome=running") as { calls: JsonObject[] };
    if (!one || calls.length !== 1 || calls[0]!.waits_for !== one.waits_for) return undefined;
    if (passing?.test(String(one.waits_for))) return undefined;
    assertEquals(others, []);
    const [sinceMs, alsoMs] = [one.since, calls[0]!.waiting_since].map((at) =>
      new Date(String(at)).getTime()
    );
    assert(Date.now() - sinceMs! < 20_000 && Math.abs(sinceMs! - alsoMs!) < 50, `${one.since}`);
    return String(one.waits_for);
  });
}

const SAME_WAY: Record<string, (client: Client) => Promise<unknown>> = {
  "tools/call": (client) => client.callTool({ name: "echo", arguments: { text: "x" } }),
  "prompts/get": (client) => client.getPrompt({ name: "nobody has it" }),
  "resources/read": (client) => client.readResource({ uri: "odd://nobody/has/it" }),
  "resources/subscribe": (client) => client.subscribeResource({ uri: "odd://nobody/has/it" }),
  "resources/unsubscribe": (client) => client.unsubscribeResource({ uri: "odd://nobody/has/it" }),
  "completion/complete": (client) =>
    client.complete({
      ref: { type: "ref/prompt", name: "nobody has it" },
      argument: { name: "a", value: "" },
    }),
};

for (const [method, ask] of Object.entries(SAME_WAY)) {
  Deno.test(`${method} that needs a server that is still starting says that it waits for that, and since when`, async () => {
    const sign = await Deno.makeTempFile({ prefix: "exai-sign-" });
    await Deno.remove(sign);
    await using it = await mountingDaemon({ late: asking(["late", sign]) });
    await using client = await sdkClient(it.url);
    const asked = ask(client).catch(() => {});
    // Where the client works is looked up first, which takes a moment.
    assertEquals(await shownWait(it, /its client to tell its roots/), 'server "late" to start');
    await Deno.writeTextFile(sign, "");
    await asked;
    await Deno.remove(sign);
  });
}

const NEEDS_ROOTS: Record<string, (client: Client) => Promise<unknown>> = {
  "a tool of a mounted server": (client) => client.callTool({ name: "echo", arguments: { text: "x" } }),
  "a tool that keeps a thread": (client) =>
    client.callTool({
      name: "planner",
      arguments: { step: "one", step_number: 1, total_steps: 1, next_step_required: false },
    }),
  "a tool that shows calls": (client) => client.callTool({ name: "activity", arguments: {} }),
  "a tool that shows errors": (client) => client.callTool({ name: "health", arguments: {} }),
  "a resource of the workspace": (client) => client.readResource({ uri: "exai://calls" }),
};

for (const [what, ask] of Object.entries(NEEDS_ROOTS)) {
  Deno.test(`${what} that waits for its client's roots says so`, async () => {
    // What is mounted needs the roots too: for a call of a tool of the daemon itself there is nothing of the kind.
    const mounted: Record<string, JsonObject> = what.includes("mounted")
      ? { well: asking([], { share: "project" }) }
      : {};
    await using it = await mountingDaemon(mounted);
    await using client = await sdkClient(it.url, { capabilities: { roots: {} } });
    const roots = Promise.withResolvers<{ roots: [] }>();
    client.setRequestHandler(ListRootsRequestSchema, () => roots.promise);
    const asked = ask(client);
    asked.catch(() => {});
    assertEquals(await shownWait(it), "its client to tell its roots");
    roots.resolve({ roots: [] });
    await asked;
  });
}
