import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { bad, mountingDaemon } from "../helpers/mounts.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";

type Client = Awaited<ReturnType<typeof sdkClient>>;

const echo = (client: Client, server: string, text = "hello") =>
  client.callTool({ name: `${server}_echo`, arguments: { text } }).then(textOf);

/** Its neighbour is listed and answers, whatever `mode` does. */
async function assertNeighbourWell(client: Client): Promise<void> {
  const { tools } = await client.listTools();
  assertEquals(tools.some(({ name }) => name === "well_echo"), true);
  assertEquals(await echo(client, "well"), "hello");
}

for (const mode of ["exits", "hangs", "never_lists"]) {
  Deno.test(`a server that ${mode} leaves its neighbour unharmed`, async () => {
    await using it = await mountingDaemon({ bad: bad(mode, { startTimeoutMs: 20_000 }), well: bad("well") });
    await using client = await sdkClient(it.url);
    await assertNeighbourWell(client);
  });
}

for (const mode of ["floods", "banners", "garbles"]) {
  Deno.test(`a server that ${mode} is served all the same, and its neighbour too`, async () => {
    await using it = await mountingDaemon({ bad: bad(mode), well: bad("well") });
    await using client = await sdkClient(it.url);
    await assertNeighbourWell(client);
    for (const text of ["one", "two", "three"]) assertEquals(await echo(client, mode, text), text);
    await assertNeighbourWell(client);
  });
}

Deno.test("a result of 20 MiB passes whole while a neighbour answers", async () => {
  await using it = await mountingDaemon({ big: bad("big"), well: bad("well") });
  await using client = await sdkClient(it.url);
  await client.listTools();
  const [large] = await Promise.all([client.callTool({ name: "big_large" }), assertNeighbourWell(client)]);
  assertEquals(textOf(large).length, 20 * 1024 * 1024);
});

Deno.test("five hundred tools with names of 90 characters get names every client takes, and lead where they should", async () => {
  await using it = await mountingDaemon({ crowds: bad("crowds"), well: bad("well") });
  await using client = await sdkClient(it.url);
  const names = (await client.listTools()).tools.map(({ name }) => name).filter((name) =>
    name.startsWith("crowds__")
  );
  assertEquals([names.length, new Set(names).size], [500, 500]);
  assertEquals(names.every((name) => /^[A-Za-z0-9_-]{1,64}$/.test(name)), true);
  const reached = new Set<string>();
  for (const name of names) reached.add(textOf(await client.callTool({ name })));
  assertEquals(reached.size, 500);
  await assertNeighbourWell(client);
});

Deno.test("a list that keeps changing is followed", async () => {
  await using it = await mountingDaemon({ moody: bad("moody"), well: bad("well") });
  await using client = await sdkClient(it.url);
  await client.listTools();
  for (let version = 2; version < 7; version++) {
    const told = Promise.withResolvers<void>();
    client.setNotificationHandler(ToolListChangedNotificationSchema, () => told.resolve());
    await client.callTool({ name: "moody_change" });
    await told.promise;
    const names = (await client.listTools()).tools.map(({ name }) => name);
    assertEquals(names.includes(`v${version}`), true, names.join());
  }
});

Deno.test("a server killed in mid-call fails that call by its name; the next call finds a fresh process", async () => {
  await using it = await mountingDaemon({ mortal: bad("mortal"), well: bad("well") });
  await using client = await sdkClient(it.url);
  const held = client.listTools();
  await held;
  const [before] = (await it.status()).filter(({ server }) => server === "mortal");
  const error = await assertRejects(() => client.callTool({ name: "mortal_die" })) as Error;
  assertStringIncludes(error.message, '"mortal"');
  assertStringIncludes(error.message, "SIGKILL");
  assertEquals(await echo(client, "mortal"), "hello");
  const [after] = (await it.status()).filter(({ server }) => server === "mortal");
  assertEquals(typeof after!.pid === "number" && after!.pid !== before!.pid, true);
});

Deno.test("servers come, go and change while the daemon runs; what has not changed goes on untouched", async () => {
  await using it = await mountingDaemon({ well: bad("well"), old: bad("old") });
  await using client = await sdkClient(it.url);
  await client.listTools();
  const pidOf = async (name: string) => (await it.status()).find(({ server }) => server === name)?.pid;
  const wellPid = await pidOf("well");
  const told = Promise.withResolvers<void>();
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => told.resolve());
  const change = await it.remount({ well: bad("well"), fresh: bad("fresh") });
  assertEquals([change.added, change.removed, change.unchanged], [["fresh"], ["old"], ["well"]]);
  await told.promise;
  assertEquals(await echo(client, "fresh"), "hello");
  await assertRejects(() => echo(client, "old"));
  assertEquals(await pidOf("well"), wellPid);
  const faulty = await it.remount({ well: { command: 7 }, fresh: bad("fresh") });
  assertStringIncludes(JSON.stringify(faulty.faults), "well");
  assertEquals(await echo(client, "well"), "hello");
});
