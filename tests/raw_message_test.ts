import { assert, assertEquals } from "@std/assert";
import { scanObject } from "../lib/wire/json_scan.ts";
import { rawResult, readRawMessage } from "../lib/wire/raw_message.ts";

const LIMITS = { depth: 512, members: 100_000 };

function requestOf(text: string) {
  const message = readRawMessage(text, LIMITS);
  if (message?.kind !== "request") throw new Error(`no request: ${text}`);
  return message;
}

Deno.test("a message is passed on as it came, but for its id and the names that are replaced", () => {
  const text =
    '{ "method" : "tools/call","x":1e2, "params":{"n\\u0061me":"a","arguments":{"n":9007199254740993,"m":1.0}} ,"jsonrpc":"2.0","id":1.0}';
  const request = requestOf(text);
  assertEquals([request.id, request.idText, request.method], [1, "1.0", "tools/call"]);
  assertEquals(request.body!.get("name"), "a");
  assertEquals(
    request.toText({ idText: "7", body: request.body!.with("name", 'b"') }),
    text.replace('"a"', '"b\\""').replace('"id":1.0', '"id":7'),
  );
  assertEquals(request.params, { name: "a", arguments: { n: 9007199254740992, m: 1 } });
});

Deno.test("an id of any size is told from every other", () => {
  const ids = ["9007199254740993", "9007199254740992", '"9007199254740993"', "-9007199254740993"];
  const read = ids.map((id) => requestOf(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`).id);
  assertEquals(read, [9007199254740993n, 9007199254740992n, "9007199254740993", -9007199254740993n]);
  assertEquals(readRawMessage('{"jsonrpc":"2.0","id":1.5,"method":"ping"}', LIMITS), undefined);
});

Deno.test("a response is a result whose text is kept, whichever of its members comes first", () => {
  for (
    const text of [
      '{"jsonrpc":"2.0","id":3,"result":{"n":1.0}}',
      '{"result":{"n":1.0},"id":3,"jsonrpc":"2.0"}',
    ]
  ) {
    const message = readRawMessage(text, LIMITS);
    if (message?.kind !== "response") throw new Error(`no response: ${text}`);
    assertEquals(rawResult(message)?.toText({ idText: '"x"' }), text.replace("3", '"x"'));
    assertEquals(message.result, { n: 1 });
  }
  const failure = readRawMessage(
    '{"jsonrpc":"2.0","id":3,"error":{"code":1,"message":"m","data":1e1}}',
    LIMITS,
  );
  assertEquals(failure?.kind === "response" && failure.error?.code, 1);
});

Deno.test("what two readers could take differently is not passed on as text", () => {
  for (
    const text of [
      '{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","n\\u0061me":"b"}}',
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":null}',
      '{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}',
      '{"jsonrpc":"1.0","id":1,"method":"ping"}',
      '[{"jsonrpc":"2.0","id":1,"method":"ping"}]',
    ]
  ) assertEquals(readRawMessage(text, LIMITS), undefined, text);
  const request = requestOf(
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{"a":1,"a":2}}}',
  );
  assertEquals(request.body!.objectAt("_meta")?.text, `{"a":2}`);
});

Deno.test("a text is read just when JSON.parse reads it as an object", () => {
  const values = [
    ..."0,-0,01,1.,.5,1e,1e+,1E-2,-,+1,1e400,NaN,Infinity,tru,true,null,nul".split(","),
    '""',
    '"\\u00e9"',
    '"\\u00g0"',
    '"\\x"',
    '"a\tb"',
    '"\u2028"',
    '"',
    '"\\',
    '"' + "\\\\".repeat(50) + '"',
    '"' + "long ".repeat(100) + '"',
    '"' + "long ".repeat(100) + '\n"',
    '"' + "long ".repeat(100) + '\\q"',
    "[]",
    "[1,]",
    "[,1]",
    "[1 2]",
    "[[[]]]",
    "[",
    "]",
    "{}",
    '{"a":1,}',
    '{"a"}',
    "{a:1}",
    '{"a":1 "b":2}',
    "{,}",
    '{"a":[{"b":{}}]}',
    "\u00a01",
    "1\u00a0",
    "[1}",
    '{"a":1]',
    " \t\r\n1 ",
    "\v1",
    "",
  ];
  for (const value of values) {
    for (const text of [`{"x":${value}}`, `{"params":${value}}`, value, `${value} {}`, `{"x":${value}} `]) {
      let expected: unknown;
      try {
        expected = JSON.parse(text);
      } catch {
        expected = undefined;
      }
      const isObject = typeof expected === "object" && expected !== null && !Array.isArray(expected);
      const members = scanObject(text, LIMITS, (name) => name === "params");
      assertEquals(members !== undefined, isObject, text);
      if (!members) continue;
      const found = Object.fromEntries(
        members.map(({ name, from, to }) => [name, JSON.parse(text.slice(from, to))]),
      );
      assertEquals(found, expected as Record<string, unknown>, text);
    }
  }
});

Deno.test("a text beyond the limits is not read", () => {
  const deep = (levels: number) => `{"x":${"[".repeat(levels)}${"]".repeat(levels)}}`;
  const limits = { depth: 10, members: 3 };
  assert(scanObject(deep(9), limits, () => false));
  assertEquals(scanObject(deep(10), limits, () => false), undefined);
  assert(scanObject('{"a":{"b":1},"c":1}', limits, () => false));
  assertEquals(scanObject('{"a":{"b":1,"d":1},"c":1}', limits, () => false), undefined);
});
