import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { openHttpSession } from "../lib/session/http_session.ts";
import { rawResult, readRawMessage } from "../lib/wire/raw_message.ts";
import { rawObject } from "../lib/wire/raw_object.ts";
import { responseText } from "../lib/wire/message_text.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { daemonHooks, settle } from "./helpers/memory_channel.ts";

const LIMITS = { depth: 99, members: 999 };
/** Ids that a client may use, as it writes them. */
const IDS = ["1", "1.0", "-0", "9007199254740993", "-9007199254740993", '"1"', '"a\\u0062"', '""', "1E0"];
const ODD_VALUE = '{ "z":1.0,"a" : [9007199254740993,1e400,-0, "\\u0061\\ud800"],"a\\u0062":{"x":1,"x":2} }';

/** What a server has answered, as it came. */
function answered(text: string): Result {
  return rawResult(readRawMessage(text, LIMITS)!)!;
}

const ANSWER = answered(
  `{"result": {"content":[],"structuredContent":${ODD_VALUE}},"id":7,"jsonrpc":"2.0","x":1e2}`,
);

/** A client on a connection that said hello, whose frames are texts. */
function textClient(hello: JsonObject = {}) {
  const it = daemonHooks();
  const [channel, ack] = it.hello(hello);
  const session = it.registry.get(ack.session_id as string)!;
  const say = async (...texts: string[]) => {
    for (const text of texts) channel.say(text);
    await settle();
    return channel.frames.splice(0);
  };
  const initialize = (protocolVersion = "2025-11-25") =>
    say(`{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"${protocolVersion}"}}`);
  return { ...it, channel, session, say, initialize };
}

const callText = (id: string, params: string) =>
  `{"jsonrpc":"2.0","id":${id},"method":"tools/call","params":${params}}`;

Deno.test("a request is answered under its id as the client wrote it", async () => {
  const { say, daemon } = textClient();
  for (const id of IDS) {
    const empty = `{"jsonrpc":"2.0","id":${id},"result":{}}`;
    assertEquals(await say(`{"id":${id}, "method":"ping","jsonrpc":"2.0"}`), [empty]);
    for (const answer of [ANSWER, { result: { n: 1 } }, { error: { code: 1, message: "m" } }] as Result[]) {
      daemon.answer = () => answer;
      assertEquals(await say(callText(id, "{}")), [responseText(id, answer)]);
    }
    const [refusal] = await say(`{"jsonrpc":"2.0","id":${id},"method":3}`);
    assertStringIncludes(refusal!, `"id":${id},"error"`);
  }
});

Deno.test("what a client is sent is the text that came, on one line", async () => {
  const { say, daemon, initialize } = textClient();
  await initialize();
  daemon.answer = (call) => {
    call.notify("notifications/odd", rawObject(ODD_VALUE)!);
    return answered('{"jsonrpc":"2.0",\r\n"id":1,\n"result":{"text":"a\\nb",\n"n":1.0}}');
  };
  assertEquals(await say(callText("1", "{}")), [
    `{"jsonrpc":"2.0","method":"notifications/odd","params":${ODD_VALUE}}`,
    '{"jsonrpc":"2.0",  "id":1, "result":{"text":"a\\nb", "n":1.0}}',
  ]);
});

Deno.test("a call reaches its server with its params as they came, and the last of a name that stands twice", async () => {
  const { say, calls } = textClient();
  const params = `{ "name":"a",\n"arguments" : ${ODD_VALUE},"other":1.0}`;
  await say(callText("1", params), callText("2", '{"name":"a","n\\u0061me":"b","n":1.0}'));
  assertEquals(calls.map(({ body }) => body!.text), [
    params.replace("\n", " "),
    '{"n\\u0061me":"b","n":1.0}',
  ]);
  assertEquals(calls.map(({ params }) => params.name), ["a", "b"]);
});

Deno.test("progress comes under the token that the client gave, whatever it is", async () => {
  const { say, daemon } = textClient();
  const tokens = ['"a\\u0062"', "1.0", "1.5", "9007199254740993", "0"];
  daemon.answer = (call) => {
    call.notify("notifications/progress", rawObject('{"progressToken":77,"progress":1.0}')!);
    call.notify("notifications/progress", { progressToken: 77, progress: 2 });
    return { result: {} };
  };
  for (const token of tokens) {
    const [first, second] = await say(callText("1", `{"_meta":{"progressToken":${token}}}`));
    assertStringIncludes(first!, `"params":{"progressToken":${token},"progress":1.0}`);
    assertStringIncludes(second!, `"params":{"progressToken":${token},"progress":2}`);
  }
});

Deno.test("a cancellation ends the call of exactly that id", async () => {
  const { say, daemon, calls, session } = textClient();
  daemon.answer = () => new Promise(() => {});
  const ids = ["9007199254740992", "9007199254740993", '"9007199254740993"'];
  await say(...ids.map((id) => callText(id, "{}")));
  for (const [index, id] of ids.entries()) {
    await say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`);
    assertEquals(calls.map(({ signal }) => signal.aborted), ids.map((_, other) => other <= index));
  }
  assertEquals(session.calls.size, 3);
});

Deno.test("the resume of a client names its requests by their exact ids", async () => {
  const { say, channel, session, connect, daemon } = textClient({ resume: true, session_id: "s" });
  daemon.answer = () => ANSWER;
  await say(callText("9007199254740993", "{}"));
  channel.onclose!({ code: 1006, wasClean: false });
  const back = connect();
  const waiting = "[9007199254740992,9007199254740993]";
  back.say(
    `{"op":"hello","session_id":"s","resume":{"token":"${session.resumeToken}","waiting":${waiting}}}`,
  );
  const [ack, answer] = back.frames;
  assertStringIncludes(ack!, '"unseen":[9007199254740992]');
  assertEquals(answer, responseText("9007199254740993", ANSWER));
});

Deno.test("what a client answers to a question is passed on as it came, and the question too", async () => {
  const { say, daemon, initialize } = textClient();
  await initialize();
  let result: Result | undefined;
  daemon.answer = async (call) => {
    const params = rawObject(`{"_meta":{"x":1.0,"progressToken":3},"v":${ODD_VALUE}}`)!;
    result = await call.ask("sampling/createMessage", params, { onProgress: () => {} });
    return { result: {} };
  };
  const [question] = await say(callText("1", "{}"));
  const { id } = JSON.parse(question!);
  assertStringIncludes(question!, `"params":{"_meta":{"x":1.0,"progressToken":"${id}"},"v":${ODD_VALUE}}`);
  await say(`{"result":${ODD_VALUE},"id":"${id}","jsonrpc":"2.0"}`);
  assertEquals(rawResult(result!)!.toText({ idText: "5" }), `{"result":${ODD_VALUE},"id":5,"jsonrpc":"2.0"}`);
});

Deno.test("the messages of a batch keep their ids and what they carry", async () => {
  const { say, calls, initialize } = textClient();
  await initialize("2025-03-26");
  const answers = await say(
    `[${callText("9007199254740993", ODD_VALUE)},{"jsonrpc":"2.0","id":1.0,"method":"ping"},3]`,
  );
  assertEquals(calls.at(-1)!.body!.text, ODD_VALUE);
  assertEquals(answers.length, 3);
  assertEquals(answers.filter((text) => text.includes('"id":9007199254740993')).length, 1);
  assertEquals(answers.filter((text) => text.includes('"id":1.0')).length, 1);
});

Deno.test("an op's arguments and outputs pass as they came, under its request id", async () => {
  const { say, daemon, calls } = textClient();
  const content = '[{"type":"text","text":"\\u0061","n":1.0}]';
  daemon.answer = (call) => {
    call.notify("notifications/progress", rawObject('{"progressToken":1,"progress":1.0,"total":2}')!);
    return answered(
      `{"jsonrpc":"2.0","id":1,"result":{"content":${content},"isError":true,"structuredContent":${ODD_VALUE}}}`,
    );
  };
  for (const id of IDS.filter((id) => id !== "1E0")) {
    const replies = await say(`{"op":"call_tool","request_id":${id},"name":"t","arguments":${ODD_VALUE}}`);
    assertEquals(replies, [
      `{"op":"progress","request_id":${id},"progress":1.0,"total":2}`,
      `{"op":"call_tool_res","request_id":${id},"outputs":${content},"is_error":true,"structured":${ODD_VALUE}}`,
    ]);
  }
  assertStringIncludes(calls[0]!.body!.text, `{"name":"t","arguments":${ODD_VALUE}`);
});

/** A client of Streamable HTTP without a network between, which posts texts. */
async function httpClient() {
  const it = daemonHooks();
  const transport = openHttpSession(it.hooks, {
    principal: { id: "owner", isOwner: true },
    maxQueuedBytes: 1_000_000,
  });
  await transport.start();
  const send = async (method: string, text?: string, lastEventId?: string) => {
    const headers = new Headers({
      accept: "application/json, text/event-stream",
      "content-type": "application/json",
      "mcp-protocol-version": "2025-11-25",
      ...(transport.sessionId === undefined ? {} : { "mcp-session-id": transport.sessionId }),
      ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
    });
    const messages = text === undefined ? undefined : [readRawMessage(text, LIMITS)!];
    const request = new Request("http://127.0.0.1/mcp", { method, headers });
    return await transport.handle(request, { messages, completed: new Promise(() => {}) });
  };
  const post = async (text: string) => await (await send("POST", text)).text();
  await post(
    '{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},' +
      '"clientInfo":{"name":"web","version":"1"}}}',
  );
  return { ...it, transport, send, post };
}

/** The data of the events in `text`. */
function dataIn(text: string): string[] {
  return Array.from(text.matchAll(/^data: (.+)$/gm), ([, data]) => data!);
}

Deno.test("over HTTP messages pass as they came as well, ids of all kinds included", async () => {
  const { post, daemon, calls } = await httpClient();
  daemon.answer = (call) => {
    call.notify("notifications/odd", rawObject(ODD_VALUE)!);
    return ANSWER;
  };
  for (const id of IDS) {
    const token = '"_meta":{"progressToken":1.0}';
    const sent = dataIn(
      await post(
        `{"x":1.0,"jsonrpc":"2.0","id":${id},"method":"tools/call","params":{${token},"a":${ODD_VALUE}}}`,
      ),
    );
    assertEquals(sent, [
      `{"jsonrpc":"2.0","method":"notifications/odd","params":${ODD_VALUE}}`,
      responseText(id, ANSWER),
    ]);
    assertEquals(calls.at(-1)!.body!.text, `{${token},"a":${ODD_VALUE}}`);
  }
});

Deno.test("a stream that is resumed over HTTP gives what was missed as it came", async () => {
  const { send, daemon } = await httpClient();
  const { promise, resolve } = Promise.withResolvers<Result>();
  daemon.answer = () => promise;
  const id = "9007199254740993";
  const { body } = await send("POST", callText(id, "{}"));
  const reader = body!.getReader();
  const opening = new TextDecoder().decode((await reader.read()).value);
  await reader.cancel();
  resolve(ANSWER);
  await settle();
  const eventId = /^id: (.+)$/m.exec(opening)![1]!;
  const missed = await (await send("GET", undefined, eventId)).text();
  assertEquals(dataIn(missed), [responseText(id, ANSWER)]);
});

Deno.test("a request over HTTP is told from another whose id rounds to the same number", async () => {
  const { send, daemon } = await httpClient();
  daemon.answer = () => new Promise(() => {});
  const open = await send("POST", callText("9007199254740993", "{}"));
  const twin = await send("POST", callText("9007199254740993", "{}"));
  assertEquals(twin.status, 400);
  assertStringIncludes(await twin.text(), '"id":9007199254740993,"error"');
  const other = await send("POST", callText("9007199254740992", "{}"));
  assertEquals([open.status, other.status], [200, 200]);
  await open.body!.cancel();
  await other.body!.cancel();
});
