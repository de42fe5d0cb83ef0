import { assertEquals } from "@std/assert";
import { mountingDaemon } from "./helpers/mounts.ts";
import { httpClient, shimClient, webSocketClient } from "./helpers/passing/doors.ts";
import { arrivalAt, namesFor, next } from "./helpers/passing/exchange.ts";
import { OWN_NAME, stdioServer } from "./helpers/passing/verbatim_server.ts";

/** What a client sends, and what the server gets of it. */
const CALLS = [
  ['"ID":1,"id":7,"Id":2,"i\\u0064\\u0000":3', `"name":<tool>`, '"id":<id>', `"name":<tool>`],
  [
    '"id":7,"Params":{"name":"hidden"},"x":1.0',
    `"name":<tool>`,
    '"id":<id>,"x":1.0',
    `"name":<tool>`,
  ],
  ['"id":7,"result":{},"error":null', `"name":<tool>`, '"id":<id>', `"name":<tool>`],
  ['"id":7,"\\u004dethod":"tools/list"', `"name":<tool>`, '"id":<id>', `"name":<tool>`],
  ['"id":7', `"name":<tool>,"Name":"hidden","n":1e2`, '"id":<id>', `"name":<tool>,"n":1e2`],
  ['"id":7', `"name":<tool>,"TasKId":"9"`, '"id":<id>', `"name":<tool>`],
  [
    '"id":7',
    `"_META":{"progressToken":1},"name":<tool>,"_meta":{"ProgreſſToken":2,"a":1.0}`,
    '"id":<id>',
    `"name":<tool>,"_meta":{"a":1.0}`,
  ],
  [
    '"id":7',
    `"name":<tool>,"_meta":{"progressToken":"t","ProgressToken":2}`,
    '"id":<id>',
    `"name":<tool>,"_meta":{"progressToken":<id>}`,
  ],
] as const;

const DOORS = {
  "the shim": shimClient,
  "a WebSocket": webSocketClient,
  "HTTP": (url: string) => httpClient(`${url}mcp`),
};

for (const [door, connect] of Object.entries(DOORS)) {
  Deno.test(`a server that ignores case gets no other id, tool or token through ${door}`, async (t) => {
    await using server = stdioServer("piped");
    const entry = { ...server.entry, tools: { exclude: ["hidden"] } };
    await using it = await mountingDaemon({ piped: entry });
    await using client = await connect(it.url);
    const { tool } = await namesFor(client, "piped");
    for (const [head, params, gotHead, gotParams] of CALLS) {
      await t.step({
        name: `${head} ${params}`,
        async fn() {
          const message = (head: string, params: string, tool: string) =>
            `{"jsonrpc":"2.0",${head},"method":"tools/call","params":{${params.replace("<tool>", tool)}}}`;
          await client.send(message(head, params, tool!));
          const { text, say } = await arrivalAt(server, client);
          const id = String(JSON.parse(text).id);
          assertEquals(text, message(gotHead, gotParams, OWN_NAME).replaceAll("<id>", id));
          say(`{"jsonrpc":"2.0","id":${id},"result":{}}`);
          assertEquals(await next(client), '{"jsonrpc":"2.0","id":7,"result":{}}');
        },
      });
    }
  });
}
