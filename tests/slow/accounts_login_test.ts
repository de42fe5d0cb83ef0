// Several accounts at one server, each signed in to: whose requests a window's calls are.

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { toFileUrl } from "@std/path";
import { isObject, type JsonObject } from "../../lib/base/json.ts";
import { AuthorizationServer } from "../helpers/authorization.ts";
import { McpWindow } from "../helpers/mcp_window.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { visit } from "../helpers/person.ts";
import { twoWorkspaces } from "../helpers/two_workspaces.ts";
import { until } from "../helpers/until.ts";

type Daemon = Awaited<ReturnType<typeof mountingDaemon>>;

async function post(daemon: Daemon, path: string, query: Record<string, string>): Promise<JsonObject> {
  const url = new URL(`${path}?${new URLSearchParams(query)}`, daemon.http);
  const response = await fetch(url, { method: "POST" });
  const answer = await response.json();
  assert(response.ok, JSON.stringify(answer));
  return answer;
}

/** Signs in to an account of `files`, as a person. */
async function signIn(daemon: Daemon, account: string, person: string): Promise<void> {
  const { url } = await post(daemon, "/auth/login", { server: "files", account });
  const { status, page } = await visit(String(url), { account: person });
  assertEquals(status, 200, page);
}

function windowIn(daemon: Daemon, roots: () => string[]): Promise<McpWindow> {
  return McpWindow.open(daemon.url, { roots: { listChanged: true } }, { roots });
}

const OF_FILES = ["files__login", "whoami", "write", "remove"];

/** Which tools of `files` a window is shown. */
async function toolsOf(window: McpWindow): Promise<string[]> {
  const { result } = await window.request("tools/list") as { result: { tools: { name: string }[] } };
  return result.tools.map(({ name }) => name).filter((name) => OF_FILES.includes(name));
}

/** What the call says: the person in whose name it came, or why there was none. */
async function whoIs(window: McpWindow): Promise<string> {
  const answer = await window.call("files__whoami");
  if (!isObject(answer.result)) return JSON.stringify(answer);
  const [{ text }] = answer.result.content as unknown as [{ text: string }];
  return answer.result.isError ? text : String(JSON.parse(text).account);
}

for (const era of ["legacy", "modern"] as const) {
  Deno.test(`calls of windows are in the name of their account at a ${era} server, whatever the others do`, async () => {
    await using it = await AuthorizationServer.start();
    await using dirs = await twoWorkspaces();
    const accounts = [{ name: "work", directories: [dirs.p] }, { name: "home" }];
    await using daemon = await mountingDaemon({ files: { url: it.url(era), accounts } });
    let at = dirs.p;
    await using moving = await windowIn(daemon, () => [toFileUrl(at).href]);
    await using below = await windowIn(daemon, () => [toFileUrl(dirs.below).href]);
    await using elsewhere = await windowIn(daemon, () => [toFileUrl(dirs.q).href]);
    const windows = [moving, below, elsewhere];

    for (const window of windows) assertEquals(await toolsOf(window), ["files__login"]);
    await signIn(daemon, "work", "alice");
    assertEquals(await Promise.all([moving, below].map(whoIs)), ["alice", "alice"]);
    assertEquals(await toolsOf(elsewhere), ["files__login"], "nobody has signed in to that one");
    await signIn(daemon, "home", "bob");
    const rounds = Array.from({ length: 20 }, () => Promise.all(windows.map(whoIs)));
    for (const round of await Promise.all(rounds)) assertEquals(round, ["alice", "alice", "bob"]);
    const shown = (await daemon.status()).map(({ account, sessions }) => [account, (sessions as []).length]);
    assertEquals(shown.toSorted(), [["home", 1], ["work", 2]]);

    at = dirs.q;
    moving.send("notifications/roots/list_changed");
    await until("the other account", async () => await whoIs(moving) === "bob" || undefined);
    assertEquals(await Promise.all(windows.map(whoIs)), ["bob", "alice", "bob"]);

    await post(daemon, "/auth/logout", { server: "files", account: "work" });
    assertStringIncludes(await whoIs(below), "--account work");
    assertEquals(await Promise.all([moving, elsewhere].map(whoIs)), ["bob", "bob"]);
    assertEquals(await toolsOf(below), ["files__login"]);
    assert((await toolsOf(elsewhere)).includes("whoami"));
    await signIn(daemon, "work", "carol");
    assertEquals(await Promise.all(windows.map(whoIs)), ["bob", "carol", "bob"]);

    const record = await it.record();
    assertEquals(record.logins.map(({ account }) => account), ["alice", "bob", "carol"]);
    assertEquals([record.crossed, record.replays], [0, 0]);
  });
}
