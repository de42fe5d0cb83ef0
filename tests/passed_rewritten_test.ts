import { assert, assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { Settings } from "../lib/config/settings.ts";
import { RawHttp, sseEvents } from "./helpers/http_client.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { webSocketClient } from "./helpers/passing/doors.ts";
import { arrivalAt, namesFor, next } from "./helpers/passing/exchange.ts";
import { OWN_NAME, stdioServer, urlServer } from "./helpers/passing/verbatim_server.ts";

/** What a number loses when it is read and written again. */
const NUMBERS = '{"one":1.0,"hundred":1E+2,"minus":-0,"big":12345678901234567890,"past":9007199254740993}';

/** A client over WebSocket, and the stdio server it calls. */
async function window(
  { entry = {}, settings = {} }: { entry?: JsonObject; settings?: Partial<Settings> } = {},
) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(stdioServer("piped"));
  const it = stack.use(await mountingDaemon({ piped: { ...server.entry, ...entry } }, settings));
  const client = stack.use(await webSocketClient(it.url));
  const { tool } = await namesFor(client, "piped");
  return {
    it,
    tool: tool!,
    server,
    client,
    /** Sends a request, and gives what the server got of it. */
    async ask(method: string, params: string) {
      await client.send(`{"jsonrpc":"2.0","id":1.0,"method":"${method}","params":${params}}`);
      const arrival = await arrivalAt(server, client);
      const id = JSON.stringify(JSON.parse(arrival.text).id);
      /** Answers it, and gives what the client gets. */
      const answer = async (result: string) => {
        arrival.say(`{"jsonrpc":"2.0","id":${id},"result":${result}}`);
        return await next(client);
      };
      return { text: arrival.text, say: arrival.say, answer };
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function assertHas(text: string, part: string): void {
  assert(text.includes(part), `${part} is not in ${text}`);
}

Deno.test("numbers of a call that is run as a task, and of what is asked about that, are kept", async () => {
  await using it = await window();
  const begun = await it.ask(
    "tools/call",
    `{"name":${it.tool},"task":{"ttl":60000.0},"arguments":${NUMBERS}}`,
  );
  assertHas(begun.text, `"arguments":${NUMBERS}`);
  assertHas(begun.text, '"ttl":60000.0');
  const task = '"status":"working","ttl":6e4,"createdAt":"2026-01-01T00:00:00Z"';
  const created = await begun.answer(`{"task":{"taskId":"t",${task}},"_meta":${NUMBERS}}`);
  assertHas(created, task);
  assertHas(created, `"_meta":${NUMBERS}`);
  const { taskId } = JSON.parse(created).result.task;
  const asked = await it.ask("tasks/get", `{"taskId":${JSON.stringify(taskId)},"x":${NUMBERS}}`);
  assertHas(asked.text, `"x":${NUMBERS}`);
  assertHas(await asked.answer(`{"taskId":"t",${task},"x":${NUMBERS}}`), `"x":${NUMBERS}`);
  const result = await it.ask("tasks/result", `{"taskId":${JSON.stringify(taskId)}}`);
  assertHas(await result.answer(`{"content":[],"structuredContent":${NUMBERS}}`), NUMBERS);
});

Deno.test("numbers of a question that has an id of its own are kept", async () => {
  await using it = await window();
  const call = await it.ask("tools/call", `{"name":${it.tool}}`);
  call.say(
    `{"jsonrpc":"2.0","id":1.0,"method":"elicitation/create","params":{"mode":"url","message":"m","url":"https://x/","elicitationId":"e","_meta":${NUMBERS}}}`,
  );
  const question = await next(it.client);
  assertHas(question, `"_meta":${NUMBERS}`);
  const { id } = JSON.parse(question);
  await it.client.send(
    `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"action":"accept","_meta":${NUMBERS}}}`,
  );
  const answer = (await next(it.server)).text;
  assertHas(answer, `"id":1.0`);
  assertHas(answer, `"_meta":${NUMBERS}`);
  assertHas(await call.answer('{"content":[]}'), '"id":1.0');
});

Deno.test("numbers of a call that went on without its window are kept until they are asked for", async () => {
  await using it = await window({ entry: { detachAfterMs: 20 } });
  const call = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":${it.tool}}}`;
  await it.client.send(call);
  const arrival = await next(it.server);
  const handle = /call-[\w-]+/.exec(await next(it.client))![0];
  const id = JSON.stringify(JSON.parse(arrival.text).id);
  arrival.say(`{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":${NUMBERS}}}`);
  await it.client.send(
    `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"await_call","arguments":{"handle":"${handle}"}}}`,
  );
  assertHas(await next(it.client), `"structuredContent":${NUMBERS}`);
});

Deno.test("numbers of a call through call_tool are kept", async () => {
  await using server = stdioServer("piped");
  await using it = await mountingDaemon({ piped: server.entry }, { toolSearch: "on" });
  await using client = await webSocketClient(it.url);
  await client.send(
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"call_tool","arguments":{"name":"hidden","arguments":${NUMBERS}}}}`,
  );
  const arrival = await arrivalAt(server, client);
  assertHas(arrival.text, `"name":"hidden"`);
  assertHas(arrival.text, `"arguments":${NUMBERS}`);
  const id = JSON.stringify(JSON.parse(arrival.text).id);
  arrival.say(`{"jsonrpc":"2.0","id":${id},"result":{"content":[],"structuredContent":${NUMBERS}}}`);
  assertHas(await next(client), `"structuredContent":${NUMBERS}`);
});

Deno.test("an answer over HTTP whose connection was cut is given as it came when its stream is resumed", async () => {
  await using server = stdioServer("piped");
  await using it = await mountingDaemon({ piped: server.entry });
  const http = await RawHttp.open(`${it.http}mcp/piped`);
  const response = await http.post(
    `{"jsonrpc":"2.0","id":9007199254740993,"method":"tools/call","params":{"name":${OWN_NAME}}}`,
  );
  const events = sseEvents(response);
  const first = await events.next();
  await events.return(undefined);
  const arrival = await next(server);
  const id = JSON.stringify(JSON.parse(arrival.text).id);
  const answer = `{ "jsonrpc":"2.0","id":<id>,"result":{"content":[],"structuredContent":${NUMBERS}} }`;
  arrival.say(answer.replace("<id>", id));
  for await (const { data } of sseEvents(await http.get({ "last-event-id": first.value!.id! }))) {
    if (data === "") continue;
    assertEquals(data, answer.replace("<id>", "9007199254740993"));
    break;
  }
  await http.delete();
});

Deno.test("a tool whose name has to be escaped is called by that name", async () => {
  await using it = await window();
  await it.client.send('{"jsonrpc":"2.0","id":1,"method":"tools/list"}');
  const { result } = JSON.parse(await next(it.client));
  const { name } = result.tools.find(({ description }: JsonObject) => description === "quoted");
  const call = await it.ask("tools/call", `{"name":${JSON.stringify(name)},"arguments":${NUMBERS}}`);
  assertEquals(JSON.parse(call.text).params.name, 'od d"é');
  assertHas(call.text, `"arguments":${NUMBERS}`);
  await call.answer('{"content":[]}');
});

for (const [name, makeServer] of Object.entries({ piped: stdioServer, far: urlServer })) {
  Deno.test(`a message of several lines passes to and from a server (${name}), whole and with its numbers`, async () => {
    await using server = makeServer(name);
    await using it = await mountingDaemon({ [name]: server.entry });
    await using client = await webSocketClient(`${it.url}mcp/${name}`);
    const bare = (text: string) => text.replace(/\s+/g, "");
    const request =
      `{\n  "jsonrpc": "2.0",\r\n  "id": 1,\n  "method": "tools/call",\n  "params": {\n    "name": ${OWN_NAME},\n    "arguments": ${NUMBERS}\n  }\n}\n`;
    await client.send(request);
    const arrival = await arrivalAt(server, client);
    const id = JSON.stringify(JSON.parse(arrival.text).id);
    assertEquals(bare(arrival.text), bare(request).replace('"id":1', `"id":${id}`));
    const answer =
      `{\n  "jsonrpc": "2.0",\n  "id": ${id},\n  "result": {\n    "structuredContent": ${NUMBERS}\n  }\n}`;
    arrival.say(answer);
    assertEquals(bare(await next(client)), bare(answer).replace(`"id":${id}`, '"id":1'));
  });
}
