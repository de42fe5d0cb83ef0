import { assertEquals } from "@std/assert";
import { isObject, type JsonObject } from "../lib/base/json.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { httpClient, shimClient, type TextClient, webSocketClient } from "./helpers/passing/doors.ts";
import { arrivalAt, fill, type Fillings, namesFor, next } from "./helpers/passing/exchange.ts";
import { PASSED, type Passed } from "./helpers/passing/messages.ts";
import { RandomMessages } from "./helpers/passing/random_messages.ts";
import { OWN_NAME, stdioServer, urlServer, type VerbatimServer } from "./helpers/passing/verbatim_server.ts";
import { seeded } from "./helpers/random.ts";

const RANDOM = 50;

let nextId = 1000;

/** Passes one exchange, and compares each text with what was sent on the other side. */
async function pass(row: Passed, { client, server, names }: Passing): Promise<void> {
  const mine: Fillings = { ...names, id: row.id ?? String(nextId++), token: row.token ?? '"mine"' };
  await client.send(fill(row.request, mine));
  const arrival = await arrivalAt(server, client);
  const { id, params } = JSON.parse(arrival.text) as JsonObject;
  const meta = isObject(params) && isObject(params._meta) ? params._meta : {};
  const theirs: Fillings = {
    server: names.server!,
    tool: OWN_NAME,
    prompt: OWN_NAME,
    id: JSON.stringify(id),
    token: JSON.stringify(meta.progressToken),
  };
  const got = [arrival.text];
  const wanted = [fill(row.request, theirs)];
  for (const said of row.says ?? []) {
    arrival.say(fill(said, theirs));
    got.push(await next(client));
    wanted.push(fill(said, mine));
  }
  if (row.asks) {
    const { as, question, answer } = row.asks;
    arrival.say(fill(question, { question: as }));
    got.push(await next(client));
    const daemons = { question: JSON.stringify(JSON.parse(got.at(-1)!).id) };
    await client.send(fill(answer, daemons));
    got.push((await next(server)).text);
    wanted.push(fill(question, daemons), fill(answer, { question: as }));
  }
  arrival.say(fill(row.answer, theirs));
  got.push(await next(client));
  wanted.push(fill(row.answer, mine));
  assertEquals(got, wanted);
}

interface Passing {
  client: TextClient;
  server: VerbatimServer;
  names: Fillings;
}

const SERVERS = { piped: stdioServer, far: urlServer } as const;

const DOORS: Readonly<Record<string, (url: string, server: string) => Promise<TextClient>>> = {
  "the shim": (url) => shimClient(url),
  "WebSocket": (url) => webSocketClient(url),
  "Streamable HTTP": (url) => httpClient(`${url}mcp`),
  "WebSocket, of one server alone,": (url, server) => webSocketClient(`${url}mcp/${server}`),
  "Streamable HTTP, of one server alone,": (url, server) => httpClient(`${url}mcp/${server}`),
};

for (const [door, open] of Object.entries(DOORS)) {
  for (const [name, makeServer] of Object.entries(SERVERS)) {
    Deno.test(`through ${door} to and from a server (${name}) every byte passes as it came`, async (t) => {
      await using server = makeServer(name);
      await using it = await mountingDaemon({ [name]: server.entry });
      await using client = await open(it.url, name);
      const names = await namesFor(client, name);
      for (const row of PASSED) {
        if (row.needsOwnDoor && !door.includes("alone")) continue;
        await t.step({ name: row.what, fn: () => pass(row, { client, server, names }) });
      }
      await t.step({
        name: `${RANDOM} random messages`,
        async fn() {
          const random = new RandomMessages(seeded(1));
          for (let n = 0; n < RANDOM; n++) await pass(random.next(), { client, server, names });
        },
      });
    });
  }
}
