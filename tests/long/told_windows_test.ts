import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { git, tempDir } from "../helpers/files.ts";
import { bad, mountingDaemon } from "../helpers/mounts.ts";
import { scripted, tool, toolsPage } from "../helpers/scripted.ts";
import { INITIALIZE, Shim, type ShimOptions } from "../helpers/shim.ts";
import { twoWorkspaces } from "../helpers/two_workspaces.ts";

type Daemon = Pick<Awaited<ReturnType<typeof mountingDaemon>>, "url" | "home">;

/** A window of the real shim. */
class Told implements AsyncDisposable {
  private constructor(readonly shim: Shim, readonly answer: JsonObject) {}

  static async open(it: Daemon, options: Partial<ShimOptions> = {}, params: JsonObject = INITIALIZE) {
    const shim = await Shim.start({ port: Number(new URL(it.url).port), home: it.home, ...options });
    return new Told(shim, await shim.initialize(params));
  }

  get instructions(): string {
    return String((this.answer.result as JsonObject | undefined)?.instructions ?? "");
  }

  /** The log notifications so far, all that were sent before this being there. */
  async logs(): Promise<string[]> {
    await this.shim.ask("ping");
    return this.shim.lines.map((line) => JSON.parse(line)).flatMap(({ method, params }) =>
      method === "notifications/message" ? [`${params.level}: ${params.data}`] : []
    );
  }

  /** The next log notification. */
  async nextLog(): Promise<string> {
    const { params } = await this.shim.next(({ method }) => method === "notifications/message");
    const { level, data, logger } = params as JsonObject;
    assertEquals(logger, "exai");
    return `${level}: ${data}`;
  }

  /** The text of a call's error. */
  async refusal(name: string): Promise<string> {
    const { error } = await this.shim.call(name);
    return String((error as JsonObject | undefined)?.message ?? "it was answered");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shim[Symbol.asyncDispose]();
  }
}

/** A daemon in `home`, with the servers of the one before. */
async function restarted(home: string, servers: Record<string, JsonObject>, more: { port?: number } = {}) {
  await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: servers }));
  return await testDaemon({ settings: { home, ...more } });
}

/** Whether `text` says all of it: which server, why, what to do. */
function assertSays(text: string, ...parts: string[]): void {
  for (const part of parts) assertStringIncludes(text, part);
}

async function ps(it: Daemon, ...flags: string[]): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", new URL("../../daemon.ts", import.meta.url).pathname, "ps", ...flags],
    env: { EXAI_HOME: it.home, EXAI_WS_PORT: new URL(it.url).port },
  }).output();
  return new TextDecoder().decode(stdout);
}

/** A server whose instructions name the directory it runs in. */
const SAYS_WHERE = `
import json, os, sys
for line in sys.stdin:
    m = json.loads(line)
    if "id" not in m: continue
    r = {}
    if m["method"] == "initialize":
        r = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "w", "version": "1"},
             "instructions": "Works in " + os.getcwd()}
    if m["method"] == "tools/list": r = {"tools": [{"name": "say", "inputSchema": {"type": "object"}}]}
    if m["method"] == "tools/call": r = {"content": []}
    print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": r}), flush=True)
`;

const LACKS = { command: "x", args: ["${env:EXAI_TEST_NOT_SET}"] };

Deno.test("each kind of trouble is told at the start of a window, in every call, and by ps, with name, cause and remedy", async () => {
  await using it = await mountingDaemon({
    good: scripted({ "tools/list": toolsPage(["good_tool"]) }),
    lacks: LACKS,
    broken: { comand: "x" },
    off: { command: "x", disabled: true },
    gone: { command: "/no/such/program" },
  });
  await using first = await Told.open(it);
  assertSays(first.instructions, 'server "lacks"', "EXAI_TEST_NOT_SET", "exai-daemon reload");
  assertSays(first.instructions, 'server "broken"', "comand", "correct the entry");
  assert(!first.instructions.includes('"off"'), "what is switched off is no trouble");
  await first.shim.ask("tools/list");
  // The daemon reads the lists of new servers by itself: it may fail before there is a window, or later.
  const isTold = first.instructions.includes('"gone"');
  const told = isTold ? first.instructions : await first.nextLog();
  assertSays(told, 'server "gone" cannot start', "/no/such/program", "reload");
  assertEquals((await first.shim.call("good_tool")).error, undefined);
  assertSays(await first.refusal("lacks__any"), 'server "lacks"', "EXAI_TEST_NOT_SET", "reload");
  assertSays(await first.refusal("broken__any"), 'server "broken"', "comand", "correct the entry");
  assertSays(await first.refusal("off__any"), 'server "off"', "switched off", "disabled");
  assertSays(await first.refusal("gone__any"), 'server "gone"', "/no/such/program", "reload");
  assertSays(await first.refusal("gone__any"), 'server "gone"', "/no/such/program", "reload");
  assertEquals((await first.logs()).length, isTold ? 0 : 1, "once, not for each call");
  await using second = await Told.open(it);
  assertSays(second.instructions, 'server "gone" cannot start', "/no/such/program");

  const table = await ps(it);
  const states = JSON.parse(await ps(it, "--json")).servers.map((
    { server, state }: JsonObject,
  ) => [server, String(state).replace("backing off", "failed")]);
  assertEquals(states, [
    ["broken", "faulty entry"],
    ["gone", "failed"],
    ["good", "running"],
    ["lacks", "variable not set"],
    ["off", "disabled"],
  ]);
  assertSays(
    table,
    "good    running",
    Deno.cwd(),
    "EXAI_TEST_NOT_SET",
    "comand",
    "switched off",
    "/no/such/program",
  );
});

Deno.test("a server that dies and works again is told to the windows of its project, once each, and to no other's", async () => {
  await using dirs = await twoWorkspaces();
  await using it = await mountingDaemon({ well: bad("well", { share: "project" }) });
  await using ada = await Told.open(it, { cwd: dirs.p });
  await using bob = await Told.open(it, { cwd: dirs.link });
  await using eve = await Told.open(it, { cwd: dirs.q });
  for (const window of [ada, bob, eve]) assertEquals((await window.shim.call("well_echo")).error, undefined);
  assertSays(await ada.refusal("well_die"), 'server "well"', "SIGKILL", "server-well.log");
  for (const window of [ada, bob]) assertSays(await window.nextLog(), 'warning: server "well"', "SIGKILL");
  assertSays(await ada.refusal("well_die"), 'server "well"');
  await using late = await Told.open(it, { cwd: dirs.p });
  assertSays(late.instructions, 'server "well"', "SIGKILL");
  await using other = await Told.open(it, { cwd: dirs.q });
  assert(!other.instructions.includes("SIGKILL"), other.instructions);
  for (;;) if (!(await ada.shim.call("well_echo")).error) break;
  for (const window of [ada, bob, late]) {
    assertEquals(await window.nextLog(), 'notice: server "well" works again');
  }
  assertEquals((await ada.logs()).length, 2, "told once for each change, not for each crash");
  assertEquals(await eve.logs(), []);
  assertEquals(await other.logs(), []);
});

Deno.test("a fault that comes into mcp.json is told to every window of the catalog, and its end too", async () => {
  const good = scripted({ "tools/list": toolsPage(["good_tool"]) });
  await using it = await mountingDaemon({ good, other: good });
  await using all = await Told.open(it);
  await using alone = await Told.open(it, { args: ["--server", "other"] });
  await it.remount({ good: { ...good, shared: "machine" }, other: good });
  assertSays(
    await all.nextLog(),
    'error: server "good"',
    "shared",
    "correct the entry",
    "runs as its entry was",
  );
  assertEquals((await all.shim.call("good__good_tool")).error, undefined);
  await using told = await Told.open(it);
  assertSays(told.instructions, 'server "good"', "shared");
  await it.remount({ good, other: good });
  for (const window of [all, told]) assertSays(await window.nextLog(), "notice: good works again");
  await Deno.writeTextFile(it.config, "{ no JSON");
  await it.reload();
  for (const window of [all, told]) assertSays(await window.nextLog(), "error: mcp.json: ");
  await it.remount({ good, other: { ...good, maxInflight: 0 } });
  assertSays(await all.nextLog(), 'error: server "other"', "maxInflight");
  assertSays(await alone.nextLog(), 'error: server "other"', "maxInflight");
  assertEquals((await alone.logs()).length, 1, "what concerns another server is not told");
});

Deno.test("a window that does not see a server, or wants no such messages, is not told of it", async () => {
  await using it = await mountingDaemon({
    gone: { command: "/no/such/program", share: "machine" },
    well: bad("well"),
  });
  const clients = { "seer*": { include: ["gone/*"] }, "test*": { exclude: ["well/*", "well_*", "v*"] } };
  const mcp = JSON.parse(await Deno.readTextFile(it.config));
  await Deno.writeTextFile(it.config, JSON.stringify({ ...mcp, clients }));
  await it.reload();
  await using blind = await Told.open(it);
  await using quiet = await Told.open(it, {}, { ...INITIALIZE, clientInfo: { name: "other", version: "1" } });
  await quiet.shim.ask("logging/setLevel", { level: "emergency" });
  await quiet.shim.ask("tools/list");
  assertSays(await quiet.refusal("well_die"), "SIGKILL");
  if (!blind.instructions.includes('"gone"')) assertSays(await blind.nextLog(), 'server "gone"');
  assert((await blind.logs()).every((log) => log.includes('server "gone"')), "only of the server it sees");
  assertEquals(await quiet.logs(), []);
});

Deno.test("what servers say of themselves reaches windows by name, the same bytes after restarts", async () => {
  const says = (instructions: string, name: string) =>
    scripted({ initialize: { instructions }, "tools/list": toolsPage([name]) });
  const servers = {
    beta: says("Beta is used last.", "beta_tool"),
    alpha: says("Alpha comes first.\nThen look.", "alpha_tool"),
    silent: scripted({ "tools/list": { tools: [tool("silent_tool")] } }),
  };
  const home = await Deno.makeTempDir({ prefix: "exai-told-" });
  await Deno.chmod(home, 0o700);
  const seen = new Set<string>();
  try {
    for (let run = 0; run < 3; run++) {
      await using it = await restarted(home, servers);
      await using first = await Told.open(it);
      await first.shim.ask("tools/list");
      for (const name of ["alpha_tool", "beta_tool", "silent_tool"]) {
        assertEquals((await first.shim.call(name)).error, undefined);
      }
      await using second = await Told.open(it);
      if (run > 0) seen.add(first.instructions);
      seen.add(second.instructions);
    }
  } finally {
    await Deno.remove(home, { recursive: true });
  }
  assertEquals(seen.size, 1, [...seen].join("\n=====\n"));
  const [text] = seen;
  assertStringIncludes(text!, "## alpha\n> Alpha comes first.\n> Then look.\n## beta\n> Beta is used last.");
  assert(!text!.includes("silent"));
});

Deno.test("a window of one server is told why there is none, or what is wrong with it", async () => {
  await using it = await mountingDaemon({ lacks: LACKS, gone: { command: "/no/such/program" } });
  for (const [server, cause] of [["lacks", "EXAI_TEST_NOT_SET"], ["gone", "/no/such/program"]] as const) {
    const answer = await (await fetch(`${it.http}mcp/${server}`, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json, text/event-stream" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "initialize", params: INITIALIZE }),
    })).text();
    assertSays(answer, `server \\"${server}\\"`, cause, "reload");
  }
});

Deno.test("a window that goes on with another daemon is told what does not work there, as it asked to be", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-told-" });
  await Deno.chmod(home, 0o700);
  try {
    const good = scripted({ "tools/list": toolsPage(["good_tool"]) });
    const before = await restarted(home, { good });
    const port = Number(new URL(before.url).port);
    await using told = await Told.open({ url: before.url, home });
    await using quiet = await Told.open({ url: before.url, home });
    await quiet.shim.ask("logging/setLevel", { level: "critical" });
    await before[Symbol.asyncDispose]();
    await using _after = await restarted(home, { good, lacks: LACKS }, { port });
    assertSays(await told.nextLog(), 'error: server "lacks"', "EXAI_TEST_NOT_SET", "reload");
    for (const { shim } of [told, quiet]) assertEquals((await shim.call("good_tool")).error, undefined);
    assertEquals((await told.logs()).length, 1);
    assertEquals(await quiet.logs(), []);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("a tool of a server that is switched off, or whose entry is faulty since the start, is found in its last list", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-told-" });
  await Deno.chmod(home, 0o700);
  const good = scripted({ "tools/list": toolsPage(["good_tool"]) });
  const bare = scripted({ "tools/list": toolsPage(["bare_tool"]) });
  try {
    {
      await using it = await restarted(home, { good, bare });
      await using told = await Told.open({ url: it.url, home });
      for (const name of ["good_tool", "bare_tool"]) {
        assertEquals((await told.shim.call(name)).error, undefined);
      }
    }
    await using it = await restarted(home, { good: { ...good, disabled: true }, bare: { ...bare, args: 7 } });
    await using told = await Told.open({ url: it.url, home });
    assertSays(await told.refusal("good_tool"), 'server "good"', "switched off", "disabled");
    assertSays(await told.refusal("bare_tool"), 'server "bare"', "args", "correct the entry");
    assertSays(await told.refusal("no_tool"), "there is no tool");
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("a window without a directory is told at its start which servers need one, and so is ps", async () => {
  const plain = scripted({ "tools/list": toolsPage(["needy_tool"]) }, { share: "project" });
  const needy = { ...plain, args: [...plain.args as string[], "${workspaceFolder}"] };
  await using it = await mountingDaemon({ needy });
  await using lost = await Told.open(it, { cwd: "/" });
  assertSays(lost.instructions, 'server "needy"', "${workspaceFolder}", "open a folder");
  const states = JSON.parse(await ps(it, "--json")).servers.map(({ state }: JsonObject) => state);
  assertEquals(states, ["needs a directory"]);
  assertSays(
    await lost.refusal("needy__needy_tool"),
    'server "needy"',
    "${workspaceFolder}",
    "open a folder",
  );
  await using found = await Told.open(it, { cwd: it.home });
  assert(!found.instructions.includes("needy"), found.instructions);
  assertEquals((await found.shim.call("needy_tool")).error, undefined);
});

Deno.test("what a server says reaches only windows that see its tools; with tool search they get its name", async () => {
  const says = (instructions: string, name: string) =>
    scripted({ initialize: { instructions }, "tools/list": toolsPage([name]) });
  await using it = await mountingDaemon({ alpha: says("Of alpha.", "a"), beta: says("Of beta.", "b") });
  const mcp = JSON.parse(await Deno.readTextFile(it.config));
  const clients = { "few*": { include: ["alpha/*"] }, "search*": { search: "on", exclude: ["beta/*"] } };
  await Deno.writeTextFile(it.config, JSON.stringify({ ...mcp, clients }));
  await it.reload();
  const of = (name: string) =>
    Told.open(it, {}, { ...INITIALIZE, clientInfo: { name: `${name} client`, version: "1" } });
  await using warm = await of("any");
  for (const name of ["a", "b"]) assertEquals((await warm.shim.call(name)).error, undefined);
  await using all = await of("any");
  assertSays(all.instructions, "> Of alpha.", "> Of beta.");
  await using few = await of("few");
  assertSays(few.instructions, "> Of alpha.");
  assert(!few.instructions.includes("beta"), few.instructions);
  await using search = await of("search");
  assertSays(search.instructions, "find_tool finds the tools of alpha.");
  assert(!search.instructions.includes("Of alpha"), search.instructions);
});

for (const share of ["window", "machine"]) {
  Deno.test(`what a process of one project last said is told to no window of another, with share ${share}`, async () => {
    await using at = await twoWorkspaces();
    const args = ["-c", "echo words of $1 >&2; exit 3", "sh", "${workspaceFolder}"];
    await using it = await mountingDaemon({ dies: { command: "sh", args, share } });
    await using ada = await Told.open(it, { cwd: at.p, env: { EXAI_WINDOW: "ada" } });
    assertSays(await ada.refusal("dies__any"), `words of ${at.p}`);
    // A sub-agent of the same window is told, and so is one in the same project where that decides.
    const more = { cwd: at.p, env: { EXAI_WINDOW: share === "window" ? "ada" : "eve" } };
    await using own = await Told.open(it, more);
    assertSays(own.instructions, `words of ${at.p}`);
    await using bob = await Told.open(it, { cwd: at.q, env: { EXAI_WINDOW: "bob" } });
    assert(!bob.instructions.includes(at.p), bob.instructions);
  });
}

Deno.test("what a server says of the directory of one window is told to no window of another, with share window too", async () => {
  await using at = await twoWorkspaces();
  await using it = await mountingDaemon({
    where: { command: "python3", args: ["-c", SAYS_WHERE], share: "window" },
  });
  await using ada = await Told.open(it, { cwd: at.p, env: { EXAI_WINDOW: "ada" } });
  await ada.shim.call("say");
  await ada.shim.ask("tools/list");
  await using bob = await Told.open(it, { cwd: at.q, env: { EXAI_WINDOW: "bob" } });
  assert(!bob.instructions.includes(at.p), bob.instructions);
});

Deno.test("windows in all working trees of a repository are told of a server that they share", async () => {
  const script = "node_modules/@supabase/mcp-server-supabase/run.sh";
  await using dir = await tempDir({ "repo/x": "", "other/x": "", [script]: "echo last words >&2; exit 3\n" });
  const at = (name: string) => ({ cwd: `${dir.path}/${name}` });
  await git(at("repo").cwd, "init", "-q");
  await git(at("repo").cwd, "add", ".");
  await git(at("repo").cwd, "commit", "-qm", "first");
  await git(at("repo").cwd, "worktree", "add", "-q", "--detach", at("tree").cwd);
  await using it = await mountingDaemon({ dies: { command: "sh", args: [`${dir.path}/${script}`] } });
  await using ada = await Told.open(it, at("tree"));
  assertSays(await ada.refusal("dies__any"), "last words");
  await using eve = await Told.open(it, at("tree"));
  assertSays(eve.instructions, "last words");
  await using main = await Told.open(it, at("repo"));
  assertSays(main.instructions, "last words");
  await using bob = await Told.open(it, at("other"));
  assert(!bob.instructions.includes("last words"), bob.instructions);
});
