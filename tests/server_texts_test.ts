import { assert, assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import { MessageReader } from "../lib/remote/message_reader.ts";
import { StdoutReader } from "../lib/process/stdout_reader.ts";
import { rawMessage, rawResult, readRawMessage } from "../lib/wire/raw_message.ts";
import { RawObject, rawObject } from "../lib/wire/raw_object.ts";
import { readServerText } from "../lib/wire/raw_reader.ts";
import type { Result, RpcMessage } from "../lib/wire/rpc.ts";
import { sentText } from "../lib/wire/text_request.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { instanceOf, settled, Upstream, Window } from "./helpers/instance.ts";

const ANY = { depth: Infinity, members: Infinity };
/** Numbers that parsing changes, an escape that writing drops, spaces. */
const ODD = '{ "n":9007199254740993,"m":1.0, "e":1E+2,"z":-0,"t":"\\u0061\\/" }';
/** The same without spaces: what is repaired is written without any between its members. */
const TIDY = ODD.replaceAll(" ", "");
const bytes = (text: string) => new TextEncoder().encode(text);

/** What a reader of a stdout makes of `chunks`, as the texts that are passed on. */
async function read(...chunks: string[]): Promise<string[]> {
  using timers = new FakeTimers();
  const texts: string[] = [];
  const reader = new StdoutReader({
    server: "odd",
    maxLineBytes: 2_000_000,
    onMessage: (message) => void texts.push(sentText(message)),
    onRefused: () => {},
    onError: (error) => void texts.push(error.message),
    onNoise: () => {},
  });
  for (const chunk of chunks) {
    await reader.take(bytes(chunk));
    timers.pass(1000);
  }
  reader.end();
  return texts;
}

const answer = (id: unknown, result = ODD) => `{"jsonrpc":"2.0","id":${id},"result":${result}}`;

Deno.test("whatever a server does to the frame of a message, what is in it is passed on as it came", async () => {
  const text = answer(1);
  const more = answer(2);
  assertEquals(await read(`${text}\n${more}\r\n`), [text, more]);
  assertEquals(await read(text), [text], "no newline");
  assertEquals(await read(text + more), [text, more], "no newline between two");
  assertEquals(await read(`[${text}, ${more}]\n`), [text, more], "a batch");
  assertEquals(await read(`Content-Length: ${text.length}\r\n\r\n${text}`), [text]);
  const wide = answer(1, ODD.replaceAll(",", ",\n  "));
  assertEquals(await read(`Content-Length: ${wide.length}\r\n\r\n${wide}`), [wide.replaceAll("\n", " ")]);
  assertEquals(await read(`{\n  "jsonrpc": "2.0",\r\n  "id": 1,\n  "result": ${ODD}\n}\n`), [
    `{   "jsonrpc": "2.0",   "id": 1,   "result": ${ODD} } `,
  ]);
  assertEquals(await read(`\uFEFF\x1b[32m${text}\x1b[0m\n`), [text], "colours");
});

Deno.test("of a malformed answer that is repaired the rest is passed on as it came", async () => {
  const text = answer(1, TIDY);
  assertEquals(await read(`{"jsonrpc":"2.0","id":1,"method":"tools/call","result":${TIDY}}\n`), [text]);
  assertEquals(await read(`{"id":1,"result":${TIDY}}\n`), [text]);
  assertEquals(await read(`{"jsonrpc":"2.0","id":[1],"result":${TIDY},"error":null}\n`), [text]);
  assertEquals(await read(answer(1, `{"x":NaN,"y":${TIDY}}`) + "\n"), [answer(1, `{"x":null,"y":${TIDY}}`)]);
  assertEquals(await read(answer(1, `{"a":1,"a":${TIDY}}`) + "\n"), [answer(1, `{"a":${TIDY}}`)]);
  assertEquals(await read(`{"jsonrpc":"2.0","method":"x","params":null}\n`), [
    '{"jsonrpc":"2.0","method":"x"}',
  ]);
  assertEquals(await read(`{"jsonrpc":"2.0","id":1,"error":{"code":7,"data":${TIDY}}}\n`), [
    `{"jsonrpc":"2.0","id":1,"error":{"code":7,"message":"","data":${TIDY}}}`,
  ]);
});

Deno.test("a body of a server behind a URL is passed on as it came, an answer without an id under that of its request", async () => {
  const take = async (text: string) => {
    const texts: string[] = [];
    const reader = new MessageReader({
      server: "far",
      onMessage: (message) => void texts.push(sentText(message)),
      onRefused: () => {},
      onError: ({ message }) => void texts.push(message),
    });
    await reader.take(text, 7);
    return texts;
  };
  assertEquals(await take(answer(7)), [answer(7)]);
  assertEquals(await take(`[${answer(7)},${answer(8)}]`), [answer(7), answer(8)]);
  assertEquals(await take(answer(7).replaceAll(",", ",\n")), [answer(7).replaceAll(",", ", ")]);
  assertEquals(await take(`{"jsonrpc":"2.0","result":${TIDY}}`), [answer(7, TIDY)]);
  const error = `"error":{"code":1,"message":"m","data":${ODD}}`;
  assertEquals(await take(`{"jsonrpc":"2.0","id":null,${error}}`), [`{"jsonrpc":"2.0","id":7,${error}}`]);
});

Deno.test("an answer with more members than can be listed fails its request at once", async () => {
  const crowd = `{${'"a":1,'.repeat(200_000)}"b":1}`;
  const error = (id: number) =>
    `{"jsonrpc":"2.0","id":${id},"error":{"code":-32603,"message":"server \\"odd\\" sent a malformed answer: it has ` +
    `more members (keys) than can be read","data":{"code":"INTERNAL","server":"odd","malformed":true}}}`;
  assertEquals(await read(answer(7, crowd) + "\n"), [error(7)]);
  const reading = readServerText(`{"jsonrpc":"2.0","result":${crowd}}`, { server: "odd", answers: 8 });
  assertEquals(reading.kind === "message" && reading.message.text, error(8));
});

/** A server that speaks in texts, with a window. */
async function texts(capabilities: JsonObject = {}) {
  const upstream = new Upstream();
  const { instance, logged } = await instanceOf({ upstream });
  const notified: string[] = [];
  const asked: string[] = [];
  const text = (method: string, params: unknown) =>
    `${method} ${params instanceof RawObject ? params.text : `parsed ${JSON.stringify(params)}`}`;
  const ada: Window = new Window("ada", capabilities, {
    notify: (method, params) => void notified.push(text(method, params)),
    ask: (method, params): Promise<Result> => {
      asked.push(text(method, params));
      return ada.answer(method, {});
    },
  });
  instance.attach(ada.caller);
  upstream.sent.length = 0;
  return {
    ...{ instance, upstream, ada, notified, asked, logged },
    call: (body: string, parts = {}) =>
      instance.call(ada.call({ body: rawObject(body)!, notify: ada.caller.notify, ...parts })),
    say: (text: string) => upstream.onmessage!(readRawMessage(text, ANY) as RpcMessage),
    sent: () => upstream.sent.splice(0).map(sentText),
  };
}

const resultOf = (result: Result) => rawResult(result)?.text;
const ODD_META = `"_meta":{"a":1.0, "progressToken" : "mine"}`;

Deno.test("a request is sent with its params as they came, but for the progress token, and its answer is given back so", async () => {
  const it = await texts();
  const plain = it.call(`{"name":"t", "arguments":${ODD}}`);
  const wanting = it.call(`{${ODD_META},"name":"t","arguments":${ODD}}`, { progressToken: "mine" });
  const twice = it.call(`{"_meta":{"progressToken":7,"progressToken":null,"n":1.0},"name":"t"}`);
  const ids = it.upstream.sent.map((message) => "id" in message && message.id);
  assertEquals(it.sent(), [
    `{"jsonrpc":"2.0","id":${ids[0]},"method":"tools/call","params":{"name":"t", "arguments":${ODD}}}`,
    `{"jsonrpc":"2.0","id":${ids[1]},"method":"tools/call","params":{"_meta":{"a":1.0, "progressToken" : ${
      ids[1]
    }},"name":"t","arguments":${ODD}}}`,
    `{"jsonrpc":"2.0","id":${ids[2]},"method":"tools/call","params":{"_meta":{"n":1.0},"name":"t"}}`,
  ]);
  it.say(answer(ids[0]));
  it.say(
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${ids[1]},"progress":1.0}}`,
  );
  it.say(`{"x":1.0,"error":{"code":1,"message":"m","data":${ODD}},"jsonrpc":"2.0","id":"${ids[1]}"}`);
  it.say(answer(ids[2], `{"task":{"taskId":"1","n":1.0}}`));
  assertEquals([resultOf(await plain), resultOf(await wanting), resultOf(await twice)], [
    answer(ids[0]),
    `{"x":1.0,"error":{"code":1,"message":"m","data":${ODD}},"jsonrpc":"2.0","id":"${ids[1]}"}`,
    answer(ids[2], `{"task":{"taskId":"1","n":1.0}}`),
  ]);
  assertEquals(it.notified, ['notifications/progress {"progressToken":"mine","progress":1.0}']);
});

Deno.test("a server's question reaches the client as it came, and its answer goes back as it came under the id it came with", async () => {
  const it = await texts({ elicitation: {} });
  const running = it.call(`{"name":"t"}`, { ask: it.ada.caller.ask });
  const { id } = it.upstream.sent[0] as { id: number };
  it.sent();
  const reply = `{"x":1.0,"jsonrpc":"2.0", "id":"c-1","result":{"action":"accept","content":${ODD}}}`;
  it.ada.answer = () => Promise.resolve(rawResult(readRawMessage(reply, ANY)!)!);
  for (const own of ["9007199254740993", "1.0", '"a\\u0062"', "-0"]) {
    it.say(`{"jsonrpc":"2.0","id":${own},"method":"elicitation/create","params":{"message":"m","x":${ODD}}}`);
    await settled();
    assertEquals(it.sent(), [reply.replace('"c-1"', own)]);
    it.say(`{"jsonrpc":"2.0","id":${own},"method":"ping"}`);
    await settled();
    assertEquals(it.sent(), [`{"jsonrpc":"2.0","id":${own},"result":{}}`]);
  }
  assertEquals(it.asked, Array(4).fill(`elicitation/create {"message":"m","x":${ODD}}`));
  it.say(answer(id));
  await running;
});

Deno.test("a question with an id of any size is withdrawn by that id, and by no other", async () => {
  const it = await texts({ elicitation: {} });
  let signal: AbortSignal | undefined;
  const running = it.call(`{"name":"t"}`, {
    ask: (_method: string, _params: unknown, options: { signal: AbortSignal }) => {
      signal = options.signal;
      return new Promise<Result>(() => {});
    },
  });
  const { id } = it.upstream.sent[0] as { id: number };
  it.say('{"jsonrpc":"2.0","id":9007199254740993,"method":"elicitation/create","params":{"message":"m"}}');
  await settled();
  const cancel = (id: string) =>
    it.say(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${id}}}`);
  cancel("9007199254740992");
  assertEquals(signal!.aborted, false);
  cancel("9007199254740993");
  assertEquals(signal!.aborted, true);
  it.say(answer(id));
  await running;
});

Deno.test("progress of a client on a question goes to the server as it came, under the token as the server wrote it", async () => {
  const it = await texts({ elicitation: {} });
  const running = it.call(`{"name":"t"}`, {
    ask: (_method: string, _params: unknown, options: { onProgress(params: RawObject): void }) => {
      options.onProgress(rawObject('{"progressToken":"c-1","progress":1.0}')!);
      return Promise.resolve({ result: {} });
    },
  });
  const { id } = it.upstream.sent[0] as { id: number };
  it.sent();
  const params = '{"message":"m","_meta":{"progressToken":9007199254740993}}';
  it.say(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":${params}}`);
  await settled();
  assertEquals(
    it.sent()[0],
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":9007199254740993,"progress":1.0}}',
  );
  it.say(answer(id));
  await running;
});

Deno.test("log messages and unknown notifications of a server reach the window as they came", async () => {
  const it = await texts();
  it.say(`{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":${ODD}}}`);
  it.say(`{"jsonrpc":"2.0","method":"notifications/x","params":${ODD}}`);
  assertEquals(it.notified, [
    `notifications/message {"level":"info","data":${ODD}}`,
    `notifications/x ${ODD}`,
  ]);
  it.instance.detach(it.ada.caller);
  it.say(`{"jsonrpc":"2.0","method":"notifications/x","params":${ODD}}`);
  assertMatch(it.logged.at(-1)!, /notifications\/x of no window: .*9007199254740993/);
});

Deno.test("tasks that a session knows under another name are renamed in the text, and nothing else is", async () => {
  const [one, other] = [await texts(), await texts()];
  const ada = one.ada.caller;
  const begin = async (it: typeof one) => {
    const running = it.call(`{"name":"t","task":{"ttl":1.0}}`, { caller: ada });
    const { id } = it.upstream.sent.at(-1) as { id: number };
    it.say(answer(id, `{"task":{"taskId":"1","ttl":6e4},"_meta":{"x":1.0}}`));
    return resultOf(await running)!;
  };
  const first = await begin(one);
  const second = await begin(other);
  assertEquals(JSON.parse(first).result.task.taskId, "1");
  const name: string = JSON.parse(second).result.task.taskId;
  assert(name.length > 30, name);
  assertMatch(second, /"result":\{"task":\{"taskId":"[^"]+","ttl":6e4\},"_meta":\{"x":1\.0\}\}\}$/);
  other.sent();
  const meta = `"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"1","n":1.0}}`;
  const got = other.call(`{"taskId":"${name}","n":1.0}`, { method: "tasks/get", caller: ada });
  const { id } = other.upstream.sent.at(-1) as { id: number };
  assertEquals(other.sent(), [
    `{"jsonrpc":"2.0","id":${id},"method":"tasks/get","params":{"taskId":"1","n":1.0}}`,
  ]);
  other.say(answer(id, `{"taskId":"1","status":"working","ttl":6e4,${meta}}`));
  assertEquals(
    resultOf(await got),
    answer(id, `{"taskId":"1","status":"working","ttl":6e4,${meta}}`).replaceAll('"1"', `"${name}"`),
  );
  other.say(`{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"1","ttl":6e4}}`);
  assertEquals(one.notified, [`notifications/tasks/status {"taskId":"${name}","ttl":6e4}`]);
});

Deno.test("nothing of a large call or of its answer is parsed on the side of the server", async () => {
  const it = await texts();
  const large = `[${Array(50_000).fill("1.0").join()}]`;
  const body = `{${ODD_META},"name":"t","arguments":{"a":${large}}}`;
  const { parse } = JSON;
  let longest = 0;
  JSON.parse = (text: string, ...rest) => {
    longest = Math.max(longest, text.length);
    return parse(text, ...rest);
  };
  try {
    const running = it.call(body, { progressToken: "mine" });
    const message = it.upstream.sent.at(-1)!;
    assertEquals(sentText(message).length > 200_000, true);
    it.say(answer("id" in message && message.id, `{"content":${large},"structuredContent":{"a":${large}}}`));
    assert(rawMessage(await running) !== undefined);
  } finally {
    JSON.parse = parse;
  }
  assert(longest < 1000, `a text of ${longest} characters was parsed`);
});
