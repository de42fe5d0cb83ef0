import { assert, assertEquals } from "@std/assert";
import { mountingDaemon } from "./helpers/mounts.ts";
import { shimClient, type TextClient, webSocketClient } from "./helpers/passing/doors.ts";
import { arrivalAt, next } from "./helpers/passing/exchange.ts";
import { OWN_NAME, stdioServer, urlServer, type VerbatimServer } from "./helpers/passing/verbatim_server.ts";

const NUMBERS = '{"one":1.0,"hundred":1E+2,"minus":-0,"big":12345678901234567890,"past":9007199254740993}';

const SERVERS = { piped: stdioServer, far: urlServer };

/** A client of one server alone, over WebSocket. */
async function window(name: keyof typeof SERVERS, initialize?: object) {
  const stack = new AsyncDisposableStack();
  const server: VerbatimServer = stack.use(SERVERS[name](name));
  const it = stack.use(await mountingDaemon({ [name]: server.entry }));
  const client: TextClient = stack.use(await webSocketClient(`${it.url}mcp/${name}`, initialize));
  return { it, server, client, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const CALL = `{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":{"name":${OWN_NAME}}}`;

/** Answers that break the rules and are taken for what they mean; `<id>` is the id of the request. */
const ANSWERS: Readonly<Record<string, string>> = {
  "its id as a text": `{"jsonrpc":"2.0","id":"<id>","result":${NUMBERS}}`,
  "an error that is null beside its result": `{"jsonrpc":"2.0","id":<id>,"result":${NUMBERS},"error":null}`,
  "a result that is null beside its error":
    `{"jsonrpc":"2.0","id":<id>,"result":null,"error":{"code":-1,"message":"m","data":${NUMBERS}}}`,
  "the method of its request": `{"jsonrpc":"2.0","id":<id>,"method":"tools/call","result":${NUMBERS}}`,
  "its id written as a fraction": `{"jsonrpc":"2.0","id":<id>.0,"result":${NUMBERS}}`,
};

/** Sends the request `sent` and compares what the server gets, except for its id. */
async function arrivesAs(
  { client, server }: { client: TextClient; server: VerbatimServer },
  { sent, arrives }: { sent: string; arrives: string },
): Promise<void> {
  await client.send(sent);
  const { text, say } = await arrivalAt(server, client);
  const { id } = JSON.parse(text);
  say(`{"jsonrpc":"2.0","id":${id},"result":{}}`);
  assertEquals(text, arrives.replace('"id":1', `"id":${id}`));
  assertEquals(await next(client), '{"jsonrpc":"2.0","id":1,"result":{}}');
}

for (const name of ["piped", "far"] as const) {
  Deno.test(`an answer of a server (${name}) that breaks the rules keeps its numbers`, async (t) => {
    await using it = await window(name);
    for (const [what, answer] of Object.entries(ANSWERS)) {
      await t.step({
        name: what,
        async fn() {
          await it.client.send(CALL);
          const { text, say } = await arrivalAt(it.server, it.client);
          say(answer.replace("<id>", JSON.stringify(JSON.parse(text).id)));
          const answered = await next(it.client);
          assert(answered.includes(NUMBERS), answered);
          assertEquals(/"id":([^,}]+)/.exec(answered)![1], "1.0");
        },
      });
    }
  });

  Deno.test(`a server (${name}) takes no request for another, nor for an answer`, async (t) => {
    await using it = await window(name);
    const params = `{"name":${OWN_NAME},"x":1.0}`;
    const plain = `{"jsonrpc":"2.0","id":1,"method":"tools/call","trace":1.0,"params":${params}}`;
    for (
      const more of [
        '"result":{"forged":1}',
        '"error":{"code":1,"message":"forged"}',
        // Go's encoding/json takes these for the members of JSON-RPC.
        '"ID":2',
        '"Method":"tools/list"',
        '"PARAMS":{"name":"hidden"}',
        '"param\\u017f":{"name":"hidden"}',
      ]
    ) {
      const beside = plain.replace('"trace"', `${more},"trace"`);
      await t.step({ name: more, fn: () => arrivesAs(it, { sent: beside, arrives: plain }) });
    }
    for (const more of ['"Name":"hidden"', '"NAME":"hidden"', '"_META":{"progressToken":1}']) {
      const beside = plain.replace('"x"', `${more},"x"`);
      await t.step({ name: more, fn: () => arrivesAs(it, { sent: beside, arrives: plain }) });
    }
    await t.step("another window's progress token", async () => {
      const meta = (more: string) => plain.replace('"x"', `"_meta":{${more}"a":1.0},"x"`);
      await arrivesAs(it, { sent: meta('"PROGRESSTOKEN":2,'), arrives: meta("") });
    });
    await t.step("a progress token that is null", async () => {
      const meta = (more: string) => plain.replace('"x"', `"_meta":{${more}"a":1.0},"x"`);
      await arrivesAs(it, { sent: meta('"progressToken":null,'), arrives: meta("") });
    });
  });

  Deno.test(`a request with null for what is optional passes to a server (${name}) with its numbers`, async (t) => {
    await using it = await window(name);
    for (
      const params of [
        `{"name":${OWN_NAME},"_meta":null,"arguments":${NUMBERS}}`,
        `{"name":${OWN_NAME},"arguments":null,"x":${NUMBERS}}`,
      ]
    ) {
      await t.step({
        name: params,
        async fn() {
          await it.client.send(`{"jsonrpc":"2.0","id":1.0,"method":"tools/call","params":${params}}`);
          const { text, say } = await arrivalAt(it.server, it.client);
          assert(text.includes(NUMBERS), text);
          say(`{"jsonrpc":"2.0","id":${JSON.parse(text).id},"result":{}}`);
          assertEquals(await next(it.client), '{"jsonrpc":"2.0","id":1.0,"result":{}}');
        },
      });
    }
  });

  Deno.test({
    name: `each request of a batch passes to a server (${name}) as it came`,
    async fn() {
      await using it = await window(name, { protocolVersion: "2025-03-26" });
      const requests = ["1.0", "9007199254740993", '"\\u0061"'].map((id) =>
        ` { "id" : ${id} ,"jsonrpc":"2.0","method":"tools\\/call","params":{"name":${OWN_NAME},"arguments":${NUMBERS}}} `
      );
      await it.client.send(`[${requests.join(",")}]`);
      const answers = new Set<string>();
      for (const request of requests) {
        const { text, say } = await arrivalAt(it.server, it.client);
        const [, mine] = /"id" : (\S+) /.exec(request)!;
        const [, theirs] = /"id" : (\S+) /.exec(text)!;
        assertEquals(text.trim(), request.trim().replace(mine!, theirs!));
        const answer = `{"jsonrpc":"2.0","result":${NUMBERS},"id":<id>}`;
        say(answer.replace("<id>", theirs!));
        answers.add(answer.replace("<id>", mine!));
        assert(answers.delete(await next(it.client)));
      }
    },
  });

  Deno.test({
    name: `progress of what a client was asked for passes to a server (${name}) as it came`,
    async fn() {
      await using it = await window(name);
      await it.client.send(CALL);
      const call = await arrivalAt(it.server, it.client);
      for (const token of ["1.0", "9007199254740993", '"é"']) {
        call.say(
          `{"jsonrpc":"2.0","id":${token},"method":"sampling/createMessage","params":{"messages":[],"maxTokens":1.0,"_meta":{"progressToken":${token}}}}`,
        );
        const { id, params } = JSON.parse(await next(it.client));
        const shown = JSON.stringify(params._meta.progressToken);
        const progress =
          `{"method":"notifications/progress","params":{"progress":0.50,"progressToken":<token>,"total":1.0},"jsonrpc":"2.0"}`;
        await it.client.send(progress.replace("<token>", shown));
        assertEquals((await arrivalAt(it.server, it.client)).text, progress.replace("<token>", token));
        const answer = `{"jsonrpc":"2.0","id":<id>,"result":{"role":"assistant","x":1.0}}`;
        await it.client.send(answer.replace("<id>", JSON.stringify(id)));
        assertEquals((await arrivalAt(it.server, it.client)).text, answer.replace("<id>", token));
      }
      call.say(`{"jsonrpc":"2.0","id":${JSON.parse(call.text).id},"result":{}}`);
      await next(it.client);
    },
  });
}

Deno.test("a request beyond a limit is refused under its id as the window wrote it", async () => {
  await using it = await mountingDaemon({});
  await using client = await shimClient(it.url);
  const deep = `${"[".repeat(600)}${"]".repeat(600)}`.padEnd(5000);
  for (const id of ["9007199254740993", "1.0", '"\\u0061"']) {
    await client.send(`{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{"name":"x","x":${deep}}}`);
    const [, answered] = /"id":(.+?),"error"/.exec(await next(client))!;
    assertEquals(answered, id);
  }
});

Deno.test("an answer with NaN beside a string of megabytes is passed on", async () => {
  await using it = await window("piped");
  const long = "NaN ".repeat(1_000_000);
  await it.client.send(CALL);
  const { text, say } = await arrivalAt(it.server, it.client);
  say(`{"jsonrpc":"2.0","id":${JSON.parse(text).id},"result":{"a":"${long}","n":[NaN,-Infinity,1.0]}}`);
  assertEquals(
    await next(it.client),
    `{"jsonrpc":"2.0","id":1.0,"result":{"a":"${long}","n":[null,null,1.0]}}`,
  );
});
