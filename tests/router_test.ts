import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { Call, Policy } from "../lib/call/call.ts";
import type { CallTrace } from "../lib/call/trace.ts";
import { currentWait } from "../lib/call/wait.ts";
import { textResult } from "../lib/wire/mcp.ts";
import { call } from "./helpers/call.ts";
import { ask, callerOf, failure, FakeServer, routerOf, toolsOf } from "./helpers/fake_server.ts";

/** A caller that sees one server alone. */
const atDoor = (server: string) => ({ caller: callerOf({ server }) });

Deno.test("a window of all servers is told what the daemon can do, in the revision it has agreed on", async () => {
  const router = routerOf([new FakeServer("a"), new FakeServer("b")], { instructionsFor: () => "be brief" });
  const capabilities = {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    completions: {},
    logging: {},
    tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } },
  };
  const serverInfo = { name: "exai", version: "1" };
  assertEquals(await ask(router, "initialize"), {
    protocolVersion: "2025-11-25",
    capabilities,
    serverInfo,
    instructions: "be brief",
  });
  const caller = callerOf({ revision: "2025-03-26" });
  assertEquals(await ask(routerOf([]), "initialize", {}, { caller }), {
    protocolVersion: "2025-03-26",
    capabilities,
    serverInfo,
  });
  assertEquals(router.serverNames, ["a", "b"]);
});

Deno.test("through the door of one server everything is its own: what it says of itself, its lists, its methods", async () => {
  const [a, b] = [new FakeServer("a"), new FakeServer("b")];
  const asked: string[] = [];
  const noting = (what: string): Policy => (next) => (call) => {
    asked.push(`${what} ${call.method}`);
    return next(call);
  };
  const router = routerOf([a, b], {
    policies: [noting("any")],
    policiesFor: ({ name }) => [noting(`work ${name}`)],
    queryPoliciesFor: ({ name }) => [noting(`ask ${name}`)],
  });
  assertEquals(
    await ask(router, "initialize", {}, { caller: callerOf({ server: "b", revision: "2025-06-18" }) }),
    {
      protocolVersion: "2025-06-18",
      capabilities: b.capabilities,
      serverInfo: { name: "b", version: "1" },
    },
  );
  const questions = [
    "logging/setLevel",
    "tools/list",
    "prompts/list",
    "resources/templates/list",
    "tasks/list",
  ];
  const work = ["tools/call", "resources/read", "odd/method"];
  for (const method of [...questions, ...work]) {
    assertEquals(await ask(router, method, { cursor: "2" }, atDoor("b")), textResult(`b ${method}`));
  }
  assertEquals(b.calls[1]!.params, { cursor: "2" });
  assertEquals([b.takeMethods(), a.calls], [[...questions, ...work], []]);
  assertEquals(asked, [
    ...questions.map((method) => `ask b ${method}`),
    ...work.flatMap((method) => [`any ${method}`, `work b ${method}`]),
  ]);
});

Deno.test("who asks for a server that is not there is told which there are", async () => {
  const router = routerOf([new FakeServer("a"), new FakeServer("b")]);
  assertEquals(await failure(ask(router, "tools/list", {}, atDoor("c"))), [
    "INVALID_PARAMS",
    'there is no server "c"; there are: a, b',
  ]);
});

Deno.test("what stands in front of a server is asked for once, and stands there for each call", async () => {
  const made: string[] = [];
  let passed = 0;
  const counting: Policy = (next) => (call) => (passed++, next(call));
  const router = routerOf([new FakeServer("a", { tools: toolsOf("t") })], {
    policiesFor: ({ name }) => (made.push(`work ${name}`), [counting]),
    queryPoliciesFor: ({ name }) => (made.push(`ask ${name}`), [counting]),
  });
  for (let n = 0; n < 2; n++) {
    await ask(router, "tools/call", { name: "t" });
    await ask(router, "tools/list", {}, atDoor("a"));
  }
  assertEquals([made, passed], [["work a", "ask a"], 4]);
});

Deno.test("the merged lists have no pages, and each kind stands in its own field under its public names", async () => {
  const a = new FakeServer("a", {
    tools: toolsOf("both", "own"),
    prompts: [{ name: "greet" }],
    resources: [{ uri: "a:1", name: "one" }],
    templates: [{ uriTemplate: "a:{n}", name: "any" }],
  });
  const router = routerOf([a, new FakeServer("b", { tools: toolsOf("both") })]);
  const listed = async (method: string) => {
    const { ttlMs, cacheScope, ...list } = await ask(router, method);
    assert(typeof ttlMs === "number" && ttlMs > 29_000 && ttlMs <= 30_000);
    assertEquals(cacheScope, "private");
    return list;
  };
  const { tools } = await listed("tools/list");
  assertEquals((tools as JsonObject[]).map(({ name }) => name), ["a__both", "own", "b__both"]);
  assertEquals(await listed("prompts/list"), { prompts: a.lists.prompts });
  assertEquals(await listed("resources/list"), { resources: a.lists.resources });
  assertEquals(await listed("resources/templates/list"), { resourceTemplates: a.lists.templates });
  for (const method of ["tools/list", "prompts/list", "resources/list", "tasks/list"]) {
    assertEquals(await failure(ask(router, method, { cursor: "2" })), [
      "INVALID_PARAMS",
      "cursor is none of this server's",
    ]);
  }
});

Deno.test("a level for log messages reaches every server that has log messages", async () => {
  const [a, b] = [new FakeServer("a"), new FakeServer("b")];
  const told: unknown[] = [];
  a.logLevelChanged = (caller) => told.push(caller);
  const caller = callerOf();
  assertEquals(await ask(routerOf([b, a]), "logging/setLevel", { level: "error" }, { caller }), {});
  assertEquals([told, b.calls, a.calls], [[caller], [], []]);
});

Deno.test("the end of a session is told to each server, and its tasks and lists are forgotten", async () => {
  const server = new FakeServer("a", { tools: toolsOf("t") });
  const gone: string[] = [];
  server.detach = ({ id }) => gone.push(id);
  server.answer = () => ({ result: { task: { taskId: "t1" } } });
  const router = routerOf([new FakeServer("b"), server], { search: "on" });
  await ask(router, "tools/list");
  await ask(router, "tools/call", { name: "t" });
  assertEquals(await ask(router, "tasks/get", { taskId: "t1" }), { task: { taskId: "t1" } });
  const advice = async () => (await failure(ask(router, "tools/call", { name: "none" })))[1];
  assertEquals(await advice(), 'there is no tool "none"; find_tool finds tools by what they do');
  // Only what the session was shown is taken without asking the server again.
  server.list = () => Promise.resolve([]);
  assertEquals(await ask(router, "tools/call", { name: "t" }), { task: { taskId: "t1" } });
  router.detach(callerOf());
  assertEquals(gone, ["session-1"]);
  assertEquals((await failure(ask(router, "tools/call", { name: "t" })))[0], "TOOL_NOT_FOUND");
  assertEquals(await failure(ask(router, "tasks/get", { taskId: "t1" })), [
    "INVALID_PARAMS",
    'there is no task "t1" of this session',
  ]);
  assertEquals(await advice(), 'there is no tool "none"; tools/list names them all');
});

Deno.test("a method nobody has, or a name that is no text, is refused with what is wrong", async () => {
  const router = routerOf([new FakeServer("a")]);
  assertEquals(await failure(ask(router, "odd/method")), [
    "METHOD_NOT_FOUND",
    "this server has no method odd/method",
  ]);
  for (const method of ["tools/call", "prompts/get"]) {
    assertEquals(await failure(ask(router, method, { name: 3 })), ["INVALID_PARAMS", "name must be a text"]);
  }
  assertEquals(await failure(ask(router, "completion/complete", { ref: "p" })), [
    "INVALID_PARAMS",
    "ref.name must be a text",
  ]);
  assertEquals(await failure(ask(router, "prompts/get", { name: "p" })), [
    "INVALID_PARAMS",
    'there is no prompt "p"; prompts/list names them all',
  ]);
  assertEquals(await failure(ask(router, "tools/call", { name: "t" })), [
    "TOOL_NOT_FOUND",
    'there is no tool "t"; tools/list names them all',
  ]);
  assertEquals(
    (await failure(ask(router, "resources/read", { uri: 1 })))[1],
    "uri must be a text",
  );
});

Deno.test("a server is called by its own name for a thing, and completes for its own prompt", async () => {
  const [a, b] = ["a", "b"].map((name) =>
    new FakeServer(name, { tools: toolsOf("t"), prompts: [{ name: "p" }] })
  ) as [FakeServer, FakeServer];
  const router = routerOf([a, b]);
  await ask(router, "tools/call", { name: "b__t", arguments: { n: 1 } });
  await ask(router, "prompts/get", { name: "a__p", arguments: { n: 2 } });
  await ask(router, "prompts/list");
  b.refresh = a.refresh = () => Promise.reject(new Error("what is known is not looked for"));
  const argument = { name: "x", value: "y" };
  await ask(router, "completion/complete", {
    ref: { type: "ref/prompt", name: "a__p", title: "P" },
    argument,
  });
  assertEquals(b.calls.map(({ params }) => params), [{ name: "t", arguments: { n: 1 } }]);
  assertEquals(a.calls.map(({ params }) => params), [
    { name: "p", arguments: { n: 2 } },
    { ref: { type: "ref/prompt", name: "p", title: "P" }, argument },
  ]);
  b.refresh = a.refresh = undefined;
  assertEquals(
    (await failure(ask(router, "completion/complete", { ref: { type: "ref/prompt", name: "q" } })))[1],
    'there is no prompt "q"; prompts/list names them all',
  );
});

Deno.test("a completion about a resource goes to the server that has it", async () => {
  const server = new FakeServer("a", { templates: [{ uriTemplate: "a:{n}", name: "any" }] });
  const router = routerOf([new FakeServer("b"), server]);
  const params = { ref: { type: "ref/resource", uri: "a:{n}" }, argument: { name: "n", value: "1" } };
  assertEquals(await ask(router, "completion/complete", params), textResult("a completion/complete"));
  assertEquals(server.calls[0]!.params, params);
  assertEquals(await failure(ask(router, "completion/complete", { ref: { type: "ref/resource" } })), [
    "INVALID_PARAMS",
    "uri must be a text",
  ]);
});

Deno.test("only what must not be done twice is kept in mind", async () => {
  const tool = (name: string, annotations: JsonObject) => ({ ...toolsOf(name)[0]!, annotations });
  const server = new FakeServer("a", {
    tools: [tool("reads", { readOnlyHint: true }), tool("writes", { readOnlyHint: false })],
  });
  let begun = 0;
  server.answer = (call) => (call.begin?.(), { result: {} });
  const router = routerOf([server]);
  const begin = () => begun++;
  await ask(router, "tools/call", { name: "reads" }, { begin });
  assertEquals(begun, 0);
  await ask(router, "tools/call", { name: "writes" }, { begin });
  assertEquals(begun, 1);
  // Where nobody asks about it afterwards it goes on as it came.
  const quiet: Call = call({ params: { name: "reads" } });
  await router.target(quiet);
  assertEquals(server.calls.at(-1), quiet);
});

Deno.test("a call that waits for the lists of servers is shown to do so", async () => {
  const server = new FakeServer("a");
  const held = Promise.withResolvers<readonly JsonObject[]>();
  server.list = () => held.promise;
  const trace: CallTrace = {};
  const asked = ask(routerOf([server]), "tools/call", { name: "t" }, { trace });
  await Promise.resolve();
  assertEquals(currentWait(trace)?.what(), 'server "a" to list its tools');
  server.refresh = async () => {
    await Promise.resolve();
    assertEquals(currentWait(trace)?.what(), "the servers' lists", "also when it is looked for once again");
    server.list = () => Promise.resolve(toolsOf("t"));
    return true;
  };
  held.resolve([]);
  assertEquals(await asked, textResult("a tools/call"));
  assertEquals(currentWait(trace), undefined);
});

Deno.test("who misses a tool is told which servers could not be asked for theirs, and why", async () => {
  const servers = Array.from({ length: 7 }, (_, n) => {
    const server = new FakeServer(`s${n}`);
    const ill = new ExaiError("UPSTREAM_UNAVAILABLE", 'server "s0" is ill', { details: { server: "s0" } });
    server.list = () => Promise.reject(n === 0 ? ill : new Error(`fault ${n}`));
    return server;
  });
  const prefix = "no server that answers has the";
  const reasons = 'server "s0" is ill; server "s1": fault 1; server "s2": fault 2; server "s3": fault 3; ' +
    'server "s4": fault 4';
  assertEquals(await failure(ask(routerOf(servers), "tools/call", { name: "t" })), [
    "TOOL_NOT_FOUND",
    `${prefix} tool "t", and these could not be asked for theirs: ${reasons}; and 2 more servers`,
  ]);
  assertEquals(await failure(ask(routerOf(servers.slice(0, 5)), "prompts/get", { name: "p" })), [
    "INVALID_PARAMS",
    `${prefix} prompt "p", and these could not be asked for theirs: ${reasons}`,
  ]);
  // A name with a server's name in front of it is meant of that server.
  const [, message] = await failure(ask(routerOf(servers), "tools/call", { name: "s3__t" }));
  assertStringIncludes(message, 'theirs: server "s3": fault 3');
  assertEquals(message.includes("s1"), false);
});

Deno.test("a task is led to the server that runs it, and a session sees its own on every server", async () => {
  const [a, b] = ["a", "b"].map((name) => new FakeServer(name, { tools: toolsOf(`t_${name}`) })) as [
    FakeServer,
    FakeServer,
  ];
  const times = { createdAt: "2026-01-01T00:00:00Z", lastUpdatedAt: "2026-01-01T00:00:00Z", ttl: null };
  for (const server of [a, b]) {
    server.answer = ({ method }) => {
      const task = { taskId: `of ${server.name}`, status: "working", ...times };
      return { result: method === "tasks/list" ? { tasks: [task, { taskId: 3 }] } : { task } };
    };
  }
  const router = routerOf([a, b]);
  assertEquals(await ask(router, "tasks/list"), { tasks: [] });
  await ask(router, "tools/call", { name: "t_a" });
  await ask(router, "tools/call", { name: "t_b" });
  const listed = async () => {
    const { tasks } = await ask(router, "tasks/list", { _meta: { x: 1 } });
    return (tasks as JsonObject[]).map(({ taskId }) => taskId);
  };
  assertEquals(await listed(), ["of a", "of b"]);
  assertEquals(a.calls.at(-1)!.params, {}, "what the window says of its own request is not the server's");
  assertEquals([a.takeMethods(), b.takeMethods()], [["tools/call", "tasks/list"], [
    "tools/call",
    "tasks/list",
  ]]);
  for (const method of ["tasks/get", "tasks/result", "tasks/cancel"]) {
    await ask(router, method, { taskId: "of b" });
  }
  assertEquals(b.takeMethods(), ["tasks/get", "tasks/result", "tasks/cancel"]);
  a.answer = () => Promise.reject(new Error("ill"));
  assertEquals(await listed(), ["of b"], "one that does not answer is left out");
  const other = { caller: callerOf({ id: "other" }) };
  assertEquals(await failure(ask(router, "tasks/get", { taskId: "of b" }, other)), [
    "INVALID_PARAMS",
    'there is no task "of b" of this session',
  ]);
  assertEquals(
    (await failure(ask(router, "tasks/get", { taskId: 3 })))[1],
    "there is no task 3 of this session",
  );
});

Deno.test("a session's oldest tasks are forgotten beyond ten thousand, and an id as long as a book is not kept", async () => {
  const server = new FakeServer("a", { tools: toolsOf("t") });
  let taskId: unknown = "";
  server.answer = () => ({ result: { task: { taskId } } as JsonObject });
  const router = routerOf([server]);
  const begin = async (id: unknown) => {
    taskId = id;
    await ask(router, "tools/call", { name: "t" });
  };
  for (const [id, isKept] of [["x".repeat(1024), true], ["x".repeat(1025), false], [5, false]] as const) {
    await begin(id);
    const known = await router.target(call({ method: "tasks/get", params: { taskId: id } })).then(
      () => true,
      () => false,
    );
    assertEquals(known, isKept, String(id).slice(0, 10));
  }
  for (let n = 0; n < 10_000; n++) await begin(`t${n}`);
  assertEquals((await failure(ask(router, "tasks/get", { taskId: "x".repeat(1024) })))[0], "INVALID_PARAMS");
  await ask(router, "tasks/get", { taskId: "t0" });
});

Deno.test("once lists have changed, what was shown is not relied on", async () => {
  const server = new FakeServer("a", { tools: toolsOf("t") });
  const router = routerOf([server]);
  await ask(router, "tools/call", { name: "t" });
  server.lists.tools = [];
  await ask(router, "tools/call", { name: "t" });
  router.invalidate();
  assertEquals((await failure(ask(router, "tools/call", { name: "t" })))[0], "TOOL_NOT_FOUND");
});

Deno.test("a call whose tool is found does not wait for the lists of other servers, nor is shown to", async () => {
  const [quick, slow] = [new FakeServer("quick", { tools: toolsOf("t") }), new FakeServer("slow")];
  slow.list = () => new Promise(() => {});
  const trace: CallTrace = {};
  const waits: unknown[] = [];
  quick.answer = () => (waits.push(currentWait(trace)?.what()), { result: {} });
  await ask(routerOf([quick, slow]), "tools/call", { name: "t" }, { trace });
  assertEquals(waits, [undefined]);
});
