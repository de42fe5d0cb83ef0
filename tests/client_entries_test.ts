import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { isObject, type Json, type JsonObject } from "../lib/base/json.ts";
import { convertEntry } from "../lib/config/servers/shapes/convert_entry.ts";
import { findSections, isComment } from "../lib/config/servers/shapes/sections.ts";
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

/** An entry of some client, the same in EXAI's keys, and what is noted of it. */
type Conversion = [given: JsonObject, entry: JsonObject, notes: string[]];

const CONVERSIONS: Conversion[] = [
  [{ serverURL: "https://x" }, { url: "https://x" }, []],
  [{ url: "https://x", serverUrl: "https://x" }, { url: "https://x" }, []],
  [{ url: "https://x", serverUrl: "https://y" }, { url: "https://x" }, [
    "lost serverUrl stands beside url, which counts",
  ]],
  [{ type: "https", url: "https://x" }, { type: "http", url: "https://x" }, []],
  [{ transport: "none of them", command: "c" }, { command: "c" }, []],
  [{ command: "c", settings: { theme: 1 } }, { command: "c" }, []],
  [{ command: "c", env: ["", "A=1"] }, { command: "c" }, ["fault env.0 is neither NAME=value nor an object"]],
  [{ command: "c", env: [] }, { command: "c" }, []],
  [{ command: "c", tools: "a, b" }, { command: "c", include: ["a", "b"] }, [
    "converted tools becomes include",
  ]],
  [
    {
      command: "c",
      exclude: ["x"],
      disabledTools: ["y"],
      tools: { a: { enabled: false }, b: { disabled: true }, c: true },
    },
    { command: "c", exclude: ["x", "a", "b", "y"] },
    [
      "converted tools becomes exclude: 2 tools",
      "kept tools says what",
      "converted disabledTools becomes exclude",
    ],
  ],
  [{ command: "c", tools: { a: true } }, { command: "c" }, []],
  [
    { command: "c", include: ["a"], tools: ["b"] },
    { command: "c", include: ["a"] },
    ["lost tools stands beside another list"],
  ],
  [{ command: "c", timeout: "soon" }, { command: "c" }, ["lost timeout is no number; write callTimeoutMs"]],
  [{ command: "c", timeout: 0 }, { command: "c" }, ["changed timeout is 0, which is EXAI's own limit"]],
  [
    { command: "c", callTimeoutMs: 1, timeout: 9 },
    { command: "c", callTimeoutMs: 1 },
    ["lost timeout stands beside callTimeoutMs"],
  ],
  [
    { command: "c", request_timeout_ms: 9 },
    { command: "c", callTimeoutMs: 9 },
    ["changed request_timeout_ms is 9 milliseconds and becomes callTimeoutMs 9"],
  ],
  [{ command: "c", args: ["{env:A}"] }, { command: "c", args: ["${env:A}"] }, [
    "converted args.0 has its variables in",
  ]],
  [
    { command: "c", args: ["${{ inputs.t-1 }}"] },
    { command: "c", args: ["${input:t-1}"] },
    ["converted args.0 has", "asked args.0 needs a value for ${input:t-1}"],
  ],
  [{ url: "https://x", env_http_headers: null }, { url: "https://x" }, []],
  [
    { url: "https://x", headers: { authorization: "a" }, bearer_token_env_var: "T" },
    { url: "https://x", headers: { authorization: "a" } },
    [],
  ],
  [
    { url: "https://x", env_http_headers: { A: "no name" } },
    { url: "https://x" },
    ["fault env_http_headers.A is no name of a variable"],
  ],
  [{ command: "c", apiKey: "k" }, { command: "c" }, ["lost apiKey is not passed on; write it into"]],
  [
    { type: "stdio", command: "c", url: "https://x", headers: { A: "b" } },
    { type: "stdio", command: "c" },
    ["lost url stands beside command, which counts by type"],
  ],
  [{ source: "extension", settings: {} }, { source: "extension" }, [
    "fault source names a server of an editor's extension",
  ]],
  [{ settings: { a: 1 } }, {}, ["fault settings names a server of an editor's extension"]],
];

Deno.test("each of these entries becomes the one beside it, and the notes say how", () => {
  for (const [given, expected, notes] of CONVERSIONS) {
    const converted = convertEntry(given, "other");
    const found = converted.notes.map(({ kind, path, message }) => `${kind} ${path.join(".")} ${message}`);
    assertEquals([converted.entry, found.length], [expected, notes.length], JSON.stringify([given, found]));
    for (const [i, note] of notes.entries()) assert(found[i]!.startsWith(note), found[i]);
  }
});

Deno.test("a comment beside the servers is none of them, and a server with a name like one is", () => {
  const titles = {
    "_note": "x",
    "$schema": "y",
    "comments": ["z"],
    "comment": {},
    "commentary": {},
    "_x": { command: "c" },
  };
  const comments = Object.entries(titles).filter(([title, value]) => isComment(title, value)).map(([title]) =>
    title
  );
  assertEquals(comments, ["_note", "$schema", "comments", "comment"]);
});
