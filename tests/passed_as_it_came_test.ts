import { assertEquals } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { isObject, type JsonObject } from "../lib/base/json.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { httpClient, shimClient, type TextClient, webSocketClient } from "./helpers/passing/doors.ts";
import { PASSED, type Passed } from "./helpers/passing/messages.ts";
import {
  type Arrival,
  stdioServer,
  urlServer,
  type VerbatimServer,
} from "./helpers/passing/verbatim_server.ts";

/** What stands for what is another on either side of the daemon. */
type Fillings = Readonly<Record<string, string>>;

const fill = (template: string, fillings: Fillings) =>
  template.replace(/<(\w+)>/g, (all, name: string) => fillings[name] ?? all);

const TIMEOUT_MS = 10_000;

let nextId = 1000;

/** What is called by `client`, as it knows it. */
async function namesFor(client: TextClient, server: string): Promise<Fillings> {
  const nameIn = async (kind: "tools" | "prompts") => {
    await client.send(`{"jsonrpc":"2.0","id":"list","method":"${kind}/list"}`);
    const { result } = JSON.parse(await client.next());
    return JSON.stringify(
      result[kind].find(({ description }: JsonObject) => description === `of ${server}`).name,
    );
  };
  return { tool: await nameIn("tools"), prompt: await nameIn("prompts"), server };
}

/** What the server gets of what the client has sent; fails with what the client gets in its place. */
async function arrivalAt(server: VerbatimServer, client: TextClient): Promise<Arrival> {
  const over = new AbortController();
  const refusal = client.next(over.signal).then(
    (text) => Promise.reject(new Error(`the client was answered: ${text}`)),
  );
  refusal.catch(() => {});
  const timer = setTimeout(() => over.abort(new Error("nothing came")), TIMEOUT_MS);
  try {
    return await Promise.race([server.next(over.signal), refusal]);
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}

/** Passes one exchange, and compares each text with what was sent on the other side. */
async function pass(row: Passed, { client, server, names }: Passing): Promise<void> {
  const mine: Fillings = { ...names, id: row.id ?? String(nextId++), token: row.token ?? '"mine"' };
  await client.send(fill(row.request, mine));
  const arrival = await arrivalAt(server, client);
  const { id, params } = JSON.parse(arrival.text) as JsonObject;
  const meta = isObject(params) && isObject(params._meta) ? params._meta : {};
  const theirs: Fillings = {
    server: names.server!,
    tool: '"odd"',
    prompt: '"odd"',
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

function next<T>({ next }: { next(signal?: AbortSignal): Promise<T> }): Promise<T> {
  return deadline(next(), TIMEOUT_MS);
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

/** What passes already; all of it is run with `-- --all`. */
const DONE: ReadonlySet<string> = new Set([
  "empty values in arguments",
  "empty values in a result",
  "empty values in an error",
  "no arguments",
]);

const isPending = (what: string) => !DONE.has(what) && !Deno.args.includes("--all");

for (const [door, open] of Object.entries(DOORS)) {
  for (const [name, makeServer] of Object.entries(SERVERS)) {
    Deno.test(`through ${door} to and from a server (${name}) every byte passes as it came`, async (t) => {
      await using server = makeServer(name);
      await using it = await mountingDaemon({ [name]: server.entry });
      await using client = await open(it.url, name);
      const names = await namesFor(client, name);
      for (const row of PASSED) {
        if (row.needsOwnDoor && !door.includes("alone")) continue;
        const ignore = isPending(row.what);
        await t.step({ name: row.what, ignore, fn: () => pass(row, { client, server, names }) });
      }
    });
  }
}
