import { assertEquals } from "@std/assert";
// @ts-types="@modelcontextprotocol/sdk/types"
import { ToolListChangedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { mountingDaemon } from "./helpers/mounts.ts";
import { EventStream, ScriptedUrlServer } from "./helpers/scripted_url_server.ts";
import { sdkClient } from "./helpers/sdk_client.ts";
import { until } from "./helpers/until.ts";

Deno.test("a window that has only listed the tools of a remote server hears when they change", async () => {
  const tools = [{ name: "work", inputSchema: { type: "object" } }];
  const streams: EventStream[] = [];
  await using server = new ScriptedUrlServer({
    tools,
    get: () => streams[streams.push(new EventStream()) - 1]!.response,
  });
  await using it = await mountingDaemon({ far: { url: server.url } });
  await using ada = await sdkClient(it.url);
  const names = async () => (await ada.listTools()).tools.map(({ name }) => name);
  await until("the tools are listed", async () => (await names()).includes("work") || undefined);
  await until("the window is connected", async () => {
    const [row] = await it.status();
    return (row!.sessions as string[]).length === 1 || undefined;
  });
  await until("the stream is open", () => streams.at(-1));
  const changed = Promise.withResolvers<void>();
  ada.setNotificationHandler(ToolListChangedNotificationSchema, () => changed.resolve());
  tools.push({ name: "added", inputSchema: { type: "object" } });
  for (const stream of streams) stream.send({ jsonrpc: "2.0", method: "notifications/tools/list_changed" });
  await changed.promise;
  assertEquals((await names()).includes("added"), true);
});
