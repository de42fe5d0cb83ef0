import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl, join, toFileUrl } from "@std/path";
import { DatabaseSync } from "node:sqlite";
import type { JsonObject } from "../../lib/base/json.ts";
import { HOUR_MS } from "../../lib/base/units.ts";
import { OPERATOR } from "../../lib/call/owner.ts";
import { MIGRATIONS } from "../../lib/state/threads/thread_statements.ts";
import { openThreadStore } from "../../lib/state/sqlite_thread_store.ts";
import { SessionRegistry } from "../../lib/session/registry.ts";
import type { Envelope } from "../../lib/tool/tool_output.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { httpClient, RawHttp } from "../helpers/http_client.ts";
import { OddServer } from "../helpers/odd_server.ts";
import { canBeOther, talkAsOther } from "../helpers/other_user.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { sdkClient } from "../helpers/sdk_client.ts";
import { ToolWindow } from "../helpers/tool_window.ts";
import { planStep, twoWorkspaces } from "../helpers/two_workspaces.ts";

type SdkClient = Awaited<ReturnType<typeof sdkClient>>;

async function begin(window: ToolWindow): Promise<string> {
  return (await window.call("planner", planStep(1, "a secret plan"))).continuation_offer!.continuation_id;
}

/** Whether a window may go on with a thread. */
async function goesOn(window: ToolWindow, continuation_id: string): Promise<boolean> {
  const { isError, content } = await window.call("planner", planStep(2, "on", { continuation_id }));
  if (isError) assertStringIncludes(String(content), "belongs to another workspace");
  return !isError;
}

async function planOf(client: SdkClient, args: JsonObject): Promise<Envelope & { isError: boolean }> {
  const { content, isError } = await client.callTool({ name: "planner", arguments: args });
  const [block] = content as { text: string }[];
  return { ...JSON.parse(block!.text), isError: isError === true };
}

Deno.test("a window without a directory, and one in the home directory or at the top of the disk, has its threads to itself", async () => {
  await using it = await testDaemon();
  for (const cwd of [undefined, "/", Deno.env.get("HOME")!, "relative/path", join(it.home, "not-there")]) {
    await using one = await ToolWindow.open(it.url, cwd);
    await using other = await ToolWindow.open(it.url, cwd);
    const id = await begin(one);
    assertEquals([await goesOn(one, id), await goesOn(other, id)], [true, false], String(cwd));
  }
});

Deno.test("a session that takes the id of one that is over does not get what was kept for it", async () => {
  await using it = await testDaemon();
  const open = () => RawClient.hello(it.url, { session_id: "the-window" });
  const step = async (client: RawClient, more: JsonObject) => {
    const reply = await client.call("planner", planStep(1, "s", more) as JsonObject);
    return JSON.parse(String((reply.outputs as JsonObject[])[0]!.text));
  };
  const first = await open();
  const { continuation_id } = (await step(first, {})).continuation_offer;
  await first.close();
  const second = await open();
  assertEquals(second.ack.session_id, "the-window");
  assertStringIncludes(
    JSON.stringify(await step(second, { continuation_id })),
    "belongs to another workspace",
  );
  await second.close();
});

Deno.test("the first root of a client counts more than its directory, and what it began it keeps when it moves", async () => {
  await using dirs = await twoWorkspaces();
  await using it = await testDaemon();
  const [p, link, q] = [dirs.p, dirs.link, dirs.q].map((dir) => toFileUrl(dir).href) as [
    string,
    string,
    string,
  ];
  const roots = [p];
  await using ada = await sdkClient(it.url + "mcp", { roots });
  await using same = await sdkClient(it.url + "mcp", { roots: [link, q] });
  await using bob = await sdkClient(it.url + "mcp", { roots: [q, p] });
  const { continuation_id } = (await planOf(ada, planStep(1, "s"))).continuation_offer!;
  const on = async (client: SdkClient) =>
    !(await planOf(client, planStep(2, "s", { continuation_id }) as JsonObject)).isError;
  assertEquals([await on(same), await on(bob)], [true, false]);
  roots[0] = q;
  await ada.sendRootsListChanged();
  assertEquals([await on(ada), await on(bob)], [true, false]);
  const next = (await planOf(ada, planStep(1, "in the other directory"))).continuation_offer!;
  const { resources } = await bob.listResources();
  const threads = resources.filter(({ uri }: { uri: string }) => uri.startsWith("exai://threads/"));
  assertEquals(threads.map(({ uri }: { uri: string }) => uri), [`exai://threads/${next.continuation_id}`]);
});

Deno.test("a model is not shown another workspace's conversation, and nothing is added to it", async () => {
  await using dirs = await twoWorkspaces();
  await using it = await testDaemon();
  await using ada = await ToolWindow.open(it.url, dirs.p);
  await using bob = await ToolWindow.open(it.url, dirs.q);
  const id = await begin(ada);
  for (const name of ["chat", "thinkdeep", "debug", "consensus"]) {
    const args = name === "chat" ? { prompt: "what was said?" } : planStep(2, "s", { findings: "f" });
    const { isError, content } = await bob.call(name, { ...args, continuation_id: id } as JsonObject);
    assert(isError, name);
    assertStringIncludes(JSON.stringify(content), "belongs to another workspace", name);
  }
  const { content } = await ada.call("planner", planStep(2, "s", { continuation_id: id }));
  assertEquals((content as JsonObject).steps_kept, [1, 2]);
});

Deno.test("calls and errors are shown to the windows of their workspace alone, and all of them to the operator", async () => {
  await using dirs = await twoWorkspaces();
  await using it = await testDaemon();
  await using ada = await ToolWindow.open(it.url, dirs.p);
  await using bob = await ToolWindow.open(it.url, dirs.q);
  await using third = await ToolWindow.open(it.url, dirs.link);
  await using nowhere = await ToolWindow.open(it.url);
  await ada.raw.call("ada_was_here");
  await begin(ada);
  const seenBy = async (window: ToolWindow) => {
    const { content } = await window.call("activity");
    const filtered = (await window.call("activity", { filter: "ada_was" })).content;
    const errors = JSON.stringify((await window.content("health")).recent_errors);
    await window.raw.ask({
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "t", version: "1" } },
    });
    const read = { jsonrpc: "2.0", id: 2, method: "resources/read", params: { uri: "exai://calls" } };
    const calls = JSON.stringify((await window.raw.ask(read)).result);
    return [String(content), calls, errors, String(filtered).replace(/none of the latest.*/, "")]
      .map((text) => text.includes("ada_was_here"));
  };
  assertEquals(await seenBy(bob), [false, false, false, false]);
  assertEquals(await seenBy(nowhere), [false, false, false, false]);
  assertEquals(await seenBy(ada), [true, true, true, true]);
  assertEquals(await seenBy(third), [true, true, true, true]);
  const { calls } = await (await fetch(new URL("/calls", it.http))).json();
  const tools = (calls as JsonObject[]).map(({ tool }) => tool);
  assert(tools.includes("ada_was_here") && tools.includes("activity"), String(tools));
});

Deno.test("the calls of a window that has gone are still its workspace's", async () => {
  await using dirs = await twoWorkspaces();
  await using it = await testDaemon();
  {
    await using gone = await ToolWindow.open(it.url, dirs.p);
    await gone.call("version");
  }
  await using ada = await ToolWindow.open(it.url, dirs.p);
  await using bob = await ToolWindow.open(it.url, dirs.q);
  assertStringIncludes(String((await ada.call("activity")).content), " version ok ");
  assert(!String((await bob.call("activity")).content).includes(" version "));
});

Deno.test("what a server lists in one directory is not shown in another, also after a restart of the daemon", async () => {
  await using dirs = await twoWorkspaces();
  const fixture = fromFileUrl(new URL("../fixtures/directory_server.ts", import.meta.url));
  const directory = { command: Deno.execPath(), args: ["run", "-A", "--no-check", fixture] };
  await Deno.writeTextFile(join(dirs.home, "mcp.json"), JSON.stringify({ mcpServers: { directory } }));
  await Deno.chmod(dirs.home, 0o700);
  const namesIn = async (url: string, cwd: string) => {
    await using client = await httpClient(`${url}mcp`, { headers: { "x-exai-cwd": cwd } });
    const { resources } = await client.listResources();
    return resources.map(({ name }: { name: string }) => name).filter((name: string) =>
      name.startsWith("notes of")
    );
  };
  for (const order of [[dirs.p, dirs.q], [dirs.q, dirs.p]]) {
    await using it = await testDaemon({ settings: { home: dirs.home } });
    for (const cwd of [...order, order[0]!]) assertEquals(await namesIn(it.http, cwd), [`notes of ${cwd}`]);
  }
});

Deno.test("a handle is good in every window of its workspace, and in no other", async () => {
  await using dirs = await twoWorkspaces();
  const odd = new OddServer();
  const server = Object.assign(odd, { detachAfterMs: 10 });
  await using it = await testDaemon({ servers: [server] });
  const [ada, same, bob] = [
    await RawClient.hello(it.url, { cwd: dirs.p }),
    await RawClient.hello(it.url, { cwd: dirs.link }),
    await RawClient.hello(it.url, { cwd: dirs.q }),
  ];
  const reply = await ada.call("hold");
  const handle = /call-[\w-]+/.exec(JSON.stringify(reply))![0];
  for (const args of [{ handle, wait_ms: 1 }, { handle, cancel: true }]) {
    const { error } = await bob.call("await_call", args);
    assertMatch(String((error as JsonObject).message), /there is no call "call-.*good in the workspace/);
  }
  assertMatch(JSON.stringify(await same.call("await_call", { handle, wait_ms: 1 })), /still running/);
  odd.release.resolve();
  const done = await same.call("await_call", { handle });
  assertEquals(done.error, undefined);
  await Promise.all([ada, same, bob].map((client) => client.close()));
});

/** A plan over HTTP, from the directory `cwd`: the text of what was answered. */
async function planOverHttp(url: string, cwd: string | undefined, args: JsonObject): Promise<string> {
  const client = await RawHttp.open(`${url}mcp`, cwd === undefined ? {} : { "x-exai-cwd": cwd });
  const text = await (await client.call(1, "planner", args)).text();
  await client.delete();
  return text;
}

Deno.test("over HTTP the directory a client tells is its workspace, and without one its session is alone", async () => {
  await using dirs = await twoWorkspaces();
  await using it = await testDaemon();
  for (const cwd of [dirs.p, undefined]) {
    const begun = await planOverHttp(it.http, cwd, planStep(1, "s"));
    const continuation_id = /continuation_id\W+([\w-]{36})/.exec(begun)![1]!;
    const on = async (cwd: string | undefined) =>
      !(await planOverHttp(it.http, cwd, planStep(2, "s", { continuation_id }) as JsonObject))
        .includes("belongs to another workspace");
    assertEquals([await on(dirs.q), await on(dirs.link), await on(undefined)], [
      false,
      cwd === dirs.p,
      false,
    ]);
  }
});

Deno.test(
  "another user who is let in sees no thread or call of the owner's, whatever directory he names, and runs no command",
  { ignore: !canBeOther },
  async () => {
    await using dirs = await twoWorkspaces();
    await using it = await testDaemon({ settings: { peers: "any" } });
    await using ada = await ToolWindow.open(it.url, dirs.p);
    const continuation_id = await begin(ada);
    const { hostname, port, host } = new URL(it.url);
    const ask = (request: string, body = "", more = "") =>
      talkAsOther(
        { hostname, port: Number(port) },
        `${request} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nX-Exai-Cwd: ${dirs.p}\r\n` +
          `Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n${more}` +
          `Content-Length: ${body.length}\r\n\r\n${body}`,
      );
    const rpc = (id: number, method: string, params: unknown) =>
      JSON.stringify({ jsonrpc: "2.0", id, method, params });
    const clientInfo = { name: "other", version: "1" };
    const begun = await ask(
      "POST /mcp",
      rpc(0, "initialize", { protocolVersion: "2025-06-18", capabilities: {}, clientInfo }),
    );
    const session = /mcp-session-id: (\S+)/i.exec(begun)![1];
    const inSession = (body: string) => ask("POST /mcp", body, `Mcp-Session-Id: ${session}\r\n`);
    const args = planStep(2, "s", { continuation_id });
    assertMatch(
      await inSession(rpc(1, "tools/call", { name: "planner", arguments: args })),
      /another workspace/,
    );
    assert(!(await inSession(rpc(2, "resources/list", {}))).includes(continuation_id));
    assert(!(await inSession(rpc(3, "tools/call", { name: "activity", arguments: {} }))).includes(" ok "));
    for (
      const request of ["GET /calls", "GET /calls/follow", "GET /status", "GET /metrics", "GET /threads"]
        .concat(
          [
            `GET /threads/show?id=${continuation_id}`,
            "POST /reload",
            "POST /kill?what=session&id=x",
            "POST /cancel",
          ],
        )
    ) {
      assertMatch(
        await ask(request),
        /^HTTP\/1\.1 403 [\s\S]*for the user the daemon runs as/,
        request,
      );
    }
    assertMatch(await ask("GET /health"), /^HTTP\/1\.1 200 /);
  },
);

Deno.test("a thread of before there were owners is listed to nobody, and becomes that of the first who shows its id", async () => {
  await using dirs = await twoWorkspaces();
  const path = join(dirs.home, "exai.db");
  {
    const db = new DatabaseSync(path);
    db.exec(MIGRATIONS[0]!);
    db.exec("PRAGMA application_id = 0x45584149; PRAGMA user_version = 1");
    db.prepare("INSERT INTO thread VALUES (?, 'chat', 'old', ?, ?)").run("old-id", Date.now(), Date.now());
    db.close();
  }
  const options = { path, timeoutMs: HOUR_MS, maxTurns: 50 };
  const [ada, bob] = ["/p", "/q"].map((dir) => ({ principal: "owner", workspaces: [dir] as [string] }));
  {
    using store = openThreadStore(options);
    assertEquals([await store.list(ada!), await store.list(bob!)], [[], []]);
    assertEquals((await store.list(OPERATOR)).length, 1);
    assertEquals((await store.show(OPERATOR, "old-id")).thread.title, "old");
    assertEquals((await store.show(ada!, "old-id")).thread.title, "old");
  }
  using store = openThreadStore(options);
  assertEquals((await store.list(ada!)).length, 1);
  const refused = await store.show(bob!, "old-id").catch(({ message }) => message);
  assertStringIncludes(String(refused), "belongs to another workspace");
  assertEquals([await store.delete(bob!, "old-id"), await store.delete(ada!, "old-id")], [false, true]);
});

Deno.test("a thread is its user's: another principal in the same directory has no part of it", async () => {
  using store = openThreadStore({ timeoutMs: HOUR_MS, maxTurns: 50 });
  const [ada, bob] = ["owner", "certificate AA"].map((principal) => ({
    principal,
    workspaces: ["/p"] as [string],
  }));
  const { thread: { id } } = await store.record(ada!, { tool: "chat", title: "t", request: {} });
  assertEquals(await store.list(bob!), []);
  for (
    const attempt of [
      () => store.show(bob!, id),
      () => store.record(bob!, { threadId: id, tool: "chat", title: "t", request: {} }),
    ]
  ) {
    const why = await attempt().then(() => "let in", ({ code }) => code);
    assertEquals(why, "RESOURCE_NOT_FOUND");
  }
  assertEquals((await store.show(ada!, id)).turns.length, 1);
});

Deno.test("a session is not resumed on behalf of another principal, although its token is known", () => {
  using registry = new SessionRegistry({ resumeWindowMs: HOUR_MS, idleMs: 0, maxFrameBytes: 1024 });
  const session = registry.create({ isResumable: true, namedDirs: "read", principal: "owner" });
  assertEquals(registry.resume(session.id, session.resumeToken, "certificate AA"), undefined);
  assertEquals(registry.resume(session.id, session.resumeToken, "owner"), session);
});
