import { assertEquals, assertThrows } from "@std/assert";
import { UsageError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { missingArguments, parametersOf, parseArguments } from "../lib/commands/tool_arguments.ts";

/** A schema of one argument `x`. */
const of = (x: JsonObject, more: JsonObject = {}): JsonObject => ({ properties: { x }, ...more });

/** What `x` is when these words are typed. */
const typed = (schema: JsonObject, ...words: string[]) => parseArguments(words, schema).x;

Deno.test("the schema of a tool says what a word means", () => {
  assertEquals(typed(of({ type: "string" }), "x=7"), "7");
  assertEquals(typed(of({ type: "string" }), "x=true"), "true");
  assertEquals(typed(of({ type: "string" }), 'x={"a":1}'), '{"a":1}');
  assertEquals(typed(of({ type: "string" }), "x="), "");
  assertEquals(typed(of({ type: "string" }), "x=a=b"), "a=b");
  assertEquals(typed(of({ type: "number" }), "x=7.5"), 7.5);
  assertEquals(typed(of({ type: "integer" }), "x=-7"), -7);
  assertEquals(typed(of({ type: "boolean" }), "x=false"), false);
  assertEquals(typed(of({ type: "object" }), 'x={"a":[1]}'), { a: [1] });
  assertEquals(typed(of({ type: ["integer", "null"] }), "x=null"), null);
  assertEquals(typed(of({ type: ["string", "null"] }), "x=null"), null);
  assertEquals(typed(of({ anyOf: [{ type: "number" }, { type: "string" }] }), "x=7"), 7);
  assertEquals(typed(of({ anyOf: [{ type: "number" }, { type: "string" }] }), "x=seven"), "seven");
  assertEquals(typed(of({ enum: ["1", "2"] }), "x=1"), "1");
  assertEquals(typed(of({ enum: [1, 2] }), "x=1"), 1);
  assertEquals(typed(of({ $ref: "#/$defs/Id" }, { $defs: { Id: { type: "string" } } }), "x=7"), "7");
  assertEquals(typed(of({ $ref: "#/properties/x" }), "x=7"), 7, "a schema that refers to itself");
});

Deno.test("an argument without a type is JSON where it is some, and a text otherwise", () => {
  assertEquals(typed({}, "x=7"), 7);
  assertEquals(typed({}, "x=[1,2]"), [1, 2]);
  assertEquals(typed({}, "x=hello"), "hello");
  assertEquals(typed({}, 'x="7"'), '"7"', "quotes are part of a text");
  assertEquals(typed(of(true as unknown as JsonObject), "x=7"), 7);
});

Deno.test("a list is JSON, or one value for each time it is given", () => {
  const list = of({ type: "array" });
  assertEquals(typed(list, "x=a", "x=b"), ["a", "b"]);
  assertEquals(typed(list, "x=a"), ["a"]);
  assertEquals(typed(list, 'x=["a","b"]'), ["a", "b"]);
  assertEquals(typed(list, 'x=["a"]', "x=b"), ["a", "b"]);
  assertEquals(typed({}, "x=a", "x=b"), ["a", "b"]);
});

Deno.test("the items of a list are what its schema says they are", () => {
  const numbers = of({ type: "array", items: { type: "integer" } });
  assertEquals(typed(numbers, "x=7"), [7]);
  assertEquals(typed(numbers, "x=1", "x=2"), [1, 2]);
  assertEquals(typed(numbers, "x=[1,2]"), [1, 2]);
  assertEquals(typed(of({ type: "array", items: { type: "string" } }), "x=7", "x=8"), ["7", "8"]);
  assertEquals(
    typed(of({ anyOf: [{ type: "array", items: { type: "number" } }, { type: "null" }] }), "x=7"),
    [7],
  );
  assertThrows(() => typed(numbers, "x=1,2"), UsageError, 'x is "1,2"; allowed: integer');
});

Deno.test("a whole number that JSON cannot hold is no other number", () => {
  assertEquals(typed({}, "x=12345678901234567890"), "12345678901234567890");
  assertThrows(
    () => typed(of({ type: "integer" }), "x=12345678901234567890"),
    UsageError,
    "allowed: integer",
  );
});

Deno.test("key:=JSON is JSON whatever the schema says", () => {
  assertEquals(typed(of({ type: "string" }), "x:=7"), 7);
  assertEquals(typed(of({ type: "string" }), 'x:="7"'), "7");
  assertEquals(parseArguments(["a:b=c"], {}), { "a:b": "c" });
});

Deno.test("arguments that make no sense are refused, with the word and what is allowed", () => {
  const refused: [schema: JsonObject, words: string[], says: string][] = [
    [{}, ["hello"], '"hello" is no argument; write key=value'],
    [{}, ["=x"], '"=x" is no argument'],
    [of({ type: "number" }), ["x=seven"], 'x is "seven"; allowed: number'],
    [of({ type: "integer" }), ["x=1.5"], 'x is "1.5"; allowed: integer'],
    [of({ type: "boolean" }), ["x=yes"], 'x is "yes"; allowed: boolean'],
    [of({ enum: [1, 2] }), ["x=one"], "allowed: one of 1, 2"],
    [of({ type: "string" }), ["x=a", "x=b"], "x is given 2 times"],
    [{}, ["x:={"], "x:= takes JSON"],
    [
      { properties: { path: {} }, additionalProperties: false },
      ["pat=."],
      '"pat" (did you mean path?); it takes path',
    ],
    [{ additionalProperties: false }, ["x=1"], "it takes none"],
  ];
  for (const [schema, words, says] of refused) {
    assertThrows(() => parseArguments(words, schema), UsageError, says, words.join(" "));
  }
});

Deno.test("names that objects inherit are arguments like any other", () => {
  const parsed = parseArguments(["__proto__=a", "constructor=b"], {});
  assertEquals(JSON.stringify(parsed), '{"__proto__":"a","constructor":"b"}');
});

Deno.test("what a tool takes, and what is missing, is read from its schema, however odd that is", () => {
  const schema = {
    properties: { a: { type: "string", description: "the first" }, b: { type: ["number", "null"] }, c: true },
    required: ["a", 7, "z"],
  } as unknown as JsonObject;
  assertEquals(parametersOf(schema), [
    { name: "a", type: "string", isRequired: true, description: "the first" },
    { name: "b", type: "number or null", isRequired: false, description: "" },
    { name: "c", type: "any", isRequired: false, description: "" },
  ]);
  assertEquals(missingArguments({ a: "x" }, schema), ["z"]);
  for (const odd of [{}, { properties: null }, { properties: [] }, { required: "a" }]) {
    assertEquals(parametersOf(odd as JsonObject), []);
    assertEquals(missingArguments({}, odd as JsonObject), []);
  }
});
