import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { rawResult, readRawMessage } from "../lib/wire/raw_message.ts";
import { rawObject } from "../lib/wire/raw_object.ts";

const NAMES = ["a", "b", "c", "_meta", "ttlMs", "x y", "é"];
const name = fc.constantFrom(...NAMES);
const space = fc.constantFrom("", " ", "  ");
const value = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>;
const object = fc.dictionary(name, value, { maxKeys: 6 }) as fc.Arbitrary<JsonObject>;
const changes = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant("with" as const), name, value }),
    fc.record({ kind: fc.constant("without" as const), name }),
  ),
  { maxLength: 6 },
);

/** `object` as JSON with `gap` around its tokens. */
function spaced(object: JsonObject, gap: string): string {
  const members = Object.entries(object).map(([name, value]) =>
    `${gap}${JSON.stringify(name)}${gap}:${gap}${JSON.stringify(value)}${gap}`
  );
  return `{${gap}${members.join(",")}}`;
}

Deno.test("an object whose members are changed reads as the same change of its value", () => {
  fc.assert(fc.property(object, space, changes, (value, gap, changes) => {
    let raw = rawObject(spaced(value, gap))!;
    const expected: JsonObject = JSON.parse(JSON.stringify(value));
    for (const change of changes) {
      if (change.kind === "with") expected[change.name] = JSON.parse(JSON.stringify(change.value));
      else delete expected[change.name];
      raw = change.kind === "with" ? raw.with(change.name, change.value) : raw.without(change.name);
    }
    assertEquals(JSON.parse(raw.text), expected);
    assertEquals(raw.names.toSorted(), Object.keys(expected).toSorted());
    for (const name of NAMES) {
      assertEquals([raw.has(name), raw.get(name)], [name in expected, expected[name]]);
    }
    assertEquals([raw.parts.join(""), raw.length], [raw.text, raw.text.length]);
  }));
});

Deno.test("a response with a changed result keeps the rest of its text, and can be changed again", () => {
  const text = '{ "jsonrpc":"2.0", "x":1e1,"result": {"n":1.0, "b":[1e2] } ,"id":1.0}';
  const raw = rawResult(readRawMessage(text, { depth: 9, members: 99 })!)!;
  if (raw.error) throw new Error("no result");
  const added = raw.withResult(raw.body!.with("ttlMs", 5));
  assertEquals(added.text, text.replace('{"n"', '{"ttlMs":5,"n"'));
  assertEquals(added.result, { ttlMs: 5, n: 1, b: [100] });
  const cut = added.withResult(added.body!.without("n"));
  assertEquals(
    cut.toText({ idText: '"a"' }),
    '{ "jsonrpc":"2.0", "x":1e1,"result": {"ttlMs":5,"b":[1e2] } ,"id":"a"}',
  );
  assertEquals(raw.text, text);
});

Deno.test("params whose members are changed are sent in the message they came in", () => {
  const text =
    '{"jsonrpc":"2.0","id":1,"y":[1.0],"method":"tools/call","params":{"_meta":{"a":1},"name":"n","arguments":{"n":1.0}}}';
  const request = readRawMessage(text, { depth: 9, members: 99 });
  const changed = request!.body!.without("_meta").with("name", "m").with("task", {});
  assertEquals(
    changed.messageParts("tools/call", "7")?.join(""),
    '{"jsonrpc":"2.0","id":7,"y":[1.0],"method":"tools/call","params":{"task":{},"name":"m","arguments":{"n":1.0}}}',
  );
});
