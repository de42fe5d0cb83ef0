import { assertEquals } from "@std/assert";
import { peek, type Peeked, responseBody, withBody } from "../lib/wire/peek.ts";
import { HEAD_CHARS, readEnds, TAIL_CHARS } from "../lib/wire/message_ends.ts";
import { readRawMessage } from "../lib/wire/raw_message.ts";
import type { RequestId } from "../lib/wire/rpc.ts";
import { seeded } from "./helpers/random.ts";

function short(frame: Peeked | undefined): unknown {
  if (frame?.kind === "response") return [frame.kind, frame.id, frame.failed];
  return frame?.kind === "request" ? [frame.kind, frame.id] : frame?.kind;
}

const RESPONSES: [string, RequestId | null, boolean][] = [
  ['{"jsonrpc":"2.0","id":1,"result":{}}', 1, false],
  ['{"jsonrpc":"2.0","id":"1","result":{}}', "1", false],
  ['{"jsonrpc":"2.0","id":-12,"error":{"code":1,"message":""}}', -12, true],
  ['{"jsonrpc":"2.0","id":0,"result":{}}', 0, false],
  ['{"jsonrpc":"2.0","id":"","result":{}}', "", false],
  ['{"jsonrpc":"2.0","id":"a\\"b\\\\","result":{}}', 'a"b\\', false],
  ['{"jsonrpc":"2.0","id":"\\u00fc\\n","result":{}}', "ü\n", false],
  ['{"jsonrpc":"2.0","id":"\\",\\"result\\":","error":{"code":1,"message":""}}', '","result":', true],
  [' {\n "jsonrpc" :\t"2.0" , "id" : 7 ,\r\n "result" : {} } ', 7, false],
  ['{"id":7,"jsonrpc":"2.0","result":{}}', 7, false],
  ['{"jsonrpc":"2.0","result":{"id":3},"id":7}', 7, false],
  ['{"id":7,"result":{"id":3},"jsonrpc":"2.0"}', 7, false],
  ['{"result":{"id":3},"more":1,"jsonrpc":"2.0","id":7}', 7, false],
  ['{"jsonrpc":"2.0","id":1e3,"result":{}}', 1000, false],
  ['{"jsonrpc":"2.0","id":9007199254740993,"result":{}}', 9007199254740993n, false],
  ['{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}', null, true],
];

Deno.test("a response is told by its id, however it is spaced and escaped", () => {
  for (const [text, id, failed] of RESPONSES) assertEquals(short(peek(text)), ["response", id, failed], text);
});

Deno.test("requests, notifications and ops are told apart; what is no object is nothing", () => {
  assertEquals(short(peek('{"jsonrpc":"2.0","id":1,"method":"x"}')), ["request", 1]);
  assertEquals(short(peek('{"method":"x","params":{"result":1},"jsonrpc":"2.0","id":"1"}')), [
    "request",
    "1",
  ]);
  assertEquals(short(peek('{"jsonrpc":"2.0","method":"x"}')), "notification");
  assertEquals(short(peek('{"op":"nudge"}')), "op");
  for (const text of ["", "x", "1", "null", "[]", '"{}"', '{"jsonrpc":"2.0","id":1,']) {
    assertEquals(peek(text), undefined, text);
  }
});

const ENDS: [string, RequestId, string?][] = [
  ['{"jsonrpc":"2.0","id":1,"result":{}}', 1],
  ['{"id":1,"jsonrpc":"2.0","error":{}}', 1],
  ['{"id":1,"result":{},"jsonrpc":"2.0"}', 1],
  ['{"result":{},"jsonrpc":"2.0","id":7}', 7],
  ['{"result":{},"id":7,"jsonrpc":"2.0"}', 7],
  ['{"jsonrpc":"2.0","result":{"id":3},"id" : 7 }\n', 7],
  ['{"result":{"a":"\\",\\"id\\":8}"},"jsonrpc":"2.0","id":"x\\"}"}', 'x"}'],
  ['{"jsonrpc":"2.0","id":9007199254740993,"result":{}}', 9007199254740993n],
  ['{"result":{},"jsonrpc":"2.0","id":-9007199254740993}', -9007199254740993n],
  ['{"jsonrpc":"2.0","id":1.0,"result":{}}', 1],
  ['{"jsonrpc":"2.0","id":1,"method":"a/b","params":{}}', 1, "a/b"],
  ['{"method":"a/b","id":"s","jsonrpc":"2.0","params":{}}', "s", "a/b"],
  ['{"method":"a/b","params":{"id":9},"jsonrpc":"2.0","id":"\\u00fc"}', "ü", "a/b"],
  ['{"jsonrpc":"2.0","method":"a/b","id":3,"params":{}}', 3, "a/b"],
];

Deno.test("a message is known by its ends, wherever its writer puts the id", () => {
  for (const [text, id, method] of ENDS) {
    const ends = readEnds(text.slice(0, HEAD_CHARS), text.slice(-TAIL_CHARS));
    assertEquals([ends?.id, ends?.kind], [id, method === undefined ? "response" : "request"], text);
    if (ends?.kind === "request") assertEquals(ends.method, method);
  }
});

Deno.test("what its ends do not tell is not guessed", () => {
  const texts = [
    '{"jsonrpc":"2.0","method":"a/b","params":{"id":7}}',
    '{"method":"a/b","params":{"text":",\\"id\\":7"}}',
    '{"result":{},"id":7,"more":1}',
    '{"jsonrpc":"2.0","id":1.5,"result":{}}',
    '{"jsonrpc":"2.0","id":null,"error":{}}',
    '{"jsonrpc":"2.0","id":1-1,"result":{}}',
    '{"jsonrpc":"2.0","id":{"id":1},"result":{}}',
    `{"jsonrpc":"2.0","id":"${"x".repeat(300)}","result":{}}`,
    '{"met\\u0068od":"a/b","params":{},"id":7}',
    "[]",
    "",
  ];
  for (const text of texts) assertEquals(readEnds(text, text), undefined, text);
});

Deno.test("the body of a response can be given to another request", () => {
  for (const [text, , failed] of RESPONSES) {
    const frame = peek(text);
    if (frame?.kind !== "response") throw new Error(text);
    const { jsonrpc: _, id: __, ...body } = JSON.parse(text);
    const again = JSON.parse(withBody('"n\\"ew"', responseBody(text)));
    assertEquals(again, { jsonrpc: "2.0", id: 'n"ew', ...body }, text);
    assertEquals(again.error !== undefined, failed);
  }
});

const PIECES = [
  '"jsonrpc":"2.0"',
  '"id":7',
  '"id":"x"',
  '"id":9007199254740993',
  '"id":1.5',
  '"id":null',
  '"id":{"id":1}',
  '"method":"a/b"',
  '"method":"a\\u002fb"',
  '"params":{"id":3,"method":"y"}',
  '"params":{"text":",\\"id\\":8}"}',
  '"result":{"jsonrpc":"2.0","id":4}',
  '"result":{"text":"\\\\\\",\\"id\\":8,\\"jsonrpc\\":\\"2.0\\"}"}',
  '"error":{"code":1,"message":"\\"id\\":9}"}',
  '"more":[{"id":5}]',
  '"\\u0069d":6',
];

Deno.test("whatever the order of its members, the ends of a message say what the whole says, or nothing", () => {
  const random = seeded(15);
  const limits = { depth: 64, members: 1000 };
  let told = 0;
  for (let count = 0; count < 40_000; count++) {
    const members = PIECES.filter(() => random() < 0.22).sort(() => random() - 0.5);
    const text = ` {${members.join(" ,\n ")}}\r\n`;
    const whole = readRawMessage(text, limits);
    const ends = readEnds(text, text);
    if (whole === undefined || ends === undefined) continue;
    told++;
    const { kind } = whole;
    const method = kind === "request" ? whole.method : undefined;
    const id = kind === "notification" ? undefined : whole.id;
    assertEquals(
      [ends.kind, ends.id, ends.kind === "request" ? ends.method : undefined],
      [kind, id, method],
      text,
    );
    if (kind !== "response") continue;
    const again = readRawMessage(withBody("1", responseBody(text)), limits);
    assertEquals(again?.kind, "response", text);
  }
  assertEquals(told > 100, true, `${told}`);
});
