import { assert, assertEquals } from "@std/assert";
import { mountingDaemon } from "./helpers/mounts.ts";
import { httpClient, shimClient, type TextClient, webSocketClient } from "./helpers/passing/doors.ts";
import { arrivalAt, namesFor, next } from "./helpers/passing/exchange.ts";
import { IDS, VALUES } from "./helpers/passing/messages.ts";
import { stdioServer, urlServer } from "./helpers/passing/verbatim_server.ts";

const SERVERS = { piped: stdioServer, far: urlServer };

const DOORS: Readonly<Record<string, (url: string) => Promise<TextClient>>> = {
  "the shim": shimClient,
  "WebSocket": webSocketClient,
  "Streamable HTTP": (url) => httpClient(`${url}mcp`),
};

for (const [door, open] of Object.entries(DOORS)) {
  Deno.test(`through ${door} a request is cancelled by its id, however that is written`, async (t) => {
    await using server = stdioServer("piped");
    await using it = await mountingDaemon({ piped: server.entry });
    await using client = await open(it.url);
    const { tool } = await namesFor(client, "piped");
    for (const id of IDS) {
      await t.step({
        name: id.slice(0, 40),
        async fn() {
          await client.send(
            `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":${tool},"arguments":{}}}`,
          );
          const call = await arrivalAt(server, client);
          await client.send(
            `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id},"reason":"stop"}}`,
          );
          const { method, params } = JSON.parse((await next(server)).text);
          assertEquals(
            [method, params.requestId],
            ["notifications/cancelled", JSON.parse(call.text).id],
          );
          await client.send('{"jsonrpc":"2.0","id":"after","method":"ping"}');
          const after = JSON.parse(await next(client));
          // Over HTTP each request is answered, a cancelled one too.
          if (after.id !== "after") assertEquals(JSON.parse(await next(client)).id, "after");
        },
      });
    }
  });

  Deno.test(`through ${door} lists keep the numbers of their entries`, async () => {
    await using server = stdioServer("piped");
    await using it = await mountingDaemon({ piped: server.entry });
    await using client = await open(it.url);
    for (
      const [method, kept] of [
        ["tools/list", '"default":1.0,"maximum":9007199254740993,"minimum":-1e2'],
        ["prompts/list", '"_meta":{"n":1.0}'],
        ["resources/list", '"size":9007199254740993'],
        ["resources/templates/list", '"priority":1.0'],
      ] as const
    ) {
      await client.send(`{"jsonrpc":"2.0","id":1,"method":"${method}"}`);
      const text = await next(client);
      assert(text.includes(kept), text);
    }
  });
}

for (const [name, makeServer] of Object.entries(SERVERS)) {
  Deno.test(`what is not a request passes as it came, to and from a server (${name}) of its own door`, async (t) => {
    await using server = makeServer(name);
    await using it = await mountingDaemon({ [name]: server.entry });
    await using client = await webSocketClient(`${it.url}mcp/${name}`);
    await namesFor(client, name);
    for (const [what, value] of Object.entries(VALUES)) {
      const text = `{"jsonrpc":"2.0","method":"notifications/x/odd","params":{"x":${value}}}`;
      await t.step({
        name: `${what} in a notification`,
        async fn() {
          await client.send(text);
          assertEquals((await arrivalAt(server, client)).text, text);
        },
      });
    }
    const updated =
      `{"params":{"x":1.0,"uri":"${name}://\\u0061"},"method":"notifications\\/resources/updated","jsonrpc":"2.0"}`;
    await t.step({
      name: "an update of a resource",
      async fn() {
        await client.send(
          `{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"${name}://a"}}`,
        );
        const { text, say } = await arrivalAt(server, client);
        say(`{"jsonrpc":"2.0","id":${JSON.parse(text).id},"result":{}}`);
        await next(client);
        server.sayAlone(updated);
        assertEquals(await next(client), updated);
      },
    });
  });
}
