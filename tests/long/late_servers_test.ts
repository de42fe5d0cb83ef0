import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { bad, mountingDaemon } from "../helpers/mounts.ts";
import { scripted, tool, toolsPage } from "../helpers/scripted.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";

Deno.test("a tool of a server that is still starting is waited for, by its own name and by the server's", async () => {
  await using it = await mountingDaemon({
    slow: scripted({ delayMs: 6500, "tools/list": toolsPage(["late_tool", "version"]) }),
    well: scripted({ "tools/list": toolsPage(["neighbour"]) }),
  });
  await using client = await sdkClient(it.url);
  const calls = ["late_tool", "slow__version"].map((name) => client.callTool({ name }));
  for (const result of await Promise.all(calls)) assertStringIncludes(textOf(result), "asked");
});

Deno.test("an unknown tool beside a server that cannot start names the server and why", async () => {
  await using it = await mountingDaemon({
    broken: scripted({ exits: true }),
    missing: { command: "no-such-program-anywhere" },
    well: scripted({ "tools/list": toolsPage(["neighbour"]) }),
  });
  await using client = await sdkClient(it.url);
  const any = await assertRejects(() => client.callTool({ name: "broken_tool" })) as Error;
  for (const text of ['"broken"', "code 3", '"missing"', "no-such-program-anywhere"]) {
    assertStringIncludes(any.message, text);
  }
  const its = await assertRejects(() => client.callTool({ name: "broken__tool" })) as Error;
  assertStringIncludes(its.message, "code 3");
  assert(!its.message.includes("missing"), its.message);
  assertStringIncludes(textOf(await client.callTool({ name: "neighbour" })), "asked");
});

Deno.test("a server that does not start within its limit ends the wait for its tools with its name", async () => {
  await using it = await mountingDaemon({ hangs: bad("hangs", { startTimeoutMs: 6000 }) });
  await using client = await sdkClient(it.url);
  const error = await assertRejects(() => client.callTool({ name: "hangs_echo" })) as Error;
  assertStringIncludes(error.message, '"hangs"');
  assertStringIncludes(error.message, "6000 ms");
});

Deno.test("a caller that gives up is not kept waiting for a server that starts", async () => {
  await using it = await mountingDaemon({ hangs: bad("hangs") });
  await using client = await sdkClient(it.url);
  const abort = new AbortController();
  const call = assertRejects(() =>
    client.callTool({ name: "hangs_echo" }, undefined, { signal: abort.signal })
  );
  abort.abort("enough");
  await call;
});

Deno.test("a tool that a server has after a call, without a word, is found at once", async () => {
  await using it = await mountingDaemon({
    silent: scripted({ "tools/list": [toolsPage(["login"]), toolsPage(["login", "secret"])] }),
  });
  await using client = await sdkClient(it.url);
  assert(!(await client.listTools()).tools.some(({ name }) => name === "secret"));
  assertStringIncludes(textOf(await client.callTool({ name: "login" })), "asked");
  assertStringIncludes(textOf(await client.callTool({ name: "secret" })), "asked");
});

Deno.test("a window that has not called a shared server yet finds what it has got since", async () => {
  await using it = await mountingDaemon({
    silent: scripted({ "tools/list": [toolsPage(["login"]), toolsPage(["login", "secret"])] }),
  });
  await using one = await sdkClient(it.url);
  await one.listTools();
  await one.callTool({ name: "login" });
  await using other = await sdkClient(it.url);
  await other.listTools();
  assertStringIncludes(textOf(await other.callTool({ name: "secret" })), "asked");
});

Deno.test("names nobody has do not hammer the servers: one list at a time, and a pause between", async () => {
  await using it = await mountingDaemon({ silent: scripted({ "tools/list": toolsPage(["known"]) }) });
  await using client = await sdkClient(it.url);
  await client.listTools();
  const asked = async () =>
    JSON.parse(textOf(await client.callTool({ name: "known" }))).asked["tools/list"] as number;
  const before = await asked();
  const wrong = Array.from({ length: 40 }, (_, i) => client.callTool({ name: `misspelt_${i}` }));
  for (const result of await Promise.allSettled(wrong)) {
    assertEquals(result.status, "rejected");
  }
  assert(await asked() - before <= 3, `${await asked()} lists for 40 names`);
  const [begunAtMs, soFar] = [performance.now(), await asked()];
  for (const name of ["wrong", "wronger", "wrongest"]) {
    await assertRejects(() => client.callTool({ name }));
  }
  const seconds = (performance.now() - begunAtMs) / 1000;
  assert(await asked() - soFar <= 1 + seconds, `${await asked() - soFar} lists in ${seconds} s`);
});

Deno.test("prompts are looked for once again as tools are", async () => {
  await using it = await mountingDaemon({
    silent: scripted({
      "prompts/list": [{ prompts: [{ name: "one" }] }, { prompts: [{ name: "one" }, { name: "two" }] }],
      "prompts/get": { messages: [] },
    }),
  });
  await using client = await sdkClient(it.url);
  await client.listPrompts();
  assertEquals((await client.getPrompt({ name: "two" })).messages, []);
});

const template = (uriTemplate: string): JsonObject => ({ resourceTemplates: [{ uriTemplate, name: "t" }] });
const contents = (uri: string, text: string): JsonObject => ({ contents: [{ uri, text }] });
const failing = (code: number, message: string): JsonObject => ({ error: { code, message } });

Deno.test("of several servers with one template each is asked until one knows the resource", async () => {
  await using it = await mountingDaemon({
    a: scripted({
      "resources/templates/list": template("doc://{name}"),
      "resources/read": failing(-32002, "not mine"),
    }),
    b: scripted({
      "resources/templates/list": template("doc://{name}"),
      "resources/read": failing(-32602, "nor mine"),
    }),
    c: scripted({
      "resources/templates/list": template("doc://{name}"),
      "resources/read": contents("doc://x", "from c"),
    }),
  });
  await using client = await sdkClient(it.url);
  assertEquals(
    (await client.readResource({ uri: "doc://x" })).contents[0],
    { uri: "doc://x", text: "from c" },
  );
});

Deno.test("a server that does not know what it lists is passed over for one that does", async () => {
  await using it = await mountingDaemon({
    a: scripted({
      "resources/list": { resources: [{ uri: "doc://x", name: "x" }] },
      "resources/read": failing(-32002, "gone"),
    }),
    b: scripted({
      "resources/templates/list": template("doc://{name}"),
      "resources/read": [contents("doc://x", "from b"), failing(-32603, "away")],
    }),
  });
  await using client = await sdkClient(it.url);
  assertEquals((await client.readResource({ uri: "doc://x" })).contents.length, 1);
  const error = await assertRejects(() => client.readResource({ uri: "doc://x" })) as Error & {
    code: number;
  };
  assertEquals(error.code, -32603);
});

Deno.test("a server's own error about a resource reaches the client", async () => {
  await using it = await mountingDaemon({
    broken: scripted({
      "resources/list": { resources: [{ uri: "doc://listed", name: "x" }] },
      "resources/templates/list": template("doc://{name}"),
      "resources/read": failing(-32603, "the disk is on fire"),
    }),
    other: scripted({ "resources/read": failing(-32002, "no such thing") }),
  });
  await using client = await sdkClient(it.url);
  for (const uri of ["doc://listed", "doc://fits"]) {
    const error = await assertRejects(() => client.readResource({ uri })) as Error & { code: number };
    assertEquals(error.code, -32603);
    assertStringIncludes(error.message, "the disk is on fire");
  }
  const unknown = await assertRejects(() => client.readResource({ uri: "nowhere://x" })) as { code: number };
  assertEquals(unknown.code, -32002);
});

Deno.test("one server's own error does not hide another that knows the resource", async () => {
  await using it = await mountingDaemon({
    a: scripted({
      "resources/templates/list": template("doc://{name}"),
      "resources/read": failing(-32603, "away"),
    }),
    b: scripted({
      "resources/templates/list": template("doc://{+path}"),
      "resources/read": contents("doc://x", "from b"),
    }),
  });
  await using client = await sdkClient(it.url);
  assertEquals((await client.readResource({ uri: "doc://x" })).contents.length, 1);
});

Deno.test("a list nobody promised to announce is not kept for long", async () => {
  await using it = await mountingDaemon({
    silent: scripted({
      "tools/list": [{ tools: [tool("one")] }, { tools: [tool("one"), tool("two")] }],
    }),
    loud: scripted({
      initialize: { capabilities: { tools: { listChanged: true } } },
      "tools/list": { tools: [tool("loud")] },
    }),
  });
  await using client = await sdkClient(it.url);
  await client.listTools();
  // Only what runs can change what it lists.
  await client.callTool({ name: "one" });
  const now = performance.now.bind(performance);
  try {
    performance.now = () => now() + 31_000;
    const names = (await client.listTools()).tools.map(({ name }) => name);
    assertEquals(names.filter((name) => ["one", "two", "loud"].includes(name)).sort(), [
      "loud",
      "one",
      "two",
    ]);
  } finally {
    performance.now = now;
  }
  const { asked } = JSON.parse(textOf(await client.callTool({ name: "loud" })));
  assertEquals(asked["tools/list"], 1);
});

Deno.test("a server mounted later gets no name that is another server's name and a tool, whether that has it or not", async () => {
  const saying = (text: string, tools: string[]) =>
    scripted({ "tools/list": toolsPage(tools), "tools/call": { content: [{ type: "text", text }] } });
  for (const prefix of ["", "always"]) {
    const forge = { ...saying("forge", ["create"]), prefix };
    await using it = await mountingDaemon({ forge });
    await using client = await sdkClient(it.url);
    assertEquals(textOf(await client.callTool({ name: "forge__create" })), "forge");
    await it.remount({ a: saying("a", ["forge__create", "forge__gone", "exai__chat"]), forge });
    assertEquals(textOf(await client.callTool({ name: "a__forge__create" })), "a");
    assertEquals(textOf(await client.callTool({ name: "forge__create" })), "forge");
    await assertRejects(() => client.callTool({ name: "forge__gone" }));
    const { tools } = await client.listTools();
    const names = tools.map(({ name }) => name).filter((name) => /create|gone|__chat/.test(name));
    const own = prefix === "always" ? "forge__create" : "create";
    assertEquals(names.toSorted(), ["a__exai__chat", "a__forge__create", "a__forge__gone", own].toSorted());
  }
});
