import { assertEquals } from "@std/assert";
import type { Router } from "../lib/router/router.ts";
import { rawResult, readRawMessage } from "../lib/wire/raw_message.ts";
import { rawObject } from "../lib/wire/raw_object.ts";
import { call } from "./helpers/call.ts";
import { daemonHooks, settle } from "./helpers/memory_channel.ts";
import { FakeServer, routerOf, toolsOf } from "./helpers/fake_server.ts";

const VALUE = '{ "z":1.0,"a" : [9007199254740993,1e400],"name":"n","x":1,"x":2 }';

/** Calls `method` with `params` as they came; gives those that reached one of `servers`. */
async function paramsAt(
  servers: readonly FakeServer[],
  { method, params, router = routerOf(servers) }: { method: string; params: string; router?: Router },
): Promise<string> {
  const body = rawObject(params)!;
  await router.target(call({ method, body, params: body.value }));
  return servers.flatMap(({ calls }) => calls.splice(0)).at(-1)!.body!.text;
}

function twins(): FakeServer[] {
  return ["one", "two"].map((name) => {
    const server = new FakeServer(name, { tools: toolsOf("t"), prompts: [{ name: "p" }] });
    server.capabilities = { tools: {}, prompts: {}, completions: {} };
    return server;
  });
}

Deno.test("a server gets its own name of a tool or prompt, and all the rest as it came", async () => {
  for (const [method, name] of [["tools/call", "t"], ["prompts/get", "p"]] as const) {
    const sent = (name: string) =>
      `{"x":1.0,"n\\u0061me":"${name}" , "arguments":${VALUE},"_meta":{"m":1e2}}`;
    assertEquals(await paramsAt(twins(), { method, params: sent(`two__${name}`) }), sent(name));
  }
});

Deno.test("a completion names the server's own prompt, and keeps the rest as it came", async () => {
  const sent = (name: string) =>
    `{"ref":{"type":"ref/prompt", "name":"${name}","x":1.0},"argument":${VALUE},"context":{"n":-0}}`;
  const method = "completion/complete";
  assertEquals(await paramsAt(twins(), { method, params: sent("two__p") }), sent("p"));
});

Deno.test("call_tool gives the tool it names its arguments as they came", async () => {
  const server = new FakeServer("one", { tools: toolsOf("t") });
  const router = routerOf([server], { search: "on" });
  const sent = (args: string) => `{"name":"call_tool","arguments":${args},"_meta":{"m":1.0}}`;
  const got = (args: string) => `{"name":"t","arguments":${args},"_meta":{"m":1.0}}`;
  const cases = [
    [`{"name":"t","arguments":${VALUE}}`, VALUE],
    [`{"arguments":${VALUE},"name":"\\u0074","more":1}`, VALUE],
    // Some models send the object as a JSON string.
    [`{"name":"t","arguments":${JSON.stringify(VALUE)}}`, VALUE],
    ['{"name":"t","arguments":"{\\n\\"a\\":1.0}"}', '{ "a":1.0}'],
    ['{"name":"t","arguments":null}', "{}"],
    ['{"name":"t"}', "{}"],
  ];
  for (const [args, expected] of cases) {
    const params = sent(args!);
    assertEquals(await paramsAt([server], { method: "tools/call", params, router }), got(expected!));
  }
});

Deno.test("the answer of a server comes back through the merged catalog as the text it was", async () => {
  const [one, two] = twins();
  const text = `{"result":{"a":${VALUE}},"id":1,"jsonrpc":"2.0"}`;
  two!.answer = () => rawResult(readRawMessage(text, { depth: 9, members: 99 })!)!;
  const body = rawObject('{"name":"two__t"}')!;
  const result = await routerOf([one!, two!]).target(call({ body, params: body.value }));
  assertEquals(rawResult(result)!.text, text);
});

Deno.test("nobody parses what a call of the merged catalog and its answer carry", async () => {
  const [one, two] = twins();
  const long = JSON.stringify("x".repeat(10_000));
  two!.answer = () => {
    const text = `{"jsonrpc":"2.0","id":1,"result":{"content":[${long}]}}`;
    return rawResult(readRawMessage(text, { depth: 9, members: 99 })!)!;
  };
  const router = routerOf([one!, two!]);
  const { hello } = daemonHooks({ target: router.target }, { maxFrameBytes: 100_000 });
  const [channel] = hello();
  const { parse, stringify } = JSON;
  const seen: string[] = [];
  JSON.parse = (text, ...more) => (seen.push(text), parse(text, ...more));
  JSON.stringify = (value: unknown, ...more: never[]) => {
    const text = stringify(value, ...more);
    seen.push(text);
    return text;
  };
  try {
    channel.say(
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"two__t","arguments":{"a":${long}}}}`,
    );
    await settle();
  } finally {
    Object.assign(JSON, { parse, stringify });
  }
  assertEquals(channel.take().map(({ result }) => JSON.stringify(result)), [`{"content":[${long}]}`]);
  // Long strings are checked by the engine's own parser.
  assertEquals(seen.filter((text) => text.length > 1000 && text !== long), []);
});
