import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import { PendingLogin } from "../lib/auth/pending_login.ts";
import { Router, type RouterOptions } from "../lib/router/router.ts";
import { toolSetsOf } from "../lib/router/tool_set.ts";
import { describeTrouble } from "../lib/call/server_trouble.ts";
import { findEra } from "../lib/upstream/instance/link/find_era.ts";
import { mayRepeat } from "../lib/upstream/repeatable_call.ts";
import { retryDelayMs } from "../lib/upstream/session_lease.ts";
import { stateOfStopped, troubleOf } from "../lib/upstream/server_state.ts";
import { LoginServer } from "../lib/upstream/login_server.ts";

import { settled, Window } from "./helpers/instance.ts";
import { asked, calls, guarded, PAGE, textIn, untilAsked } from "./helpers/guarded_server.ts";
import { lists, namesOf } from "./helpers/mounted.ts";

const BY_URL = { elicitation: { url: {} } };

Deno.test("a server that needs a login shows one tool in place of its lists, and its own once somebody has signed in", async () => {
  await using it = guarded();
  const ada = new Window("ada");
  for (let i = 0; i < 2; i++) {
    const tools = await it.server.list("tools", lists(ada));
    assertEquals(namesOf(tools), ["shared__login"]);
    assertEquals(tools[0]!.title, "Sign in to shared");
  }
  assertEquals(await it.server.list("prompts", lists(ada)), []);
  const alone = await it.server.target(lists(ada));
  assertEquals(namesOf(alone.result!.tools), ["shared__login"]);
  assertEquals(it.server.toolNaming!.rename, { shared__login: "shared__login" });
  assertEquals(it.mount.starts(), 1, "what is known is not asked again");
  it.signIn();
  assertEquals(namesOf(await it.server.list("tools", lists(ada))), ["probe", "b"]);
  assertEquals(it.server.toolNaming!.rename, {});
});

Deno.test("a window whose client can is asked to open the page, and its call goes on when somebody has signed in", async () => {
  await using it = guarded();
  const ada = new Window("ada", BY_URL);
  const running = it.server.target(calls(ada));
  await untilAsked(ada);
  const { params } = asked(ada)[0]!;
  assertEquals([params.mode, params.url], ["url", PAGE]);
  assertStringIncludes(String(params.message), 'sign in to "shared"');
  assertEquals(it.mount.upstreams.length, 0);
  it.signIn();
  assertEquals((await running).result, { ran: "probe" });
  const complete = ada.heard.find(({ method }) => method === "notifications/elicitation/complete");
  assertEquals(complete!.params, { elicitationId: params.elicitationId! });
});

Deno.test("all windows that wait go on by one login, also one whose client has not answered", async () => {
  await using it = guarded();
  const windows = ["ada", "bob", "cleo"].map((id) => new Window(id, BY_URL));
  windows[2]!.answer = () => new Promise(() => {});
  const running = windows.map((window) => it.server.target(calls(window)));
  for (const window of windows) await untilAsked(window);
  assertEquals(it.pending.length, 1);
  it.signIn();
  for (const result of await Promise.all(running)) assertEquals(result.result, { ran: "probe" });
  assertEquals(windows[2]!.asked[0]!.options!.signal!.aborted, true);
});

Deno.test("a window whose client cannot is told the page and the command, and that somebody has signed in", async () => {
  await using it = guarded({ account: "my work" });
  const ada = new Window("ada", { elicitation: {} });
  const refused = await it.server.target(calls(ada));
  assertEquals(refused.result!.isError, true);
  for (
    const part of [
      "needs a login",
      PAGE,
      "exai-daemon auth login shared --account 'my work'",
      "Then call again",
    ]
  ) {
    assertStringIncludes(textIn(refused), part);
  }
  await it.server.target(calls(ada));
  assertEquals(ada.asked, []);
  it.signIn();
  await settled();
  const told = ada.heard.filter(({ method }) => method === "notifications/message");
  assertEquals(told.map(({ params }) => params!.data), ['signed in to "shared": call again']);
  assertEquals((await it.server.target(calls(ada))).result, { ran: "probe" });
  // What is no call of a tool has no result that a model would read.
  const prompts = guarded();
  const prompt = ada.call({ method: "prompts/get", params: { name: "p" } });
  const thrown = await assertRejects(() => prompts.server.target(prompt), ExaiError, PAGE);
  assertEquals(thrown.code, "LOGIN_REQUIRED");
  await prompts[Symbol.asyncDispose]();
});

Deno.test("a person who declines, and a login that fails, end the call with that", async () => {
  await using it = guarded();
  const ada = new Window("ada", BY_URL);
  ada.answer = () => Promise.resolve({ result: { action: "decline" } });
  const declined = await it.server.target(calls(ada));
  assertMatch(textIn(declined), /needs a login\nNot done: .* does not want to sign in/);
  assertStringIncludes(textIn(declined), "exai-daemon auth login shared");
  const byTool = await it.server.target(calls(ada, "shared__login"));
  assertEquals(byTool.result!.isError, true);
  assertStringIncludes(textIn(byTool), "exai-daemon auth login shared");
  const bob = new Window("bob", BY_URL);
  const failing = it.server.target(calls(bob));
  await untilAsked(bob);
  it.pending[0]!.fail(new ExaiError("UPSTREAM_UNAVAILABLE", "the authorization server lies"));
  assertMatch(textIn(await failing), /Nobody has signed in: the authorization server lies/);
  it.state.failure = new ExaiError("UPSTREAM_UNAVAILABLE", "it is down");
  assertMatch(textIn(await it.server.target(calls(bob))), /Nobody has signed in: it is down/);
});

Deno.test("a client that makes no choice for its person has the answer say what to do", async () => {
  await using it = guarded();
  const ada = new Window("ada", BY_URL);
  // As Claude Code does where it runs without a person.
  ada.answer = () => Promise.resolve({ result: { action: "cancel" } });
  for (const name of ["probe", "shared__login"]) {
    const text = textIn(await it.server.target(calls(ada, name)));
    for (const part of [PAGE, "exai-daemon auth login shared"]) assertStringIncludes(text, part);
  }
  it.signIn();
  await settled();
  assertEquals(ada.heard.map(({ params }) => params!.data), ['signed in to "shared": call again']);
});

Deno.test("a call that is cancelled while a person signs in ends; the login stays for others", async () => {
  await using it = guarded();
  const ada = new Window("ada", BY_URL);
  const cancelled = new AbortController();
  const running = it.server.target(calls(ada, "probe", { signal: cancelled.signal }));
  await untilAsked(ada);
  cancelled.abort(new ExaiError("CANCELLED", "not any more"));
  await assertRejects(() => running, ExaiError, "not any more");
  let isOver = false;
  it.pending[0]!.done.finally(() => isOver = true).catch(() => {});
  await settled();
  assertEquals(isOver, false);
});

Deno.test("the tool signs in, or says how, and that it is done", async () => {
  await using it = guarded();
  const ada = new Window("ada");
  const [bob] = [new Window("bob", BY_URL)];
  await it.server.list("tools", lists(ada));
  const how = await it.server.target(calls(ada, "shared__login"));
  assertStringIncludes(textIn(how), PAGE);
  assertEquals(how.result!.isError, undefined);
  const running = it.server.target(calls(bob, "shared__login"));
  await untilAsked(bob);
  it.signIn();
  assertMatch(textIn(await running), /has worked/);
  assertMatch(textIn(await it.server.target(calls(ada, "shared__login"))), /has worked/);
});

Deno.test("a server that asks for more each time has a person sign in three times for one call, and no more", async () => {
  await using it = guarded();
  it.state.refusesStarts = false;
  let refusals = 0;
  const inner = it.mount.mounted;
  const server = new LoginServer({
    name: "shared",
    target: () => {
      refusals++;
      return Promise.reject(new ExaiError("LOGIN_REQUIRED", `it needs the scope s${refusals}`));
    },
    describe: (...asked) => inner.describe(...asked),
    list: (...asked) => inner.list(...asked),
  }, {
    areNeeded: false,
    isNeededBy: () => Promise.resolve(false),
    isSignedIn: () => Promise.resolve(true),
    accountOf: () => Promise.resolve(undefined),
    begin: () => {
      const login = new PendingLogin({
        account: { resource: "https://mcp.example/", name: "default" },
        server: "shared",
        prompt: { kind: "browser", url: PAGE },
        timeoutMs: 60_000,
      });
      login.succeed();
      return Promise.resolve(login);
    },
  });
  await assertRejects(
    () => server.target(calls(new Window("ada", BY_URL))),
    ExaiError,
    "it needs the scope s4",
  );
  assertEquals(refusals, 4);
});

Deno.test("another user of the machine cannot sign the daemon's user in", async () => {
  await using it = guarded();
  const eve = new Window("eve", BY_URL, { principal: "user 1001" });
  const refused = await it.server.target(calls(eve));
  assertStringIncludes(textIn(refused), "The user the daemon runs as has to sign in");
  assertEquals([eve.asked.length, it.pending.length], [0, 0]);
});

Deno.test("a window that sees this server alone can begin before anybody has signed in", async () => {
  await using it = guarded();
  const ada = new Window("ada");
  const { capabilities, serverInfo } = await it.server.describe(ada.caller, new AbortController().signal);
  assertEquals(serverInfo.name, "shared");
  assertEquals(Object.keys(capabilities), ["tools", "prompts", "resources"]);
});

Deno.test("the merged catalog names the tool after its server, and takes calls of tools shown before", async () => {
  await using it = guarded({
    config: { tools: { exclude: [], rename: { b: "bee" }, prefix: "my_", isPrefixed: true } },
  });
  const router = new Router({
    servers: () => [it.server],
    serverInfo: { name: "exai", version: "1" },
    policies: [],
    policiesFor: () => [],
    queryPoliciesFor: () => [],
    listDeadlineMs: 1000,
  });
  const ada = new Window("ada", BY_URL);
  it.state.isSignedIn = true;
  const shown = async () => namesOf((await router.target(lists(ada))).result!.tools);
  assertEquals(await shown(), ["shared__my_probe", "bee"]);
  it.signOut();
  router.invalidate();
  const running = router.target(calls(ada, "bee"));
  await untilAsked(ada);
  it.signIn();
  assertEquals((await running).result, { ran: "b" });
  it.signOut();
  // What is not remembered: as after the state directory was removed.
  const unknown = new Window("bob", BY_URL);
  for (const name of ["shared__my_new", "shared__new", "shared__bee"]) {
    unknown.asked.length = 0;
    const calling = router.target(calls(unknown, name));
    await untilAsked(unknown);
    it.signIn();
    assertEquals((await calling).result, { ran: name === "shared__bee" ? "b" : "new" });
    it.signOut();
  }
  router.invalidate();
  assertEquals(await shown(), ["shared__login"]);
});

Deno.test("a server that needs a login is no failed one: it is tried at once again, and its state says what to do", async () => {
  await using it = guarded();
  const ada = new Window("ada");
  for (let i = 0; i < 8; i++) await it.server.target(calls(ada));
  assertEquals(it.mount.starts(), 8);
  const [record] = [...it.mount.mounted.records];
  const state = stateOfStopped(record!);
  assertEquals(state.is, "needs a login");
  const trouble = describeTrouble(troubleOf("shared", state)!);
  assertEquals(
    trouble,
    'server "shared" needs a login; or have a window call shared__login',
  );
  it.signIn();
  assertEquals([...it.mount.mounted.records].map((one) => stateOfStopped(one).is), []);
  assertEquals((await it.server.target(calls(ada))).result, { ran: "probe" });
});

Deno.test("a server that needs a login is not asked again by itself, nor taken for one of another era", async () => {
  const refused = new ExaiError("LOGIN_REQUIRED", "needs a login", { details: { outcome: "not_run" } });
  assertEquals(await mayRepeat(refused, calls(new Window("ada")), undefined), false);
  assertEquals(retryDelayMs(refused, 10) > 5000, true);
  const found: unknown[] = [];
  const asked: string[] = [];
  await assertRejects(() =>
    findEra({
      name: "shared",
      known: { is: "remembered", era: "legacy" },
      discover: () => (asked.push("discover"), Promise.reject(refused)),
      initialize: () => (asked.push("initialize"), Promise.reject(refused)),
      silence: undefined,
      ended: new Promise(() => {}),
      onFound: (era) => void found.push(era),
    }), ExaiError);
  assertEquals([asked, found], [["initialize"], []]);
});

Deno.test("a window that finds its tools by search, or sees some tools only, is shown how to sign in", async () => {
  await using it = guarded();
  it.state.isSignedIn = true;
  const ada = new Window("ada");
  await it.server.list("tools", lists(ada));
  it.signOut();
  const routed = (more: Partial<RouterOptions>) =>
    new Router({
      servers: () => [it.server],
      serverInfo: { name: "exai", version: "1" },
      policies: [],
      policiesFor: () => [],
      queryPoliciesFor: () => [],
      listDeadlineMs: 1000,
      ...more,
    });
  const shownBy = async (router: Router) => namesOf((await router.target(lists(ada))).result!.tools);
  assertEquals((await shownBy(routed({ search: "on" })))[0], "shared__login");
  const only = (include: string[]) => {
    const sets = toolSetsOf([{ client: "*", include, exclude: [], search: undefined }]);
    return routed({ toolSets: () => sets });
  };
  assertEquals(await shownBy(only(["probe"])), ["shared__login"]);
  assertEquals(await shownBy(only(["another"])), []);
});
