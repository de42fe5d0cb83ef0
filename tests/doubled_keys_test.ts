import { assert, assertEquals, assertMatch } from "@std/assert";
import { mountingDaemon } from "./helpers/mounts.ts";
import { httpClient, shimClient, type TextClient, webSocketClient } from "./helpers/passing/doors.ts";
import { arrivalAt, fill, namesFor, next } from "./helpers/passing/exchange.ts";
import { OWN_NAME, stdioServer } from "./helpers/passing/verbatim_server.ts";

const DOORS: Readonly<Record<string, (url: string) => Promise<TextClient>>> = {
  "the shim": shimClient,
  "WebSocket": webSocketClient,
  "Streamable HTTP": (url) => httpClient(`${url}mcp`),
};

const r = String.raw;

/** Calls of the tool that may be called, by a reader that takes the last of equal keys. */
const ALLOWED: Readonly<Record<string, string>> = {
  "two names": r`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hidden","name":<tool>}}`,
  "two names, one with an escape":
    r`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"n\u0061me":"hidden","name":<tool>}}`,
  "two names, the other with an escape":
    r`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hidden","nam\u0065":<tool>}}`,
  "two params":
    r`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hidden"},"params":{"name":<tool>}}`,
  "two methods": r`{"jsonrpc":"2.0","method":"ping","id":1,"method":"tools/call","params":{"name":<tool>}}`,
  "two ids": r`{"jsonrpc":"2.0","id":9,"id":1,"method":"tools/call","params":{"name":<tool>}}`,
  "two tokens of progress":
    r`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":<tool>,"_meta":{"progressToken":8,"progressToken":"t"}}}`,
  "two _meta":
    r`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"progressToken":8},"name":<tool>,"_meta":{"progressToken":"t"}}}`,
};

/** The keys that are read on the way, each time one stands in `text`. */
const keysIn = (text: string) =>
  Array.from(
    text.matchAll(/"((?:[^"\\]|\\.)*)":/g),
    ([, key]) => JSON.parse(`"${key}"`) as string,
  ).filter((key) => /^(id|method|params|name|_meta|progressToken|result)$/.test(key));

for (const [door, open] of Object.entries(DOORS)) {
  Deno.test(`through ${door} no two readers make different calls of one message`, async (t) => {
    await using server = stdioServer("piped");
    await using it = await mountingDaemon({ piped: { ...server.entry, exclude: ["hidden"] } });
    await using client = await open(it.url);
    const { tool } = await namesFor(client, "piped");
    for (const [what, template] of Object.entries(ALLOWED)) {
      await t.step({
        name: what,
        async fn() {
          await client.send(fill(template, { tool: tool! }));
          const arrival = await arrivalAt(server, client);
          const keys = keysIn(arrival.text);
          assertEquals(keys.length, new Set(keys).size, arrival.text);
          const { id, params } = JSON.parse(arrival.text);
          assertEquals(JSON.stringify(params.name), OWN_NAME);
          arrival.say(`{"jsonrpc":"2.0","id":${id},"result":{"content":[]}}`);
          assertEquals(JSON.parse(await next(client)).id, 1);
        },
      });
    }
    await t.step("a tool that may not be called, behind one that may", async () => {
      await client.send(
        `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${tool},"name":"hidden"}}`,
      );
      assertMatch(await next(client), /"TOOL_NOT_FOUND"/);
    });
    await t.step("an answer with two ids and two results", async () => {
      await client.send(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${tool}}}`);
      const arrival = await arrivalAt(server, client);
      const { id } = JSON.parse(arrival.text);
      arrival.say(`{"jsonrpc":"2.0","id":77,"result":{"a":1},"id":${id},"result":{"content":[]}}`);
      const answer = await next(client);
      assertEquals(JSON.parse(answer), { jsonrpc: "2.0", id: 1, result: { content: [] } });
      assert(keysIn(answer).length === 2, answer);
    });
  });
}
