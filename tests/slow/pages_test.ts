import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import type { JsonObject } from "../../lib/base/json.ts";
import { allPages } from "../../lib/call/pages.ts";
import type { Result } from "../../lib/wire/rpc.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { scripted, toolsPage } from "../helpers/scripted.ts";
import { sdkClient, textOf } from "../helpers/sdk_client.ts";

const LIST = { method: "things/list", field: "things" };

/** Asks for pages that `page` makes, and counts them. */
function asking(page: (n: number, params: JsonObject) => JsonObject) {
  const asked: JsonObject[] = [];
  const ask = (params: JsonObject): Promise<Result> => {
    asked.push(params);
    return Promise.resolve({ result: page(asked.length, params) });
  };
  return { ask, asked };
}

Deno.test("a list is read to its last page, the empty cursor among them", async () => {
  const cursors = ["a", "", "b", undefined];
  const { ask, asked } = asking((n) => ({ things: [{ n }], nextCursor: cursors[n - 1] }));
  const { entries, fault } = await allPages(ask, LIST);
  assertEquals(entries, [{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
  assertEquals([asked, fault], [[{}, { cursor: "a" }, { cursor: "" }, { cursor: "b" }], undefined]);
});

Deno.test("a list whose pages go round ends where a cursor comes again, whichever it is", async () => {
  const { ask, asked } = asking((n) => ({ things: [{ n }], nextCursor: ["a", "b", "c"][(n - 1) % 3] }));
  const { entries, fault } = await allPages(ask, LIST);
  assertEquals([entries.length, asked.length], [4, 4]);
  assertStringIncludes(fault!, "same cursor twice");
});

Deno.test("a list without end is cut by pages, entries, size and time, and what came is kept", async () => {
  const endless = () => asking((n) => ({ things: [{ n }, { n }], nextCursor: `c${n}` }));
  const pages = await allPages(endless().ask, LIST, { maxPages: 5 });
  assertEquals([pages.entries.length, pages.fault?.includes("5 pages")], [10, true]);
  const entries = await allPages(endless().ask, LIST, { maxEntries: 5 });
  assertEquals([entries.entries.length, entries.fault?.includes("5 entries")], [5, true]);
  const chars = await allPages(endless().ask, LIST, { maxChars: 200 });
  assert(chars.entries.length < 40 && chars.fault !== undefined, chars.fault);
  const slow = asking((n) => ({ things: [{ n }], nextCursor: `c${n}` }));
  const hanging = (params: JsonObject) =>
    slow.asked.length > 2 ? new Promise<Result>(() => {}) : slow.ask(params);
  const late = await allPages(hanging, LIST, { timeoutMs: 50 });
  assertEquals([late.entries.length, late.fault?.includes("took longer")], [3, true]);
});

Deno.test("a cursor that is no text, a page that is no list and a refused page end a list", async () => {
  const odd = await allPages(asking(() => ({ things: [{}], nextCursor: 5 })).ask, LIST);
  assertEquals([odd.entries.length, odd.fault?.includes("nextCursor is no text")], [1, true]);
  const none = await allPages(asking(() => ({ things: "none" })).ask, LIST);
  assertEquals([none.entries.length, none.fault?.includes("things is no array")], [0, true]);
  const refusing = (params: JsonObject): Promise<Result> =>
    Promise.resolve(
      params.cursor
        ? { error: { code: -32602, message: "no such cursor" } }
        : { result: { things: [{}], nextCursor: "x" } },
    );
  const refused = await allPages(refusing, LIST);
  assertEquals([refused.entries.length, refused.fault?.includes("no such cursor")], [1, true]);
  const error = { code: -1, message: "not today" };
  await assertRejects(() => allPages(() => Promise.resolve({ error }), LIST), Error, "not today");
});

Deno.test("a null cursor is the end of a list", async () => {
  const { ask, asked } = asking(() => ({ things: [{}], nextCursor: null }));
  assertEquals([(await allPages(ask, LIST)).fault, asked.length], [undefined, 1]);
});

Deno.test("servers whose lists never end are listed as far as they go, and named in ps; the others whole", async () => {
  await using it = await mountingDaemon({
    endless: scripted({
      "tools/list": { tools: [{ name: "e$n", inputSchema: { type: "object" } }], nextCursor: "c$n" },
    }),
    empty: scripted({ "tools/list": toolsPage(["a", "b"], { nextCursor: "" }) }),
    well: scripted({ "tools/list": toolsPage(["neighbour"]) }),
  });
  await using client = await sdkClient(it.url);
  const names = (await client.listTools()).tools.map(({ name }) => name);
  for (const name of ["e1", "e2", "a", "b", "neighbour"]) assert(names.includes(name), names.join());
  assertEquals(names.filter((name) => /^(a|b)$|__[ab]/.test(name)), ["a", "b"]);
  const faults = new Map(
    (await it.status()).map(({ server, list_faults }) => [server, String(list_faults ?? "")]),
  );
  assertStringIncludes(faults.get("endless")!, "more than 500 pages");
  assertStringIncludes(faults.get("empty")!, "same cursor twice");
  assertEquals(faults.get("well"), "");
  const { asked } = JSON.parse(textOf(await client.callTool({ name: "a" })));
  assertEquals(asked["tools/list"], 2);
});

Deno.test("a list of tasks that never ends is cut", async () => {
  const status = {
    status: "working",
    ttl: null,
    createdAt: "2026-01-01T00:00:00Z",
    lastUpdatedAt: "2026-01-01T00:00:00Z",
  };
  await using it = await mountingDaemon({
    tasks: scripted({
      initialize: {
        capabilities: { tools: {}, tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } },
      },
      "tools/list": toolsPage(["slow"]),
      "tools/call": { task: { taskId: "t$n", ...status } },
      "tasks/list": { tasks: [{ taskId: "t$n", ...status }, { taskId: "bad" }, null], nextCursor: "c$n" },
    }),
  });
  const socket = new WebSocket(it.url, ["mcp"]);
  await new Promise((resolve) => socket.onopen = resolve);
  const ask = (id: number, method: string, params: JsonObject = {}) => {
    const answer = Promise.withResolvers<JsonObject>();
    socket.onmessage = ({ data }) => JSON.parse(data).id === id && answer.resolve(JSON.parse(data));
    socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    return answer.promise;
  };
  await ask(1, "tools/list");
  for (let id = 2; id < 14; id++) await ask(id, "tools/call", { name: "slow", task: { ttl: 60_000 } });
  const { result } = await ask(14, "tasks/list");
  const tasks = (result as JsonObject).tasks as JsonObject[];
  assertEquals([tasks.length > 10, tasks.every((task) => String(task?.taskId).startsWith("t"))], [
    true,
    true,
  ]);
  const closed = new Promise((resolve) => socket.onclose = resolve);
  socket.close();
  await closed;
  await delay(0);
});
