// The tool that signs in to a server beside the tools of the server, for windows that have not listed anew.

import { assertEquals, assertMatch } from "@std/assert";
import { Router } from "../lib/router/router.ts";
import { asked, calls, guarded, textIn, untilAsked } from "./helpers/guarded_server.ts";
import { Window } from "./helpers/instance.ts";
import { lists, namesOf, toolsResult } from "./helpers/mounted.ts";

const BY_URL = { elicitation: { url: {} } };

/** A guarded server with these tools in the merged catalog. */
function catalogOf(names: string[], config: Parameters<typeof guarded>[0] = {}) {
  const it = guarded({
    ...config,
    answer: ({ method, params }) =>
      method === "tools/list" ? toolsResult(...names) : { result: { ran: params?.name ?? method } },
  });
  const router = new Router({
    servers: () => [it.server],
    serverInfo: { name: "exai", version: "1" },
    policies: [],
    policiesFor: () => [],
    queryPoliciesFor: () => [],
    listDeadlineMs: 1000,
  });
  const shown = async (window: Window) => {
    router.invalidate();
    return namesOf((await router.target(lists(window))).result!.tools);
  };
  return { ...it, router, shown };
}

Deno.test("a window that has not listed anew is told that somebody has signed in, or signs in", async () => {
  const it = catalogOf(["probe"]);
  const [ada, bob] = [new Window("ada", BY_URL), new Window("bob", BY_URL)];
  for (const window of [ada, bob]) assertEquals(await it.shown(window), ["shared__login"]);
  it.signIn();
  assertEquals(await it.shown(bob), ["probe"]);
  assertMatch(textIn(await it.router.target(calls(ada, "shared__login"))), /Done: .* has worked/);
  assertEquals(asked(ada), []);
  // As after a restart of the daemon, where no request was made yet.
  it.signOut();
  it.state.isKnown = false;
  const running = it.router.target(calls(ada, "shared__login"));
  await untilAsked(ada);
  it.signIn();
  assertMatch(textIn(await running), /has worked/);
  await it[Symbol.asyncDispose]();
});

Deno.test("a server's own tool is called by its name once somebody has signed in, also where that is the name of the one that signs in", async () => {
  const isPrefixed = { tools: { exclude: [], rename: {}, prefix: "", isPrefixed: true } };
  for (
    const [own, config] of [["login", {}], ["login", isPrefixed], ["shared__login", {}]] as const
  ) {
    const it = catalogOf([own], { config });
    const ada = new Window("ada", BY_URL);
    const name = config === isPrefixed ? "shared__login" : own;
    for (let i = 0; i < 2; i++) {
      assertEquals(await it.shown(ada), ["shared__login"]);
      it.signIn();
      assertEquals(await it.shown(ada), [name]);
      assertEquals((await it.router.target(calls(ada, name))).result, { ran: own });
      it.signOut();
    }
    await it[Symbol.asyncDispose]();
  }
});

Deno.test("a window that was told of lists before anybody had signed in is given none where the server has none", async () => {
  const missing = { code: -32601, message: "Method not found" };
  await using it = guarded({
    answer: ({ method }) => method === "prompts/list" ? { error: missing } : toolsResult("probe"),
  });
  const ada = new Window("ada");
  const { capabilities } = await it.server.describe(ada.caller, new AbortController().signal);
  assertEquals("prompts" in capabilities, true);
  it.signIn();
  const listed = await it.server.target(ada.call({ method: "prompts/list", params: {} }));
  assertEquals(listed.result, { prompts: [] });
});
