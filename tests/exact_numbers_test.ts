import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { exactJson, type JsonObject, plainOf } from "../lib/base/json.ts";
import { redactedJson } from "../lib/observe/redacted_json.ts";
import { mountingDaemon } from "./helpers/mounts.ts";

const NUMBERS = '{"one":1.0,"hundred":1E+2,"minus":-0,"big":12345678901234567890,"past":9007199254740993}';
const SCHEMA =
  '{"type":"object","properties":{"n":{"type":"number","default":1.0,"minimum":0.0,"maximum":9007199254740993}}}';
const TOOL = `{"name":"t","inputSchema":${SCHEMA},"outputSchema":${SCHEMA},"_meta":${NUMBERS}}`;
const LISTS: Readonly<Record<string, string>> = {
  "tools/list": `{"name":"t","inputSchema":${SCHEMA},"outputSchema":${SCHEMA},"_meta":${NUMBERS}}`,
  "prompts/list": '{"name":"p","_meta":{"n":1.0}}',
  "resources/list": '{"uri":"x:1","name":"r","size":1e2}',
  "resources/templates/list": '{"uriTemplate":"x:{n}","name":"t","_meta":{"n":-0}}',
};

function exact(more: JsonObject = {}): JsonObject {
  const server = fromFileUrl(new URL("fixtures/exact_server.ts", import.meta.url));
  return {
    command: Deno.execPath(),
    args: ["run", "--no-check", server, TOOL],
    share: "machine",
    ...more,
  };
}

/** A client over WebSocket that gives answers as their text. */
async function openTexts(url: string) {
  const socket = new WebSocket(url, ["mcp"]);
  let answered = Promise.withResolvers<string>();
  socket.onmessage = ({ data }) => /"id":/.test(data) && !/"method":/.test(data) && answered.resolve(data);
  await new Promise((resolve) => socket.onopen = resolve);
  const ask = async (method: string, params = "{}") => {
    answered = Promise.withResolvers();
    socket.send(`{"jsonrpc":"2.0","id":1,"method":"${method}","params":${params}}`);
    return await answered.promise;
  };
  await ask(
    "initialize",
    '{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"texts","version":"1"}}',
  );
  return { ask, [Symbol.dispose]: () => socket.close() };
}

Deno.test("entries of merged lists keep their numbers, when they are asked for and when they are remembered", async () => {
  await using it = await mountingDaemon({ exact: exact() });
  for (let times = 0; times < 2; times++) {
    using client = await openTexts(it.url);
    for (const [method, entry] of Object.entries(LISTS)) {
      const answer = await client.ask(method);
      assert(answer.includes(entry), `${entry} is not in ${answer}`);
    }
  }
});

Deno.test("the lists of one server keep their numbers, filtered or not", async () => {
  await using it = await mountingDaemon({ exact: exact(), filtered: exact({ exclude: ["none"] }) });
  for (const name of ["exact", "filtered"]) {
    using client = await openTexts(`${it.url}mcp/${name}`);
    for (let times = 0; times < 2; times++) {
      const answer = await client.ask("tools/list");
      assert(answer.includes(LISTS["tools/list"]!), answer);
    }
  }
});

Deno.test("numbers that are written otherwise once parsed are kept as text, others as numbers", () => {
  const kept = "1.0,1.50,1e2,1E+2,-0,9007199254740993,12345678901234567890,1e400,0.1000,0.0000001".split(",");
  const plain = "0,1,-1,1.5,0.1,9007199254740991,0.30000000000000004".split(",");
  for (const text of [...kept, ...plain]) {
    const value = exactJson(`{"a":[${text}],"b":"${text}"}`) as JsonObject;
    assertEquals(JSON.stringify(value), `{"a":[${text}],"b":"${text}"}`);
    const [number] = value.a as unknown[];
    assertEquals(typeof number === "number", plain.includes(text), text);
    assertEquals(plainOf(value), JSON.parse(`{"a":[${text}],"b":"${text}"}`));
  }
  const deep = "[".repeat(20_000) + "1.0" + "]".repeat(20_000);
  assertEquals(Array.isArray(exactJson(deep)), true);
});

Deno.test("what is recorded of a call keeps its numbers, secret ones left out", () => {
  const value = exactJson('{"n":[1.0,9007199254740993],"password":1.0}');
  assertEquals(
    redactedJson(value, 1000),
    '{"n":[1.0,9007199254740993],"password":"[secret]"}',
  );
});
