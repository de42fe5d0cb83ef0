import { assertEquals, assertMatch } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/types"
import {
  ResourceUpdatedNotificationSchema,
  SubscribeRequestSchema,
} from "@modelcontextprotocol/sdk/types.js";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { sdkClient } from "../helpers/sdk_client.ts";
import { shimWindow } from "../helpers/sdk_client.ts";
import { sharedServer } from "../helpers/shared_server.ts";
import { Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";

const WHERE = {
  command: Deno.execPath(),
  args: ["run", "-A", "--no-check", fromFileUrl(new URL("../fixtures/where_server.ts", import.meta.url))],
};

Deno.test("a window that is silent for longer than EXAI_SESSION_IDLE is still told of updates; a plain client is let go unless it waits for some", async () => {
  await using dir = await tempDir({});
  await using shared = sharedServer({
    build: (server) => {
      server.registerResource("r", "test://r", {}, () => ({ contents: [] }));
      const { server: raw } = server;
      raw.setRequestHandler(SubscribeRequestSchema, () => ({}));
    },
  });
  await using it = await testDaemon({ servers: [shared.mounted], settings: { sessionIdleMs: 1000 } });
  await using client = await shimWindow({ home: it.home, url: it.url, cwd: dir.path });
  const updates = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  let heard = 0;
  client.setNotificationHandler(ResourceUpdatedNotificationSchema, () => updates[heard++]?.resolve());
  await client.subscribeResource({ uri: "test://r" });
  await using waiting = await sdkClient(it.url);
  const told = Promise.withResolvers<void>();
  waiting.setNotificationHandler(ResourceUpdatedNotificationSchema, () => told.resolve());
  await waiting.subscribeResource({ uri: "test://r" });
  const before = await sessionsOf(it);
  using plain = await RawClient.hello(it.url);
  // By the time it is closed as idle, the silent window has been silent for at least as long.
  assertEquals((await plain.closed).code, 1001);
  for (const { server } of shared.servers) await server.sendResourceUpdated({ uri: "test://r" });
  await updates[0]!.promise;
  await told.promise;
  assertEquals(await sessionsOf(it), before);
});

async function sessionsOf(it: { http: string }): Promise<unknown[]> {
  const { sessions } = await (await fetch(new URL("/status", it.http))).json();
  return sessions.map(({ session, started_at }: JsonObject) => [session, started_at]);
}

Deno.test("a window whose directory is deleted is connected to the next daemon, and its calls work", async () => {
  await using dir = await tempDir({ "work/x": "" });
  const home = await Deno.makeTempDir({ prefix: "exai-gone-" });
  {
    await using first = await testDaemon({ settings: { home } });
    const port = Number(new URL(first.url).port);
    await using shim = await Shim.ready({ home, port, cwd: `${dir.path}/work` });
    await shim.call("version");
    await Deno.remove(`${dir.path}/work`, { recursive: true });
    await first.daemon.stop();
    await using _second = await testDaemon({ settings: { home, port } });
    assertEquals((await shim.call("version")).error, undefined);
  }
  await Deno.remove(home, { recursive: true });
});

Deno.test("a server for a window whose directory is gone says so, and others go on", async () => {
  await using dir = await tempDir({ "gone/x": "", "here/x": "" });
  await using it = await mountingDaemon({ where: WHERE });
  const port = Number(new URL(it.url).port);
  // Its lists are read elsewhere, so that no process runs in a window's directory before that is gone.
  await until(
    "its lists are known and no process runs",
    async () => (await it.status())[0]!.lists_known === true || undefined,
  );
  await using gone = await Shim.ready({ home: it.home, port, cwd: `${dir.path}/gone` });
  await using here = await Shim.ready({ home: it.home, port, cwd: `${dir.path}/here` });
  await Deno.remove(`${dir.path}/gone`, { recursive: true });
  assertEquals((await here.call("where")).error, undefined);
  const { error } = await gone.call("where");
  assertMatch(
    String((error as JsonObject | undefined)?.message),
    /gone does not exist.*open the window in a directory/,
  );
  assertEquals((await here.call("where")).error, undefined);
});
