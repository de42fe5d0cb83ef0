import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isObject, type Json, type JsonObject } from "../lib/base/json.ts";
import { convertEntry } from "../lib/config/servers/shapes/convert_entry.ts";
import { findSections } from "../lib/config/servers/shapes/sections.ts";
import { readFile } from "./helpers/read_servers.ts";

const KEYS = [
  ..."type transport command cmd args arguments env environment envFile cwd url httpUrl serverUrl uri headers"
    .split(" "),
  ..."http_headers settings source enabled disabled isActive tools includeTools disabledTools include exclude"
    .split(" "),
  ..."alwaysAllow trust timeout tool_timeout_sec startup_timeout_ms callTimeoutMs oauth apiKey headersHelper"
    .split(" "),
  ..."bearer_token_env_var env_http_headers env_vars name share __proto__ constructor".split(" "),
];

const text = fc.oneof(
  fc.constantFrom(
    "npx -y x",
    "c",
    "",
    "local",
    "HTTP",
    "remote",
    "https://x.example/mcp",
    "$HOME/x",
    "%PATH%",
  ),
  fc.constantFrom(
    "${X}",
    "{env:X}",
    "${{ secrets.X }}",
    "${input:a b}",
    "${env:ghp_a1}",
    "$${X}",
    "'",
    '"a b',
    "A=1",
  ),
  fc.string({ maxLength: 8 }),
);
const scalar = fc.oneof(text, fc.integer({ min: -5, max: 9000 }), fc.boolean(), fc.constant(null));
const value: fc.Arbitrary<Json> = fc.oneof(
  { weight: 3, arbitrary: scalar },
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(fc.constantFrom("A", "path", "args", "url", "type", "name", "value"), scalar, { maxKeys: 3 }),
  fc.array(fc.dictionary(fc.constantFrom("name", "key", "value"), scalar), { maxLength: 2 }),
) as fc.Arbitrary<Json>;
const entry = fc.array(fc.tuple(fc.constantFrom(...KEYS), value), { maxLength: 7 })
  .map((pairs): JsonObject => Object.fromEntries(pairs));

Deno.test("an entry of any shape is converted without an error, and what was converted converts to itself", () => {
  fc.assert(
    fc.property(entry, (given) => {
      const before = JSON.stringify(given);
      const { entry: once, notes, sourceOf } = convertEntry(given, "other");
      assertEquals(JSON.stringify(given), before, "the client's entry is left as it is");
      if (notes.some(({ kind }) => kind === "fault")) return;
      assertEquals(convertEntry(once, "other").entry, once);
      for (const [key] of Object.entries(once)) {
        const [source] = sourceOf([key]);
        assert(source !== undefined && Object.hasOwn(given, source), `${key} is from ${source}`);
      }
    }),
    { numRuns: 2000 },
  );
});

Deno.test("a file of any shape is read without an error, and its faults have a place in it", async () => {
  const section = fc.oneof(
    fc.dictionary(fc.string({ maxLength: 4 }), fc.oneof(entry, value)),
    fc.array(entry),
    value,
  );
  const names = fc.constantFrom(
    "mcpServers",
    "servers",
    "mcp",
    "context_servers",
    "mcp_servers",
    "a",
    "prefix",
    "clients",
  );
  await fc.assert(
    fc.asyncProperty(fc.dictionary(names, section, { maxKeys: 3 }), async (document) => {
      const file = await readFile(JSON.stringify(document, null, 1));
      const lines = JSON.stringify(document, null, 1).split("\n").length;
      for (const { line, message } of [...file.faults, ...file.warnings]) {
        assert(line !== undefined && line >= 1 && line <= lines, message);
      }
    }),
    { numRuns: 150 },
  );
});

Deno.test("the path of each server found is its place in the file", () => {
  const document = {
    mcpServers: { a: { command: "x" }, mcpServers: { b: { url: "y" } } },
    servers: [{ name: "c", command: "z" }],
    mcp: { servers: { d: { command: "w" } } },
  };
  const { sections } = findSections(document);
  const found = sections.flatMap(({ entries }) => entries);
  assertEquals(found.map(({ title }) => title), ["a", "b", "c", "d"]);
  for (const { path, value } of found) {
    const at = path.reduce<unknown>((node, key) => (node as Record<string | number, unknown>)[key], document);
    assert(isObject(value) && at === value);
  }
});
