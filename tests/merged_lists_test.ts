import { assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { Call } from "../lib/call/call.ts";
import type { ListKind, Server } from "../lib/call/server.ts";
import { Catalog, type CatalogOptions } from "../lib/router/catalog.ts";
import { shownAs } from "../lib/router/entries.ts";
import { call } from "./helpers/call.ts";
import { delay } from "@std/async/delay";
import { until } from "./helpers/until.ts";
import { callerOf, FakeServer, NEVER_MS, toolsOf } from "./helpers/fake_server.ts";

const callOf = (id: string): Call => call({ method: "tools/list", params: {}, caller: callerOf({ id }) });

const namesIn = (entries: ReadonlyMap<string, unknown>) => [...entries.keys()];

/** A catalog of `servers` that waits for their lists, and a call of one window. */
function catalogOf(servers: readonly Server[], options: Partial<CatalogOptions> = {}) {
  const catalog = new Catalog({ servers: () => servers, deadlineMs: NEVER_MS, ...options });
  return { catalog, call: callOf("ada") };
}

Deno.test("an entry is shown as it is, but under the name the catalog has for it", () => {
  const named = { name: "t", description: "d" };
  assertEquals(shownAs("a__t", { own: named }), { name: "a__t", description: "d" });
  const same = [named, { description: "no name" }, { name: "n", uri: "a:1" }, {
    name: "n",
    uriTemplate: "a:{n}",
  }];
  for (const own of same) assertEquals(shownAs(own === named ? "t" : "other", { own }) === own, true);
});

Deno.test("what has no text for a key is not listed; of one URI the first server's is", async () => {
  const [a, b] = [
    new FakeServer("a", {
      tools: [{ name: 3 }, { title: "none" }, ...toolsOf("t")],
      resources: [{ uri: "x:1", name: "of a" }, { uri: 4, name: "odd" }],
      templates: [{ uriTemplate: "x:{n}", name: "of a" }],
    }),
    new FakeServer("b", {
      resources: [{ uri: "x:1", name: "of b" }, { uri: "x:2", name: "two" }],
      templates: [{ uriTemplate: "x:{n}", name: "of b" }],
    }),
  ];
  const { catalog, call } = catalogOf([a, b]);
  assertEquals(namesIn(await catalog.list("tools", call)), ["t"]);
  const shown = async (kind: ListKind) =>
    [...await catalog.list(kind, call)].map(([key, { server, own }]) => [key, server.name, own.name]);
  assertEquals(await shown("resources"), [["x:1", "a", "of a"], ["x:2", "b", "two"]]);
  assertEquals(await shown("templates"), [["x:{n}", "a", "of a"]]);
  const offering = await catalog.offering("resources", (key) => key !== "x:2", call);
  assertEquals(offering.map(({ name }) => name), ["a", "b"], "each server once");
  assertEquals(await catalog.offering("resources", (key) => key === "x:2", call), [b]);
});

Deno.test("output schemas are hidden of servers whose results may be others, and nothing else of their tools", async () => {
  const tool = { ...toolsOf("t")[0]!, outputSchema: { type: "object" } };
  const servers = ["open", "shut"].map((name) => new FakeServer(name, { tools: [{ ...tool, name }] }));
  const shown = async (options: Partial<CatalogOptions>) => {
    const { catalog, call } = catalogOf(servers, options);
    return [...(await catalog.list("tools", call)).values()].map(({ own, server }) => [server.name, own]);
  };
  const whole = (name: string) => ({ ...tool, name });
  assertEquals(await shown({ hidesOutputSchemas: ({ name }) => name === "shut" }), [
    ["open", whole("open")],
    ["shut", { ...toolsOf("shut")[0]! }],
  ]);
  assertEquals(await shown({}), [["open", whole("open")], ["shut", whole("shut")]]);
});

Deno.test("what a window was shown is taken until something changes, for each kind and each window by itself", async () => {
  const server = new FakeServer("a", { tools: toolsOf("t"), prompts: [{ name: "p" }] });
  const asked: string[] = [];
  const list = server.list.bind(server);
  server.list = (kind, call) => (asked.push(`${kind} of ${call.caller.id}`), list(kind, call));
  const { catalog, call } = catalogOf([server]);
  const take = () => asked.splice(0);
  await catalog.current("tools", call);
  assertEquals(take(), ["tools of ada"]);
  assertEquals(namesIn(await catalog.current("tools", call)), ["t"]);
  const found = catalog.find("tools", "t", call);
  assertEquals([found instanceof Promise, take()], [false, []], "what is known is there at once");
  await catalog.find("prompts", "p", call);
  await catalog.find("tools", "t", callOf("bob"));
  assertEquals(take(), ["prompts of ada", "tools of bob"]);
  assertEquals(catalog.find("prompts", "p", call) instanceof Promise, false);
  assertEquals(catalog.find("tools", "t", call) instanceof Promise, false, "kept beside the prompts");
  catalog.invalidate();
  assertEquals((await catalog.find("tools", "t", call))?.server, server);
  assertEquals(take(), ["tools of ada"]);
  // Found to be there still, it need not be looked for again; what else was shown must.
  assertEquals(catalog.find("tools", "t", call) instanceof Promise, false);
  server.lists.tools = toolsOf("t", "u");
  assertEquals((await catalog.find("tools", "u", call))?.own.name, "u");
  assertEquals(take(), ["tools of ada"]);
  catalog.invalidate();
  server.lists.tools = [{ name: "t", title: "anew" }, ...toolsOf("u")];
  assertEquals((await catalog.find("tools", "u", call))?.own.name, "u");
  take();
  assertEquals((await catalog.find("tools", "t", call))?.own.title, "anew");
  assertEquals(take(), ["tools of ada"]);
  assertEquals((await catalog.find("tools", "t", call))?.own.title, "anew");
  assertEquals((await catalog.find("tools", "u", call))?.own.name, "u");
  assertEquals(take(), []);
  catalog.invalidate();
  await catalog.find("tools", "u", call);
  assertEquals(take(), ["tools of ada"]);
  server.lists.tools = toolsOf("unannounced");
  assertEquals(
    (await catalog.find("tools", "unannounced", call))?.server,
    server,
    "nor is what is not known",
  );
  catalog.forget(call.caller);
  assertEquals(catalog.find("tools", "t", call) instanceof Promise, true);
});

Deno.test("a change that comes while servers are asked makes their answer out of date", async () => {
  const server = new FakeServer("a");
  const held = Promise.withResolvers<readonly JsonObject[]>();
  server.list = () => held.promise;
  const { catalog, call } = catalogOf([server]);
  const listing = catalog.list("tools", call);
  await Promise.resolve();
  catalog.invalidate();
  held.resolve(toolsOf("a"));
  await listing;
  assertEquals(catalog.find("tools", "a", call) instanceof Promise, true);
});

Deno.test("servers are asked beyond the call that wants their lists, and tell no progress of it", async () => {
  const server = new FakeServer("a");
  const controller = new AbortController();
  let seen: Call | undefined;
  server.list = (_kind, call) => {
    seen = call;
    return new Promise(() => {});
  };
  const { catalog, call } = catalogOf([server]);
  const own = { ...call, signal: controller.signal, progressToken: 3 };
  const listing = catalog.list("tools", own);
  await Promise.resolve();
  controller.abort(new ExaiError("CANCELLED", "no more"));
  assertEquals((await assertRejects(() => listing, ExaiError)).message, "no more");
  assertEquals([seen?.signal.aborted, seen?.progressToken], [false, undefined]);
});

Deno.test("a list that was late is not waited for again until it has come, and is told of by its own name", async () => {
  for (const [kind, word] of [["tools", "tools"], ["templates", "resources"]] as const) {
    const server = new FakeServer("slow");
    const held = Promise.withResolvers<readonly JsonObject[]>();
    let asked = 0;
    server.list = () => (asked++, held.promise);
    let deadlineMs = 1;
    const catalog = new Catalog({
      servers: () => [server],
      get deadlineMs() {
        return deadlineMs;
      },
    });
    const told: string[] = [];
    const call = callOf("ada");
    const caller = { ...call.caller, notify: (method: string) => void told.push(method) };
    const own = { ...call, caller };
    assertEquals(namesIn(await catalog.list(kind, own)), []);
    deadlineMs = NEVER_MS;
    assertEquals(namesIn(await catalog.list(kind, own)), [], "nobody waits for it again");
    assertEquals(asked, 2);
    const key = kind === "tools" ? "name" : "uriTemplate";
    held.resolve([{ [key]: "x" }]);
    await until("it is told", () => told.length > 0 || undefined);
    assertEquals(told, [`notifications/${word}/list_changed`], "once, however often it was wanted");
    assertEquals(namesIn(await catalog.current(kind, own)), ["x"], "what was shown before is out of date");
    const slow = Promise.withResolvers<readonly JsonObject[]>();
    server.list = () => slow.promise;
    const again = catalog.list(kind, own);
    setTimeout(() => slow.resolve([{ [key]: "y" }]), 5);
    assertEquals(namesIn(await again), ["y"], "from then on it is waited for as ever");
    const later = Promise.withResolvers<readonly JsonObject[]>();
    server.list = () => later.promise;
    deadlineMs = 1;
    await catalog.list(kind, own);
    later.resolve([{ [key]: "z" }]);
    await until("it is told again", () => told.length > 1 || undefined);
    const none = Promise.withResolvers<readonly JsonObject[]>();
    server.list = () => none.promise;
    await catalog.list(kind, own);
    none.resolve([]);
    await delay(100);
    assertEquals(told.length, 2, "of a list without entries nothing was missed");
  }
});

Deno.test("a name nobody knows starts no server whose list is known, unless it is named", async () => {
  const asked: string[] = [];
  const servers = ["a", "b"].map((name) => {
    const server = new FakeServer(name, { tools: toolsOf(`${name}_tool`) });
    server.refresh = (_kind, _call, { isNamed }) => {
      asked.push(`${name} ${isNamed}`);
      return Promise.resolve(false);
    };
    return server;
  });
  const { catalog, call } = catalogOf(servers);
  await catalog.search("tools", "misspelt", call);
  await catalog.search("tools", "b__misspelt", call);
  assertEquals(asked, ["a false", "b false", "b true"]);
});

Deno.test("a name is found as soon as its server has answered, although another hangs", async () => {
  const [slow, hangs] = [new FakeServer("slow"), new FakeServer("hangs")];
  hangs.list = () => new Promise(() => {});
  hangs.refresh = () => new Promise(() => {});
  const held = Promise.withResolvers<readonly JsonObject[]>();
  slow.list = () => held.promise;
  const catalog = new Catalog({ servers: () => [slow, hangs], deadlineMs: 1, answerMs: NEVER_MS });
  const searching = catalog.search("tools", "t", callOf("ada"));
  setTimeout(() => {
    slow.list = () => Promise.resolve(toolsOf("t"));
    held.resolve(toolsOf("t"));
  }, 10);
  assertEquals((await searching).entry?.server, slow);
});

Deno.test("of a late server only the list that was late is not waited for", async () => {
  const server = new FakeServer("slow", { prompts: [{ name: "p" }] });
  let deadlineMs = 1;
  const catalog = new Catalog({
    servers: () => [server],
    get deadlineMs() {
      return deadlineMs;
    },
  });
  const call = callOf("ada");
  const list = server.list.bind(server);
  server.list = () => new Promise(() => {});
  for (const kind of ["tools", "resources"] as const) {
    assertEquals(namesIn(await catalog.list(kind, call)), []);
  }
  deadlineMs = NEVER_MS;
  server.list = async (kind, call) => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return await list(kind, call);
  };
  assertEquals(namesIn(await catalog.list("prompts", call)), ["p"]);
  server.list = () => new Promise(() => {});
  for (const kind of ["tools", "resources"] as const) {
    assertEquals(namesIn(await catalog.list(kind, call)), [], "of both nobody waits for the deadline again");
  }
});

Deno.test("a name nobody has shown is looked for once more at servers that do not announce what changes", async () => {
  const [quiet, other] = [new FakeServer("quiet", { tools: toolsOf("t") }), new FakeServer("other")];
  const { catalog, call } = catalogOf([other, quiet]);
  await catalog.list("tools", call);
  const asked: string[] = [];
  let isNew = false;
  quiet.refresh = (kind, { progressToken }) => {
    asked.push(`${kind} ${progressToken}`);
    if (isNew) quiet.lists.tools = toolsOf("new");
    return Promise.resolve(isNew);
  };
  let lists = 0;
  const list = quiet.list.bind(quiet);
  quiet.list = (kind, call) => (lists++, list(kind, call));
  const none = await catalog.search("tools", "new", { ...call, progressToken: 1 });
  assertEquals([none.entry, none.missing], [undefined, []]);
  assertEquals(lists, 0, "the lists are not asked for where nothing is new");
  isNew = true;
  const { entry, missing } = await catalog.search("tools", "new", call);
  assertEquals([entry?.server, missing], [quiet, []]);
  assertEquals(asked, ["tools undefined", "tools undefined"]);
  // One that fails, or does not answer in time, holds nobody up.
  other.refresh = () => Promise.reject(new Error("ill"));
  quiet.refresh = () => new Promise(() => {});
  const hurried = new Catalog({ servers: () => [other, quiet], deadlineMs: 5 });
  assertEquals((await hurried.search("tools", "none", call)).missing, []);
  // What was announced meanwhile is seen although nobody says that it is new.
  quiet.refresh = () => {
    quiet.lists.tools = toolsOf("announced");
    catalog.invalidate();
    return Promise.resolve(false);
  };
  other.refresh = undefined;
  assertEquals((await catalog.search("tools", "announced", call)).entry?.server, quiet);
});

Deno.test("whoever gives up is not kept by servers that are asked anew", async () => {
  const server = new FakeServer("a");
  server.refresh = () => new Promise(() => {});
  const controller = new AbortController();
  const { catalog, call } = catalogOf([server]);
  const searching = catalog.search("tools", "t", { ...call, signal: controller.signal });
  controller.abort(new ExaiError("CANCELLED", "no more"));
  assertEquals((await assertRejects(() => searching, ExaiError)).message, "no more");
});

Deno.test("a name that is missing is waited for where servers are still starting, each within its limit", async () => {
  const [starting, other] = [new FakeServer("starting"), new FakeServer("other")];
  const held = Promise.withResolvers<readonly JsonObject[]>();
  starting.list = () => held.promise;
  const catalog = new Catalog({ servers: () => [starting, other], deadlineMs: 1 });
  const call = callOf("ada");
  const searching = catalog.search("tools", "t", call);
  setTimeout(() => {
    starting.list = () => Promise.resolve(toolsOf("t"));
    held.resolve(toolsOf("t"));
  }, 10);
  assertEquals((await searching).entry?.server, starting);

  const whyMissing = async (server: FakeServer, parts: Partial<Call> = {}) => {
    const catalog = new Catalog({ servers: () => [server, other], deadlineMs: 1 });
    const { missing } = await catalog.search("tools", "t", { ...call, ...parts });
    return missing.map(({ server: { name }, why }) => `${name}: ${why}`);
  };
  const silent = new FakeServer("silent");
  silent.list = () => new Promise(() => {});
  silent.startTimeoutMs = 20;
  assertEquals(await whyMissing(silent), ["silent: its list was waited for 0.02 s and has not come"]);
  silent.startTimeoutMs = undefined;
  assertEquals(await whyMissing(silent, { timeoutMs: 30 }), [
    "silent: its list was waited for 0.03 s and has not come",
  ]);
  const ill = new FakeServer("ill");
  ill.list = async () => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    throw new Error("it has crashed");
  };
  assertEquals(await whyMissing(ill), ["ill: it has crashed"]);
  const timeless = new FakeServer("timeless");
  timeless.list = async () => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    throw new DOMException("it was stopped", "AbortError");
  };
  assertEquals(await whyMissing(timeless), ["timeless: it was stopped"]);
  const empty = new FakeServer("empty");
  empty.list = async () => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    empty.list = () => new Promise(() => {});
    return [];
  };
  assertEquals(await whyMissing(empty), ["empty: its list arrived, but no longer has this name"]);
});

Deno.test("whoever gives up does not wait on for a server that is still starting", async () => {
  const server = new FakeServer("a");
  server.list = () => new Promise(() => {});
  const catalog = new Catalog({ servers: () => [server], deadlineMs: 1 });
  const controller = new AbortController();
  const call = { ...callOf("ada"), signal: controller.signal, timeoutMs: 1000 };
  const searching = catalog.search("tools", "t", call);
  setTimeout(() => controller.abort(new ExaiError("CANCELLED", "no more")), 20);
  assertEquals((await assertRejects(() => searching, ExaiError)).message, "no more");
});

Deno.test("of a name with a server's name in front only that server is waited for", async () => {
  const servers = ["a", "b"].map((name) => {
    const server = new FakeServer(name);
    server.list = () => new Promise(() => {});
    server.startTimeoutMs = name === "a" ? NEVER_MS : 20;
    return server;
  });
  const catalog = new Catalog({ servers: () => servers, deadlineMs: 1 });
  const { missing } = await catalog.search("tools", "b__t", callOf("ada"));
  assertEquals(missing.map(({ server }) => server.name), ["b"]);
});
