import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { mountingDaemon } from "./helpers/mounts.ts";
import { canBeOther, talkAsOther } from "./helpers/other_user.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";

const WHERE = {
  command: Deno.execPath(),
  args: ["run", "-A", "--no-check", fromFileUrl(new URL("./fixtures/where_server.ts", import.meta.url))],
};

/** What another user of the machine is answered by the tool `where` over HTTP. */
async function whereOfOther(it: { url: string }): Promise<string> {
  const { hostname, port, host } = new URL(it.url);
  const post = (body: unknown, more = "") => {
    const text = JSON.stringify(body);
    const head =
      `POST /mcp HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nContent-Type: application/json\r\n` +
      `Accept: application/json, text/event-stream\r\n${more}Content-Length: ${text.length}\r\n\r\n`;
    return talkAsOther({ hostname, port: Number(port) }, head + text);
  };
  const clientInfo = { name: "other", version: "1" };
  const params = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo };
  const begun = await post({ jsonrpc: "2.0", id: 0, method: "initialize", params });
  const session = /mcp-session-id: (\S+)/i.exec(begun)![1];
  const call = { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "where", arguments: {} } };
  return await post(call, `Mcp-Session-Id: ${session}\r\n`);
}

Deno.test(
  "another user who is let in has no process of a directory with the owner's windows that have told none",
  { ignore: !canBeOther },
  async () => {
    await using it = await mountingDaemon({ where: WHERE }, { peers: "any" });
    using ada = await RawClient.hello(it.url);
    const [pid] = firstText(await ada.call("where")).split(" ");
    const answer = await whereOfOther(it);
    assertMatch(answer, /"text":"\d+ /);
    assertNotEquals(/"text":"(\d+) /.exec(answer)![1], pid);
    using bob = await RawClient.hello(it.url);
    assertEquals(firstText(await bob.call("where")).split(" ")[0], pid);
    for (const client of [ada, bob]) await client.close();
  },
);
