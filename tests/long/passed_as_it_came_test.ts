import { assert, assertEquals } from "@std/assert";
import { CuttingProxy } from "../helpers/cutting_proxy.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { httpClient, shimClient, type TextClient, webSocketClient } from "../helpers/passing/doors.ts";
import { arrivalAt, fill, namesFor, next } from "../helpers/passing/exchange.ts";
import { IDS } from "../helpers/passing/messages.ts";
import { OWN_NAME, stdioServer, urlServer, type VerbatimServer } from "../helpers/passing/verbatim_server.ts";

const SERVERS = { piped: stdioServer, far: urlServer };

const DOORS: Readonly<Record<string, (url: string) => Promise<TextClient>>> = {
  "the shim": shimClient,
  "WebSocket": webSocketClient,
  "Streamable HTTP": (url) => httpClient(`${url}mcp`),
};

const CHARS = 5_000_000;

/** Values of five megabytes, or of one where a byte costs more, by what is large in them. */
const LARGE: Readonly<Record<string, string>> = {
  "one plain text": `"${"x".repeat(CHARS)}"`,
  "a text beyond Latin-1": `"é${"€🎉".repeat(CHARS / 10)}"`,
  "escapes": `"${String.raw`\u00e9\n\/`.repeat(CHARS / 50)}"`,
  "numbers": `[${"1.0,".repeat(CHARS / 20)}9007199254740993]`,
};

/** Says where two long texts differ first. */
function assertSame(actual: string, expected: string): void {
  if (actual === expected) return;
  let at = 0;
  while (actual[at] === expected[at]) at++;
  assertEquals(actual.slice(at, at + 200), expected.slice(at, at + 200), `they differ at ${at}`);
}

async function passLarge(value: string, { client, server, tool }: Passing): Promise<void> {
  const request =
    `{"jsonrpc":"2.0","id":<id>,"method":"tools/call","params":{"name":<tool>,"arguments":{"v":${value}}}}`;
  const answer = `{"jsonrpc":"2.0","id":<id>,"result":{"content":[],"structuredContent":{"v":${value}}}}`;
  await client.send(fill(request, { id: "1.0", tool }));
  const arrival = await arrivalAt(server, client);
  const [, id] = /^\{"jsonrpc":"2\.0","id":(\d+),/.exec(arrival.text)!;
  assertSame(arrival.text, fill(request, { id: id!, tool: OWN_NAME }));
  arrival.say(fill(answer, { id: id! }));
  assertSame(await next(client), fill(answer, { id: "1.0" }));
}

interface Passing {
  client: TextClient;
  server: VerbatimServer;
  tool: string;
}

for (const [door, open] of Object.entries(DOORS)) {
  for (const [name, makeServer] of Object.entries(SERVERS)) {
    Deno.test(`through ${door} to and from a server (${name}) megabytes pass as they came`, async (t) => {
      await using server = makeServer(name);
      await using it = await mountingDaemon({ [name]: server.entry });
      await using client = await open(it.url);
      const { tool } = await namesFor(client, name);
      for (const [what, value] of Object.entries(LARGE)) {
        await t.step({
          name: what,
          fn: () => passLarge(value, { client, server, tool: tool! }),
        });
      }
    });
  }
}

Deno.test("answers that come while the connection of a shim is cut have the ids of their requests as they came", async () => {
  await using server = stdioServer("piped");
  await using it = await mountingDaemon({ piped: server.entry }, { sessionMaxInflight: 100 });
  await using proxy = new CuttingProxy(Number(new URL(it.url).port), () => Infinity);
  await using client = await shimClient(`ws://127.0.0.1:${proxy.port}/`);
  const { tool } = await namesFor(client, "piped");
  const calls: { id: string; say(text: string): void; theirs: string }[] = [];
  for (const id of IDS) {
    await client.send(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":${tool}}}`);
    const { text, say } = await arrivalAt(server, client);
    calls.push({ id, say, theirs: JSON.stringify(JSON.parse(text).id) });
  }
  proxy.cutAll();
  const answer = '{"jsonrpc":"2.0","id":<id>,"result":{"n":1.0,"of":<of>}}';
  for (const { id, say, theirs } of calls) say(fill(answer, { id: theirs, of: id }));
  const wanted = new Set(IDS.map((id) => fill(answer, { id, of: id })));
  for (let n = 0; n < IDS.length; n++) {
    const text = await next(client);
    assert(wanted.delete(text), text);
  }
});
