import { assertEquals, assertRejects } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { ask, FakeServer, routerOf } from "./helpers/fake_server.ts";

const unknown: Result = { error: { code: -32002, message: "no such resource" } };
const unknownParam: Result = { error: { code: -32602, message: "no such uri" } };
const fault = (message: string): Result => ({ error: { code: -32603, message } });
const good = (who: string): Result => ({ result: { contents: [{ uri: "x:", text: who }] } });

/** A server that lists these URIs, templates where they hold a brace, and answers so. */
function serving(name: string, uris: readonly string[], answer: Result | Error): FakeServer {
  const [templates, resources] = [true, false].map((isTemplate) =>
    uris.filter((uri) => uri.includes("{") === isTemplate)
  );
  const server = new FakeServer(name, {
    resources: resources!.map((uri) => ({ uri, name: uri })),
    templates: templates!.map((uriTemplate) => ({ uriTemplate, name: uriTemplate })),
  });
  server.answer = () => answer instanceof Error ? Promise.reject(answer) : answer;
  return server;
}

/** What comes of a request about `uri`, and the servers it was put to. */
async function tried(servers: readonly FakeServer[], uri: string, method = "resources/read") {
  const params = { uri };
  const outcome = await ask(routerOf(servers), method, params).then(
    ({ contents }) => (contents as JsonObject[])[0]!.text as string,
    (thrown: Error) => thrown instanceof ExaiError ? `${thrown.code}: ${thrown.message}` : thrown.message,
  );
  return { outcome, asked: servers.filter(({ calls }) => calls.length > 0).map(({ name }) => name) };
}

const none = 'RESOURCE_NOT_FOUND: there is no resource "x:1"; resources/list names them';

Deno.test("a listed resource is read from its server, and no other is asked whatever goes wrong there", async () => {
  const other = () => serving("other", ["x:2", "x:{n}"], good("other"));
  const read = (answer: Result | Error) => tried([other(), serving("its", ["x:1"], answer)], "x:1");
  assertEquals(await read(good("its")), { outcome: "its", asked: ["its"] });
  assertEquals(await read(fault("its disk is full")), { outcome: "its disk is full", asked: ["its"] });
  assertEquals(await read(new ExaiError("UPSTREAM_UNAVAILABLE", "it is down")), {
    outcome: "UPSTREAM_UNAVAILABLE: it is down",
    asked: ["its"],
  });
});

Deno.test("of several that list a resource or have a template for it, the first that knows it answers", async () => {
  const servers = () => [
    serving("a", ["x:1"], unknown),
    serving("b", ["x:1"], fault("ill")),
    serving("c", ["y:{n}"], good("c")),
    serving("d", ["x:{n}"], unknownParam),
    serving("e", ["x:{n}"], good("e")),
    serving("f", ["x:{n}"], good("f")),
  ];
  assertEquals(await tried(servers(), "x:1"), { outcome: "e", asked: ["a", "b", "d", "e"] });
  // The template itself is meant where a client completes for it.
  assertEquals(await tried(servers(), "x:{n}"), { outcome: "e", asked: ["d", "e"] });
  // Also where it is no valid one, so that nothing fits it.
  const odd = [serving("a", ["x:2"], good("a")), serving("b", ["x:{"], good("b"))];
  assertEquals(await tried(odd, "x:{"), { outcome: "b", asked: ["b"] });
  assertEquals(await tried(servers().slice(0, 4), "x:1"), { outcome: "ill", asked: ["a", "b", "d"] });
});

Deno.test("a resource nobody lists is looked for where others of its scheme are, then at the rest that have any", async () => {
  const rest = serving("rest", [], good("rest"));
  const blind = serving("blind", [], good("blind"));
  blind.capabilities = { tools: {} };
  const broken = serving("broken", [], good("broken"));
  broken.describe = () => Promise.reject(new Error("down"));
  const like = (answer: Result) => [blind, broken, rest, serving("like", ["X:2"], answer)];
  assertEquals(await tried(like(good("like")), "x:1"), { outcome: "like", asked: ["like"] });
  assertEquals(await tried(like(unknown), "x:1"), { outcome: "rest", asked: ["rest", "like"] });
  rest.calls.length = 0;
  const templated = [rest, serving("like", ["x:a/{n}"], good("like"))];
  assertEquals(await tried(templated, "x:1"), { outcome: "like", asked: ["like"] });
  const alike = [serving("a", ["xb:1"], good("a")), serving("b", ["xa:2"], good("b"))];
  assertEquals(await tried(alike, "xa:1"), { outcome: "b", asked: ["b"] });
  const foreign = [serving("foreign", ["y:x:1"], good("foreign")), serving("like", ["x:2"], good("like"))];
  assertEquals(await tried(foreign, "x:1"), { outcome: "like", asked: ["like"] });
});

Deno.test("what a server says that was only guessed at counts only where it is the one that has resources", async () => {
  const odd = () => serving("odd", [], fault("odd"));
  assertEquals(await tried([odd()], "x:1"), { outcome: "odd", asked: ["odd"] });
  assertEquals(await tried([odd(), serving("other", [], unknown)], "x:1"), {
    outcome: none,
    asked: ["odd", "other"],
  });
  assertEquals(await tried([odd(), serving("like", ["x:2"], unknown)], "x:1"), {
    outcome: "no such resource",
    asked: ["odd", "like"],
  });
  assertEquals(await tried([odd(), serving("like", ["x:2"], fault("ill"))], "x:1"), {
    outcome: "ill",
    asked: ["odd", "like"],
  });
  const throwing = (answer: Result) => [serving("odd", [], new Error("odd")), serving("b", [], answer)];
  assertEquals(await tried(throwing(unknown), "x:1"), { outcome: none, asked: ["odd", "b"] });
  assertEquals((await tried(throwing(good("b")), "x:1")).outcome, "b");
  const alone = await tried([serving("odd", [], new ExaiError("INVALID_PARAMS", "no such"))], "x:1");
  assertEquals(alone, { outcome: "no such", asked: ["odd"] });
  assertEquals(await tried([], "x:1"), { outcome: none, asked: [] });
});

Deno.test("of two faults the first is told, and a thrown one as it was thrown", async () => {
  const thrown = new ExaiError("UPSTREAM_UNAVAILABLE", "down", { retryAfterMs: 5 });
  const two = (first: Result | Error, second: Result | Error) => [
    serving("a", ["x:{n}"], first),
    serving("b", ["x:{n}"], second),
  ];
  const down = { outcome: "UPSTREAM_UNAVAILABLE: down", asked: ["a", "b"] };
  assertEquals(await tried(two(fault("ill"), fault("late")), "x:1"), { outcome: "ill", asked: ["a", "b"] });
  assertEquals(await tried(two(thrown, fault("late")), "x:1"), down);
  assertEquals(await tried(two(fault("ill"), thrown), "x:1"), { outcome: "ill", asked: ["a", "b"] });
  assertEquals(await tried(two(unknown, thrown), "x:1"), down);
  assertEquals(await tried(two(unknown, unknownParam), "x:1"), {
    outcome: "no such resource",
    asked: ["a", "b"],
  });
  const router = routerOf(two(thrown, fault("late")));
  assertEquals(await assertRejects(() => ask(router, "resources/read", { uri: "x:1" })), thrown);
});

Deno.test("a resource that is nowhere is named in the refusal", async () => {
  const error = await assertRejects(() => ask(routerOf([]), "resources/read", { uri: "x:1" }), ExaiError);
  assertEquals(error.details, { uri: "x:1" });
});

Deno.test("what is of one server's own scheme is asked of nobody else, whoever lists it", async () => {
  for (const uri of ["exai://threads/1", "EXAI://threads/1"]) {
    const own = Object.assign(serving("exai", [], unknown), { ownScheme: "exai:" });
    const servers = [serving("other", [uri, "exai://{+rest}"], good("other")), own];
    for (const method of ["resources/read", "resources/subscribe"]) {
      const { outcome, asked } = await tried(servers, uri, method);
      assertEquals([outcome, asked], ["no such resource", ["exai"]]);
    }
  }
});

Deno.test("a subscription is left with each server it may mean, and not with those that are only guessed at", async () => {
  for (const method of ["resources/subscribe", "resources/unsubscribe"]) {
    const fitting = () => [
      serving("a", ["x:{n}"], good("a")),
      serving("b", ["x:{n}"], unknown),
      serving("c", ["x:{n}"], good("c")),
    ];
    assertEquals(await tried(fitting(), "x:1", method), { outcome: "a", asked: ["a", "b", "c"] });
    const like2 = [serving("a", ["x:{n}"], good("a")), serving("b", ["x:2"], good("b"))];
    assertEquals(await tried(like2, "x:1", method), { outcome: "a", asked: ["a"] });
    const rest = () => serving("rest", [], good("rest"));
    const like = (answer: Result) => [rest(), serving("l", ["x:2"], answer), serving("m", ["x:3"], answer)];
    assertEquals(await tried(like(good("l")), "x:1", method), { outcome: "l", asked: ["l", "m"] });
    assertEquals(await tried(like(unknown), "x:1", method), {
      outcome: "no such resource",
      asked: ["l", "m"],
    });
    assertEquals(await tried([rest()], "x:1", method), { outcome: "rest", asked: ["rest"] });
  }
});

Deno.test("a server is asked once for one request, and nobody more once the caller has given up", async () => {
  const twice = serving("a", ["x:1", "x:{n}"], unknown);
  await tried([twice], "x:1");
  assertEquals(twice.takeMethods(), ["resources/read"]);
  const controller = new AbortController();
  const [first, second] = [serving("a", ["x:{n}"], unknown), serving("b", ["x:{n}"], good("b"))];
  first.answer = () => {
    controller.abort();
    return Promise.reject(new ExaiError("CANCELLED", "given up"));
  };
  const read = ask(routerOf([first, second]), "resources/read", { uri: "x:1" }, {
    signal: controller.signal,
  });
  assertEquals((await assertRejects(() => read, ExaiError)).code, "CANCELLED");
  assertEquals(second.calls, []);
});

Deno.test("a template that is none fits nothing, and one bad server does not hide the resource of another", async () => {
  const servers = [serving("a", ["x:{"], good("a")), serving("b", ["x:{n}"], good("b"))];
  assertEquals(await tried(servers, "x:1"), { outcome: "b", asked: ["b"] });
});

Deno.test("a server that does not say in time whether it has resources is not asked for one", async () => {
  const slow = serving("slow", [], good("slow"));
  slow.describe = () => new Promise(() => {});
  const router = routerOf([slow, serving("quick", [], good("quick"))], { listDeadlineMs: 20 });
  const { contents } = await ask(router, "resources/read", { uri: "x:1" });
  assertEquals((contents as JsonObject[])[0]!.text, "quick");
  assertEquals(slow.calls, []);
});
