import { assertEquals, assertStringIncludes } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { testDaemon } from "../helpers/daemon.ts";
import { bad, mountingDaemon } from "../helpers/mounts.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";
import { sharedServer } from "../helpers/shared_server.ts";

type Client = Awaited<ReturnType<typeof sdkClient>>;
type Daemon = Awaited<ReturnType<typeof mountingDaemon>>;

/** Resolves when the client is told that its tools have changed. */
function told(client: Client): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => resolve());
  return promise;
}

const echo = (client: Client, text: string) =>
  client.callTool({ name: "well_echo", arguments: { text } }).then(textOf);

async function pidOf(it: Daemon, name: string): Promise<unknown> {
  return (await it.status()).find(({ server }) => server === name)?.pid;
}

/** Holds a call of `client` until it is let go. */
function hold(client: Client) {
  const begun = Promise.withResolvers<void>();
  const answer = client.callTool({ name: "well_hold" }, undefined, { onprogress: () => begun.resolve() })
    .then(textOf);
  return { begun: begun.promise, answer };
}

Deno.test({
  name: "a call in flight finishes on the old server when its entry changes; the next runs on the new one",
  ignore: Deno.build.os === "windows",
  fn: finishesOnTheOldServer,
});

async function finishesOnTheOldServer(): Promise<void> {
  await using it = await mountingDaemon({ well: bad("well") });
  await using client = await sdkClient(it.url);
  await using alone = await sdkClient(`${it.url}mcp/well`);
  await client.listTools();
  await alone.listTools();
  const held = hold(client);
  await held.begun;
  const before = await pidOf(it, "well");
  const change = await it.remount({ well: bad("well", { env: { VERSION: "2" } }) });
  assertEquals(change.changed, ["well"]);
  // It lists the same, so that no window is told.
  assertEquals(await echo(client, "new"), "new");
  const after = (await it.status()).find(({ server, state }) => server === "well" && state === "running")
    ?.pid;
  assertEquals(typeof after === "number" && after !== before, true);
  Deno.kill(before as number, "SIGUSR1");
  assertEquals(await held.answer, `held by ${before}`);
}

Deno.test("a call that waits for its turn when its server is to go still gets it", async () => {
  const begun = Promise.withResolvers<void>();
  const release = Promise.withResolvers<void>();
  await using shared = sharedServer({
    config: { share: "machine" },
    build: (server, n) => {
      const answer = { content: [{ type: "text" as const, text: String(n) }] };
      server.registerTool("hold", {}, async () => {
        begun.resolve();
        await release.promise;
        return answer;
      });
      server.registerTool("quick", {}, () => answer);
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted] });
  const capabilities = { sampling: {} };
  await using ada = await sdkClient(it.url, { capabilities });
  await using bob = await sdkClient(it.url, { capabilities });
  await bob.listTools();
  const held = ada.callTool({ name: "hold" });
  await begun.promise;
  const waiting = bob.callTool({ name: "quick" });
  // What bob says after his call is answered after it has arrived.
  await bob.ping();
  const retired = shared.mounted.retire();
  release.resolve();
  assertEquals([textOf(await held), textOf(await waiting)], ["1", "1"]);
  await retired;
});

Deno.test("a file saved with a fault in it takes nothing down, names the line, and is taken over once mended", async () => {
  await using it = await mountingDaemon({ well: bad("well") });
  await using client = await sdkClient(it.url);
  await client.listTools();
  assertEquals(await echo(client, "one"), "one");
  const pid = await pidOf(it, "well");
  await Deno.writeTextFile(it.config, '{\n  "mcpServers": {\n    "well": {{\n');
  const { faults } = await it.reload();
  assertStringIncludes(String(faults), "mcp.json:3:");
  assertEquals(await echo(client, "two"), "two");
  assertEquals(await pidOf(it, "well"), pid);
  await Deno.remove(it.config);
  await it.reload();
  assertEquals(await echo(client, "three"), "three");
  // Without a word to the daemon: it sees the file change.
  const news = told(client);
  await it.write({ well: bad("well"), fresh: bad("fresh") });
  await news;
  assertEquals(textOf(await client.callTool({ name: "fresh_echo", arguments: { text: "hi" } })), "hi");
  assertEquals(await pidOf(it, "well"), pid);
});
