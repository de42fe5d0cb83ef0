import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { askDaemon, postToDaemon } from "../lib/client/daemon_client.ts";
import { authCommand } from "../lib/commands/auth.ts";
import { whyNobody } from "../lib/commands/auth_actions/login.ts";
import { exitCodeOf } from "../lib/commands/exit_codes.ts";
import { serversCommand } from "../lib/commands/servers.ts";
import { statusCommand } from "../lib/commands/status.ts";
import type { Invocation } from "../lib/commands/command.ts";
import type { Settings } from "../lib/config/settings.ts";
import { defaultSettings } from "../lib/config/load.ts";
import { outcomeOf } from "./helpers/command.ts";
import { McpWindow } from "./helpers/mcp_window.ts";
import { ModernHttpClient } from "./helpers/modern_http_client.ts";
import { bad, mountingDaemon } from "./helpers/mounts.ts";
import { ScriptedAuth } from "./helpers/scripted_auth.ts";
import { until } from "./helpers/until.ts";

const BY_URL = { elicitation: { url: {} } };

const TOOL: JsonObject = { name: "probe", inputSchema: { type: "object" } };

const RESULTS: Readonly<Record<string, JsonObject>> = {
  initialize: {
    protocolVersion: "2025-11-25",
    capabilities: { tools: {} },
    serverInfo: { name: "files", version: "1" },
  },
  "tools/list": { tools: [TOOL] },
  "tools/call": { content: [{ type: "text", text: "probed" }] },
};

/** Answers as an MCP server of the legacy era does, to whoever is signed in. */
async function serve(request: Request): Promise<Response> {
  if (request.method !== "POST") return new Response(null, { status: 405 });
  const { id, method } = await request.json() as JsonObject;
  if (id === undefined) return new Response(null, { status: 202 });
  const result = RESULTS[String(method)];
  const error = { code: -32601, message: "no such method" };
  return Response.json({ jsonrpc: "2.0", id, ...(result ? { result } : { error }) });
}

/** A daemon that mounts a server which wants a login, and its commands. */
async function signingIn(more: Record<string, JsonObject> = {}, settings: Partial<Settings> = {}) {
  const auth = new ScriptedAuth({ resource: serve });
  const servers = { files: { url: auth.url, type: "http", era: "legacy" }, ...more };
  const daemon = await mountingDaemon(servers, { token: "auto", ...settings });
  const ofCommands = defaultSettings({
    home: daemon.home,
    port: Number(new URL(daemon.url).port),
    token: "auto",
    autostart: false,
  });
  return {
    auth,
    daemon,
    settings: ofCommands,
    command: (args: string[], given: Partial<Invocation> = {}) =>
      outcomeOf(authCommand, args, { settings: ofCommands, switches: new Set(["no-browser"]), ...given }),
    async token(): Promise<string> {
      return (await Deno.readTextFile(`${daemon.home}/token`)).trim();
    },
    async window(capabilities: JsonObject = {}): Promise<McpWindow> {
      return await McpWindow.open(`${daemon.url}?token=${await this.token()}`, capabilities);
    },
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await auth[Symbol.asyncDispose]();
    },
  };
}

/** What a person with a browser does; the page it ends at. */
async function visit(url: string): Promise<string> {
  return await (await fetch(url)).text();
}

const addressIn = (text: string) => /http\S+[?&]state=\S+/.exec(text)![0];

const tellsOfChanges = ({ method }: JsonObject) => method === "notifications/tools/list_changed";

/** The tools of the server that a window is shown, once they are `wanted`. */
async function untilShown(window: McpWindow, wanted: string[]): Promise<void> {
  await until(`the tools ${wanted}`, async () => {
    const { result } = await window.request("tools/list");
    const names = ((result as JsonObject).tools as JsonObject[]).map(({ name }) => String(name));
    return String(names.filter((name) => /login|probe/.test(name))) === String(wanted) || undefined;
  });
}

Deno.test("a command signs in for every window, shows it, and signs out for every window", async () => {
  await using it = await signingIn();
  await using ada = await it.window();
  await untilShown(ada, ["files__login"]);
  const needing = await it.command(["status"]);
  assertMatch(needing.text, /files +default +needs a login/);
  assertStringIncludes(needing.text, "exai-daemon auth login files");
  assertEquals(needing.code, 1);
  // The window may be having another look at it.
  const health = await until("the state", async () => {
    const { text } = await outcomeOf(statusCommand, [], { settings: it.settings });
    return text.includes("1 needs a login") ? text : undefined;
  });
  assertStringIncludes(health, "server files needs a login: exai-daemon auth login files");
  const tested = await outcomeOf(serversCommand, ["test", "files"], { settings: it.settings });
  assertEquals(tested.code, 1);
  assertStringIncludes(tested.text, "exai-daemon auth login files");
  let page = "";
  const done = await it.command(["login"], { print: (text) => void (page = visitLater(text)) });
  function visitLater(text: string): string {
    void visit(addressIn(text)).then((html) => page = html);
    return "";
  }
  assertStringIncludes(done.text, "signed in to files");
  await until("the page", () => page || undefined);
  assertStringIncludes(page, "You are signed in to files");
  await until("a change of lists", () => ada.heard.find(tellsOfChanges));
  await untilShown(ada, ["probe"]);
  const shown = await it.command(["status", "files"]);
  assertMatch(shown.text, /files +default +signed in +http:\/\/127/);
  assertEquals(shown.code, 0);
  assertEquals(JSON.stringify(shown.json).includes("access-"), false);
  const out = await it.command(["logout", "files"]);
  assertEquals(out.text, "signed out of files; its tokens are revoked");
  assertEquals(it.auth.revoked.length > 0, true);
  const again = await it.command(["logout", "files"]);
  assertEquals([again.text, again.code], ["nobody is signed in to files", 1]);
  await untilShown(ada, ["files__login"]);
});

Deno.test("a window of the modern era is asked by the answer to its call, which goes on when it comes back", async () => {
  await using it = await signingIn();
  const headers = { authorization: `Bearer ${await it.token()}` };
  const ada = new ModernHttpClient(it.daemon.http, { capabilities: BY_URL }, headers);
  await until("the login", async () => {
    const { tools } = await ada.result("tools/list");
    return (tools as JsonObject[]).some(({ name }) => name === "files__login") || undefined;
  });
  const params = { name: "files__login", arguments: {} };
  const asked = await ada.result("tools/call", params);
  assertEquals(asked.resultType, "input_required");
  const [[key, question]] = Object.entries(asked.inputRequests as JsonObject) as [[string, JsonObject]];
  const { mode, url, elicitationId } = question.params as JsonObject;
  assertEquals([question.method, mode, elicitationId], ["elicitation/create", "url", undefined]);
  const retry = {
    ...params,
    requestState: asked.requestState!,
    inputResponses: { [key]: { action: "accept" } },
  };
  const [answer] = await Promise.all([ada.result("tools/call", retry), visit(String(url))]);
  assertMatch(JSON.stringify(answer), /has worked/);
  const called = await ada.call("probe");
  assertMatch(JSON.stringify(called), /probed/);
});

Deno.test("calls that wait in several windows go on by one login, in which the server is given one client", async () => {
  await using it = await signingIn();
  await using ada = await it.window(BY_URL);
  await using bob = await it.window(BY_URL);
  await untilShown(ada, ["files__login"]);
  const running = [ada.call("files__login"), bob.call("files__login")];
  const asks = ({ method }: JsonObject) => method === "elicitation/create";
  const questions = await Promise.all(
    [ada, bob].map((one) => until("a question", () => one.heard.find(asks))),
  );
  const urls = questions.map(({ params }) => (params as JsonObject).url);
  assertEquals(urls[0], urls[1]);
  await visit(String(urls[0]));
  for (const answer of await Promise.all(running)) assertMatch(JSON.stringify(answer), /has worked/);
  for (const one of [ada, bob]) {
    await until(
      "the end",
      () => one.heard.find(({ method }) => method === "notifications/elicitation/complete"),
    );
  }
  assertEquals([it.auth.registrations.length, it.auth.authorizations.length], [1, 1]);
});

Deno.test("a login that fails says so in the browser, to the command, and to the window", async () => {
  await using it = await signingIn();
  it.auth.script.iss = "https://elsewhere.example";
  await using ada = await it.window(BY_URL);
  await untilShown(ada, ["files__login"]);
  let page: Promise<string> | undefined;
  let said = "";
  const failed = await assertRejects(() =>
    it.command(["login", "files"], { print: (text) => void (page = visit(addressIn(said = text))) })
  );
  // A call's answer has the time of UTC: which of the two it is has to be seen.
  assertMatch(said, /waited for until .* (?![AP]M)[A-Z][\w+:-]+\.$/);
  assertMatch(String(failed), /another issuer/);
  assertStringIncludes(await page!, "You are not signed in to files");
  assertEquals(it.auth.tokenRequests, []);
});

Deno.test("a login whose daemon is killed says that nobody is signed in, and to begin again", () => {
  const cut = new ExaiError("DAEMON_UNAVAILABLE", "the connection ended with 1006 Unexpected EOF");
  const why = whyNobody("files", cut) as ExaiError;
  assertEquals(exitCodeOf(why), 1);
  assertMatch(why.message, /nobody has signed in to files, .*begin again/);
  const declined = new ExaiError("UPSTREAM_UNAVAILABLE", "you declined");
  assertEquals(whyNobody("files", declined), declined);
});

Deno.test("what cannot be signed in to is refused with what can be done", async () => {
  const accounts = [{ name: "work", directories: ["/work"] }, { name: "home" }];
  await using it = await signingIn({
    program: bad("good"),
    never: { url: "http://127.0.0.1:1/mcp", oauth: false },
    keyed: { url: "http://127.0.0.1:1/mcp", headers: { authorization: "Bearer x" } },
    several: { url: "http://127.0.0.1:1/mcp", accounts },
  });
  const refusals: [string[], Partial<Invocation>, RegExp][] = [
    [["login", "fles"], {}, /no server "fles" is mounted \(did you mean files\?\).*servers list/],
    [["login", "program"], {}, /is a program, and signs in by itself/],
    [["login", "never"], {}, /has "oauth": false in mcp.json/],
    [["login", "keyed"], {}, /has an Authorization header of its own/],
    [["login", "several"], {}, /has several accounts \(work, home\); say which: --account NAME/],
    [
      ["logout", "several"],
      { options: new Map([["account", ["wrk"]]]) },
      /no account "wrk" \(did you mean work\?\)/,
    ],
    [["logout"], {}, /takes the name of a server/],
    [["login", "files"], { switches: new Set(["paste", "device"]) }, /two ways to sign in/],
    [["login", "files"], { switches: new Set(["device"]) }, /does not offer to sign in from another device/],
    [["status", "fles"], {}, /no server "fles"/],
  ];
  for (const [args, given, why] of refusals) {
    const { message } = await assertRejects(() => it.command(args, given), Error);
    assertMatch(message, why, args.join(" "));
  }
});

/** A server each of whose tokens has a tool of its own, and that takes longer for a new one than a list waits. */
function tellingApart() {
  const state = { begun: [] as string[], known: "" };
  const resource = async (request: Request) => {
    const token = request.headers.get("authorization")!.replace("Bearer ", "");
    const { id, method } = request.method === "POST" ? await request.clone().json() as JsonObject : {};
    if (method === "initialize") state.begun.push(token);
    if (method !== "tools/list") return await serve(request);
    if (token !== state.known) await delay(300);
    return Response.json({ jsonrpc: "2.0", id, result: { tools: [{ ...TOOL, name: `probe_${token}` }] } });
  };
  return Object.assign(state, { resource });
}

async function shownOf(window: McpWindow): Promise<string[]> {
  const { result } = await window.request("tools/list");
  return ((result as JsonObject).tools as JsonObject[]).map(({ name }) => String(name))
    .filter((name) => /login|probe/.test(name));
}

Deno.test("the first list after a login or a logout is that of now, and the connection another", async () => {
  await using it = await signingIn({}, { listWaitMs: 100 });
  const server = tellingApart();
  it.auth.script.resource = server.resource;
  await using ada = await it.window();
  for (const isSignedOut of [false, false, true]) {
    if (isSignedOut) {
      await it.command(["logout", "files"]);
      await using eve = await it.window();
      for (const window of [eve, ada]) assertEquals(await shownOf(window), ["files__login"]);
    }
    await it.command(["login", "files"], { print: (text) => void visit(addressIn(text)) });
    const token = [...it.auth.access.keys()].at(-1)!;
    await using bob = await it.window();
    for (const window of [bob, ada]) assertEquals(await shownOf(window), [`probe_${token}`]);
    assertEquals(server.begun.at(-1), token);
    server.known = token;
  }
  assertEquals(server.begun.length, 3);
});

Deno.test("a connection that opens while another person signs in is not used in the new name", async () => {
  await using it = await signingIn();
  const held = Promise.withResolvers<void>();
  let isFirst = true;
  const mixed: string[] = [];
  it.auth.script.resource = async (request) => {
    if (request.method !== "POST") return new Response(null, { status: 405 });
    const own = `of ${request.headers.get("authorization")}`;
    const { method } = await request.clone().json();
    if (method !== "initialize") {
      const session = request.headers.get("mcp-session-id") ?? own;
      if (session !== own) mixed.push(`${method}: session ${session}, and a token ${own}`);
      return await serve(request);
    }
    if (isFirst) {
      isFirst = false;
      await held.promise;
    }
    const response = await serve(request);
    response.headers.set("mcp-session-id", own);
    return response;
  };
  const signIn = () => it.command(["login", "files"], { print: (text) => void visit(addressIn(text)) });
  await using ada = await it.window();
  await signIn();
  await signIn();
  held.resolve();
  await untilShown(ada, ["probe"]);
  await ada.request("tools/call", { name: "probe", arguments: {} });
  assertEquals(mixed, []);
});

Deno.test("an answer that was pasted is taken from the body of a request, as a path is no place for a code", async () => {
  await using it = await signingIn();
  const begun = await askDaemon(it.settings, "/auth/login?server=files", "POST");
  const login = String(begun.login);
  const response = await fetch(String(begun.url), { redirect: "manual" });
  await response.body?.cancel();
  const answer = response.headers.get("location")!;
  assertMatch(answer, /code=/);
  const inPath = `/auth/finish?${new URLSearchParams({ login, answer })}`;
  await assertRejects(() => askDaemon(it.settings, inPath, "POST"), ExaiError, 'takes no "answer"');
  await postToDaemon(it.settings, `/auth/finish?${new URLSearchParams({ login })}`, { body: answer });
  assertMatch((await it.command(["status"])).text, /files +default +signed in/);
});
