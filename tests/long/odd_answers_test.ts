import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { HealingServer } from "../helpers/healing_server.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { saidBy, sdkClient, textOf } from "../helpers/sdk_client.ts";
import { findId } from "../../lib/transport/line_framer.ts";

const SCRIPTED = fromFileUrl(new URL("../fixtures/odd_answers_server.ts", import.meta.url));
const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
const PONG = '{"content":[{"type":"text","text":"pong"}]}';

/** What a tool's call is answered with, and what its caller is told: a text of the result, or an error. */
const ANSWERS: Record<string, { text: string; told: RegExp }> = {
  id_as_text: { text: `{"jsonrpc":"2.0","id":"ID","result":${PONG}}`, told: /^pong$/ },
  id_with_zeros: { text: `{"jsonrpc":"2.0","id":"00ID","result":${PONG}}`, told: /^pong$/ },
  id_in_a_list: { text: `{"jsonrpc":"2.0","id":[ID],"result":${PONG}}`, told: /^pong$/ },
  method_beside: { text: `{"jsonrpc":"2.0","id":ID,"method":"tools/call","result":${PONG}}`, told: /^pong$/ },
  error_null_beside: { text: `{"jsonrpc":"2.0","id":ID,"result":${PONG},"error":null}`, told: /^pong$/ },
  no_jsonrpc: { text: `{"id":ID,"result":${PONG},"error":null}`, told: /^pong$/ },
  other_jsonrpc: { text: `{"jsonrpc":"1.0","id":ID,"result":${PONG}}`, told: /^pong$/ },
  in_a_batch: { text: `[{"jsonrpc":"2.0","id":ID,"result":${PONG}}]`, told: /^pong$/ },
  result_null: {
    text: '{"jsonrpc":"2.0","id":ID,"result":null}',
    told: /malformed answer.*result must be an object.*null/,
  },
  result_text: {
    text: '{"jsonrpc":"2.0","id":ID,"result":"done"}',
    told: /malformed answer.*result.*"done"/,
  },
  result_list: { text: '{"jsonrpc":"2.0","id":ID,"result":[1]}', told: /malformed answer.*result.*\[1\]/ },
  error_text: {
    text: '{"jsonrpc":"2.0","id":ID,"error":"disk is full"}',
    told: /malformed answer.*disk is full/,
  },
  error_true: {
    text: '{"jsonrpc":"2.0","id":ID,"error":true}',
    told: /malformed answer.*error must be an object/,
  },
  error_no_code: {
    text: '{"jsonrpc":"2.0","id":ID,"error":{"message":"no luck"}}',
    told: /no code.*no luck/,
  },
  error_code_text: {
    text: '{"jsonrpc":"2.0","id":ID,"error":{"code":"E1","message":"no luck"}}',
    told: /no luck/,
  },
  error_no_message: { text: '{"jsonrpc":"2.0","id":ID,"error":{"code":-7}}', told: /-7/ },
  error_result_null: {
    text: '{"jsonrpc":"2.0","id":ID,"result":null,"error":{"code":-7,"message":"no luck"}}',
    told: /-7.*no luck/,
  },
  both: {
    text: `{"jsonrpc":"2.0","id":ID,"result":${PONG},"error":{"code":-7,"message":"x"}}`,
    told: /both a result and an error/,
  },
  neither: { text: '{"jsonrpc":"2.0","id":ID}', told: /neither a result nor an error/ },
  nan: {
    text:
      '{"jsonrpc": "2.0", "id": ID, "result": {"content": [{"type": "text", "text": "NaN \\"Infinity\\""}], "structuredContent": {"a": NaN, "b": [-Infinity, Infinity]}}}',
    told: /^NaN "Infinity"$/,
  },
  cut_off: { text: '{"jsonrpc":"2.0","id":ID,"result":{"content":[', told: /malformed answer.*not JSON/ },
  python_words: {
    text: '{"jsonrpc": "2.0", "id": ID, "result": {"content": [], "isError": True}}',
    told: /malformed answer.*not JSON/,
  },
  id_at_its_end: {
    text: `{"result":{"content":[],"isError":True},"jsonrpc":"2.0","id":ID}`,
    told: /malformed answer.*not JSON/,
  },
  no_id_error: {
    text: '{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"cannot parse"}}',
    told: /cannot parse/,
  },
  nested: {
    text: `{"jsonrpc":"2.0","id":ID,"result":{"content":[],"structuredContent":{"a":${nested(4094)}}}}`,
    told: /malformed answer: it is nested deeper than 4096/,
  },
  nested_id_last: {
    text: `{"error":{"code":1,"message":"x","data":${nested(9000)}},"id":ID,"jsonrpc":"2.0"}`,
    told: /malformed answer: it is nested deeper than 4096/,
  },
  nested_in_a_batch: {
    text: `[{"jsonrpc":"2.0","id":ID,"result":{"a":${nested(5000)}}}]`,
    told: /malformed answer: it is nested deeper than 4096/,
  },
  nested_as_deep_as_may_be: {
    text: `{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"pong"}],"a":${
      nested(4094)
    }}}`,
    told: /^pong$/,
  },
  nested_in_a_text: {
    text: `{"jsonrpc":"2.0","id":ID,"result":{"content":[{"type":"text","text":"${nested(5000)}"}]}}`,
    told: /^\[+\]+$/,
  },
  both_null: { text: '{"jsonrpc":"2.0","id":ID,"result":null,"error":null}', told: /malformed answer/ },
};

/** Of servers that write their log where they answer. */
const ON_STDIO: typeof ANSWERS = {
  log_prefix: {
    text: `INFO: {"jsonrpc":"2.0","id":ID,"result":${PONG}}`,
    told: /malformed answer.*other text on its line/,
  },
  indented: {
    text: JSON.stringify({ jsonrpc: "2.0", id: "ID", result: JSON.parse(PONG) }, null, 2),
    told: /^pong$/,
  },
  indented_with_crlf: {
    text: JSON.stringify({ jsonrpc: "2.0", id: "ID", result: JSON.parse(PONG) }, null, "\t")
      .replaceAll("\n", "\r\n"),
    told: /^pong$/,
  },
  indented_and_broken: {
    text: `{\n  "jsonrpc": "2.0",\n  "id": ID,\n  "result": {\n    oops\n  }\n}`,
    told: /malformed answer.*not JSON/,
  },
  indented_and_cut_off: {
    text: `{\n  "jsonrpc": "2.0",\n  "id": ID,\n  "result": {`,
    told: /malformed answer.*not JSON/,
  },
  with_mark_and_blank_lines: {
    text: `\r\n\n\uFEFF{"jsonrpc":"2.0","id":ID,"result":${PONG}}\r\n\n`,
    told: /^pong$/,
  },
  in_colours: { text: `\x1b[32m{"jsonrpc":"2.0","id":ID,"result":${PONG}}\x1b[0m`, told: /^pong$/ },
  zero_bytes: {
    text: [...`{"jsonrpc":"2.0","id":ID,"result":${PONG}}`].join("\0").replace("I\0D", "ID"),
    told: /^pong$/,
  },
  nested_over_lines: {
    text: `{\n  "jsonrpc":"2.0",\n  "id":ID,\n  "result":{\n    "a":\n    ${nested(5000)}\n  }\n}`,
    told: /malformed answer: it is nested deeper than 4096/,
  },
  behind_nested_noise: {
    text: `${nested(5000)}\n{"a":${nested(5000)}}\n{"jsonrpc":"2.0","id":ID,"result":${PONG}}`,
    told: /^pong$/,
  },
  behind_a_nested_notification: {
    text:
      `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":${
        nested(5000)
      }}}\n` +
      `{"jsonrpc":"2.0","id":ID,"result":${PONG}}`,
    told: /^pong$/,
  },
  logged_before: {
    text: `INFO: sends {"jsonrpc":"2.0","id":ID,"result":{}}\n{"jsonrpc":"2.0","id":ID,"result":${PONG}}`,
    told: /^pong$/,
  },
};

const script = Object.fromEntries(
  Object.entries({ ...ANSWERS, ...ON_STDIO }).map(([name, { text }]) => [name, text]),
);

function scripted(lines: Record<string, string>, more: JsonObject = {}): JsonObject {
  const args = ["run", "-A", "--no-check", SCRIPTED, JSON.stringify(lines)];
  return { command: Deno.execPath(), args, share: "machine", ...more };
}

const BY_DOOR = {
  stdio: () => ({ config: scripted(script), async [Symbol.asyncDispose]() {} }),
  "Streamable HTTP": () => {
    const server = new HealingServer({ answer: ofScript("application/json", (text) => text) });
    server.tools.push(...Object.keys(ANSWERS));
    return { config: { url: server.url }, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  },
  "an event": () => {
    const server = new HealingServer({
      answer: ofScript("text/event-stream", (text) => `data: ${text}\r\r`),
    });
    server.tools.push(...Object.keys(ANSWERS));
    return { config: { url: server.url }, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
  },
};

function ofScript(type: string, framed: (text: string) => string) {
  return ({ id, method, params }: JsonObject) => {
    const text = method === "tools/call" ? script[String((params as JsonObject).name)] : undefined;
    if (text === undefined) return undefined;
    return new Response(framed(text.replaceAll("ID", String(id))), { headers: { "content-type": type } });
  };
}

for (const [door, make] of Object.entries(BY_DOOR)) {
  Deno.test(`malformed answers through ${door} are taken where they are plain, and said at once where not`, async () => {
    await using server = make();
    await using it = await mountingDaemon({ odd: { ...server.config, callTimeoutMs: 10_000 } });
    const client = await sdkClient(`${it.url}mcp/odd`);
    const answers = door === "stdio" ? { ...ANSWERS, ...ON_STDIO } : ANSWERS;
    for (const [name, { told }] of Object.entries(answers)) {
      const said = await client.callTool({ name, arguments: {} }).then(textOf, (thrown) => String(thrown));
      assertMatch(said!, told, name);
    }
    const [row] = await it.status();
    assertEquals(
      (row!.breaker as JsonObject | undefined)?.failures ?? 0,
      0,
      "nothing of it is a failure of the server",
    );
    await client.close();
  });
}

Deno.test("progress under a token that comes back as text reaches its call; so does a notification with params null", async () => {
  const progress =
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"TOKEN","progress":1}}';
  const empty = '{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":null}';
  await using it = await mountingDaemon({
    odd: scripted({ steps: `${progress}\n${empty}\n{"jsonrpc":"2.0","id":"ID","result":${PONG}}` }),
  });
  const client = await sdkClient(`${it.url}mcp/odd`);
  let steps = 0;
  const result = await client.callTool({ name: "steps", arguments: {} }, undefined, {
    onprogress: () => steps++,
  });
  assertEquals([textOf(result), steps], ["pong", 1]);
  await client.close();
});

const INIT = (result: string) => `{"jsonrpc":"2.0","id":ID,"result":${result}}`;
const INFO = '"serverInfo":{"name":"s","version":"1"}';
const PLAIN = { plain: `{"jsonrpc":"2.0","id":ID,"result":${PONG}}` };

for (
  const [what, script, told] of [
    ["refuses with data.supported", {
      "initialize 2025-11-25":
        '{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"Unsupported protocol version","data":{"supported":["2024-11-05"],"requested":"2025-11-25"}}}',
      "initialize 2024-11-05": INIT(`{"protocolVersion":"2024-11-05","capabilities":{"tools":{}},${INFO}}`),
    }, /^pong$/],
    ["refuses and names a version in its text", {
      "initialize 2025-11-25":
        '{"jsonrpc":"2.0","id":ID,"error":{"code":-32000,"message":"protocol version must be 2025-03-26"}}',
      "initialize 2025-03-26": INIT(`{"protocolVersion":"2025-03-26","capabilities":{"tools":{}},${INFO}}`),
    }, /^pong$/],
    ["refuses and names none", {
      "initialize 2025-11-25":
        '{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"Unsupported protocolVersion"}}',
      "initialize 2024-11-05": INIT(`{"protocolVersion":"2024-11-05","capabilities":{"tools":{}},${INFO}}`),
    }, /^pong$/],
    ["answers with the first draft", {
      initialize: INIT(`{"protocolVersion":"2024-10-07","capabilities":{"tools":{}},${INFO}}`),
    }, /^pong$/],
    ["answers with a newer one until it is asked for an older", {
      "initialize 2025-11-25": INIT(`{"protocolVersion":"2027-01-01","capabilities":{"tools":{}},${INFO}}`),
      "initialize 2025-06-18": INIT(`{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},${INFO}}`),
    }, /^pong$/],
    ["insists on a newer one", {
      initialize: INIT(`{"protocolVersion":"2027-01-01","capabilities":{"tools":{}},${INFO}}`),
    }, /speaks MCP 2027-01-01, which EXAI does not/],
    ["supports nothing we do", {
      initialize:
        '{"jsonrpc":"2.0","id":ID,"error":{"code":-32602,"message":"Unsupported protocol version","data":{"supported":["2027-01-01"]}}}',
    }, /refused to initialize: Unsupported protocol version.*2027-01-01/],
    ["gives no capabilities and no name", {
      initialize: INIT('{"protocolVersion":"2025-06-18","capabilities":{"tools":{}}}'),
    }, /^pong$/],
    ["gives a number as its version", {
      initialize: INIT(`{"protocolVersion":20250618,"capabilities":{},${INFO}}`),
    }, /protocolVersion must be a text.*20250618/],
    [
      "gives no version",
      { initialize: INIT(`{"capabilities":{},${INFO}}`) },
      /protocolVersion must be a text.*missing/,
    ],
    ["gives capabilities that are a list", {
      initialize: INIT(`{"protocolVersion":"2025-06-18","capabilities":[],${INFO}}`),
    }, /capabilities must be an object/],
    ["answers null", { initialize: '{"jsonrpc":"2.0","id":ID,"result":null}' }, /malformed answer.*null/],
  ] as [string, Record<string, string>, RegExp][]
) {
  Deno.test(`a server that ${what} when it is initialized is understood, or said to be wrong at once`, async () => {
    await using it = await mountingDaemon({
      odd: scripted({ ...PLAIN, ...script }, { startTimeoutMs: 20_000 }),
    });
    assertMatch(await saidBy(`${it.url}mcp/odd`, "plain"), told);
  });
}

Deno.test("a URL server that refuses the version with HTTP 400 is asked for another; the cause is not hidden", async () => {
  const asked: unknown[] = [];
  const bodies = {
    agreeing:
      '{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Bad Request: Unsupported protocol version (supported versions: 2025-03-26)"}}',
    refusing: "Unsupported protocol version, only 2099-01-01",
  };
  for (const [how, body] of Object.entries(bodies)) {
    await using server = new HealingServer({
      answer({ method, params }) {
        const { protocolVersion } = (params ?? {}) as JsonObject;
        if (method !== "initialize") return undefined;
        asked.push(protocolVersion);
        return how === "agreeing" && protocolVersion === "2025-03-26"
          ? undefined
          : new Response(body, { status: 400 });
      },
    });
    server.getStatus = 405;
    await using it = await mountingDaemon({ old: { url: server.url } });
    const said = await sdkClient(`${it.url}mcp/old`).then(async (client) => {
      const text = textOf(await client.callTool({ name: "write", arguments: {} }));
      await client.close();
      return text;
    }).catch(String);
    if (how === "agreeing") assertEquals(said, "1");
    else assertMatch(said!, /HTTP status 400: Unsupported protocol version, only 2099-01-01/);
  }
  assertEquals(asked.slice(0, 2), ["2025-11-25", "2025-03-26"]);
});

Deno.test("a URL that neither transport finds anything at is refused with what each of them was told", async () => {
  await using server = Deno.serve(
    { port: 0, hostname: "127.0.0.1", onListen: () => {} },
    ({ method }) =>
      method === "POST" ? new Response("no such page", { status: 404 }) : new Response(null, { status: 405 }),
  );
  await using it = await mountingDaemon({ wrong: { url: `http://127.0.0.1:${server.addr.port}/` } });
  const said = String(await sdkClient(`${it.url}mcp/wrong`).catch(String));
  assertMatch(said, /HTTP status 404: no such page.*older HTTP with SSE.*405/);
});

Deno.test("answers of a URL server that are no answers end their call at once, with what they are", async () => {
  const answers: [Response, RegExp][] = [
    [new Response("<html>", { headers: { "content-type": "text/html" } }), /content type is "text\/html"/],
    [new Response("{", { headers: { "content-type": "application/json" } }), /not JSON/],
    [new Response(null, { status: 202 }), /no body/],
    [Response.json({ jsonrpc: "2.0", method: "notifications/x" }), /no response to the request/],
    [Response.json({ jsonrpc: "2.0", id: null, error: { code: -1, message: "bad luck" } }), /bad luck/],
    [Response.json([]), /no response to the request/],
  ];
  const told = answers.map(([, told]) => told);
  await using server = new HealingServer({
    answer: ({ method }) => method === "tools/call" ? answers.shift()?.[0] : undefined,
  });
  server.getStatus = 405;
  await using it = await mountingDaemon({ odd: { url: server.url } });
  const client = await sdkClient(`${it.url}mcp/odd`);
  for (const wanted of told) {
    const said = await client.callTool({ name: "write", arguments: {} }).then(textOf, String);
    assertMatch(said!, wanted);
  }
  assert(server.runs.length === 0);
  await client.close();
});

Deno.test("a body in deflate is read, with the header of zlib or without", async () => {
  for (const format of ["deflate", "deflate-raw"] as const) {
    await using server = new HealingServer({
      answer({ id, method }) {
        if (method !== "tools/call") return undefined;
        const text = `{"jsonrpc":"2.0","id":${id},"result":${PONG}}`;
        const body = new Blob([text]).stream().pipeThrough(new CompressionStream(format));
        return new Response(body, {
          headers: { "content-type": "application/json", "content-encoding": "deflate" },
        });
      },
    });
    await using it = await mountingDaemon({ odd: { url: server.url } });
    const client = await sdkClient(`${it.url}mcp/odd`);
    assertEquals(textOf(await client.callTool({ name: "write", arguments: {} })), "pong");
    await client.close();
  }
});

Deno.test("an id that is no text of JSON is none", () => {
  for (const id of ['"a\u0001"', '"\\x"', '"a\u007f\\u00"']) {
    assertEquals(findId({ head: `{"id":${id},"result":{}`, tail: "", bytes: 100 }), null);
  }
  assertEquals(findId({ head: '{"id":"\\u0041","result":{}', tail: "", bytes: 100 }), "A");
});
