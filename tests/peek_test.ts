import { assertEquals } from "@std/assert";
import { peek, type Peeked, responseBody, withBody } from "../lib/wire/peek.ts";
import { responseTo } from "../lib/wire/rpc.ts";

function short(frame: Peeked | undefined): unknown {
  if (frame?.kind === "response") return [frame.kind, frame.id, frame.failed];
  return frame?.kind === "request" ? [frame.kind, frame.id] : frame?.kind;
}

const RESPONSES: [string, string | number | null, boolean][] = [
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
  ['{"jsonrpc":"2.0","id":1e3,"result":{}}', 1000, false],
  ['{"jsonrpc":"2.0","id":9007199254740993,"result":{}}', Number("9007199254740993"), false],
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

Deno.test("a response as this program writes it is never parsed as a whole", () => {
  for (const id of [1, -1, "a", 'q"\\']) {
    const frame = peek(JSON.stringify(responseTo(id, { result: {} })));
    assertEquals(frame?.kind === "response" && frame.bodyAt !== undefined, true);
  }
});

Deno.test("the body of a response can be given to another request", () => {
  for (const [text, , failed] of RESPONSES) {
    const frame = peek(text);
    if (frame?.kind !== "response") throw new Error(text);
    const { jsonrpc: _, id: __, ...body } = JSON.parse(text);
    const again = JSON.parse(withBody('n"ew', responseBody(text, frame)));
    assertEquals(again, { jsonrpc: "2.0", id: 'n"ew', ...body }, text);
    assertEquals(again.error !== undefined, failed);
  }
});
