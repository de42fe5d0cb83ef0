import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import fc from "fast-check";
import type { Json, JsonObject } from "../lib/base/json.ts";
import { schemaCompiler } from "../lib/call/schema_compiler.ts";
import { legacyOutputSchema, legacyStructured } from "../lib/wire/legacy_schemas.ts";

/** What a client of 2025 is shown for `value`. */
const structured = (value: Json): Json => {
  const text = JSON.stringify(value);
  return JSON.parse(legacyStructured(text) ?? text);
};

Deno.test("an output schema of an object is left alone, and any other is one of an object", () => {
  const own = { type: "object", properties: { a: {} } };
  assertStrictEquals(legacyOutputSchema(own), own);
  const wrapped = (schema: JsonObject) => ({
    type: "object",
    properties: { result: schema },
    required: ["result"],
  });
  const table: [JsonObject, JsonObject][] = [
    [{ type: "array", items: {} }, wrapped({ type: "array", items: {} })],
    [{ type: ["string", "null"] }, wrapped({ type: ["string", "null"] })],
    [{ enum: ["a", 1] }, wrapped({ enum: ["a", 1] })],
    [
      { anyOf: [{ type: "string" }, { type: "number" }] },
      wrapped({ anyOf: [{ type: "string" }, { type: "number" }] }),
    ],
    [{ oneOf: [own, { type: "object" }] }, { oneOf: [own, { type: "object" }], type: "object" }],
    [{ allOf: [own, {}] }, { allOf: [own, {}], type: "object" }],
    [{ $schema: "http://json-schema.org/draft-07/schema#", type: "string" }, {
      $schema: "http://json-schema.org/draft-07/schema#",
      ...wrapped({ $schema: "http://json-schema.org/draft-07/schema#", type: "string" }),
    }],
  ];
  for (const [schema, expected] of table) assertEquals(legacyOutputSchema(schema), expected);
});

Deno.test("references to a schema's own root are moved with it, data and other documents are not", () => {
  const schema = {
    type: "array",
    items: {
      anyOf: [{ $ref: "#" }, { $ref: "#/$defs/n" }, { $ref: "other.json#/a" }, { $id: "b", $ref: "#/x" }],
    },
    $defs: { n: { const: { $ref: "#/kept" } }, default: { $ref: "#" } },
  };
  const { properties } = legacyOutputSchema(schema) as { properties: { result: JsonObject } };
  assertEquals(properties.result, {
    type: "array",
    items: {
      anyOf: [
        { $ref: "#/properties/result" },
        { $ref: "#/properties/result/$defs/n" },
        { $ref: "other.json#/a" },
        { $id: "b", $ref: "#/x" },
      ],
    },
    $defs: { n: { const: { $ref: "#/kept" } }, default: { $ref: "#/properties/result" } },
  });
});

const leaf = fc.constantFrom<JsonObject>(
  { type: "string" },
  { type: "integer" },
  { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
  { type: "object" },
  { type: ["object", "null"] },
  { type: "array", items: { $ref: "#/$defs/node" } },
  { const: { a: "x" } },
  { enum: [1, "b", { a: "y" }] },
  { $ref: "#/$defs/node" },
  {},
);
const root = fc.oneof(
  leaf,
  fc.array(leaf, { minLength: 1, maxLength: 3 }).map((anyOf): JsonObject => ({ anyOf })),
  fc.array(leaf, { minLength: 1, maxLength: 2 }).map((allOf): JsonObject => ({ allOf })),
).map((schema): JsonObject => ({
  ...schema,
  $defs: {
    node: { anyOf: [{ type: "string" }, { type: "object", properties: { a: { $ref: "#/$defs/node" } } }] },
  },
}));
const value = fc.oneof(
  fc.constantFrom<Json>("s", 1, null, [], ["s"], {}, { a: "x" }, { a: "y" }, { a: 1 }, { a: { a: "s" } }, [{
    a: "b",
  }]),
);

Deno.test("what is valid under a schema is valid as a client of 2025 sees both", () => {
  fc.assert(
    fc.property(root, value, (schema, value) => {
      const natural = schemaCompiler()(schema) as (value: Json) => boolean;
      const shown = legacyOutputSchema(schema);
      assertEquals(shown.type, "object");
      if (!natural(value)) return;
      const validate = schemaCompiler()(shown) as (value: Json) => boolean;
      assert(validate(structured(value)), JSON.stringify({ schema, shown, value }));
    }),
    { numRuns: 60 },
  );
});
