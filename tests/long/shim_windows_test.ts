import { assertEquals, assertStringIncludes } from "@std/assert";
import { toFileUrl } from "@std/path";
import { AWAIT_CALL } from "../../lib/admission/detached_calls.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { sdkClient, shimWindow, textOf } from "../helpers/sdk_client.ts";
import { asksOf, callAll, callsOf, threeServers } from "../helpers/three_servers.ts";

type Window = Awaited<ReturnType<typeof shimWindow>>;

/** A tool of server-everything that runs as a task, for some seconds. */
const TASK_TOOL = "simulate-research-query";
/** What the windows let a server ask. */
const CAPABILITIES = { sampling: {}, elicitation: { form: {}, url: {} } };

async function research(window: Window, topic: string): Promise<string> {
  // The SDK runs a tool as a task only if it has seen that the tool wants to.
  await window.listTools();
  const messages = window.experimental.tasks.callToolStream({ name: TASK_TOOL, arguments: { topic } });
  for await (const message of messages) {
    if (message.type === "error") throw message.error;
    if (message.type === "result") return textOf(message.result);
  }
  throw new Error("the task ended without a result");
}

Deno.test("ten windows behind real shims share one copy of each server; every tool answers each rightly, nothing is crossed", async () => {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-windows-" }));
  {
    const servers = threeServers(dir);
    // By default each window has one of its own: it keeps what one window has toggled.
    servers.everything!.share = "project";
    await using it = await mountingDaemon(servers);
    await using windows = new AsyncDisposableStack();
    const names = Array.from({ length: 10 }, (_, i) => `window-${i}`);
    const open = async (name: string) => {
      const roots = [toFileUrl(dir).href];
      const options = { name, home: it.home, url: it.url, cwd: dir, capabilities: CAPABILITIES, roots };
      return windows.use(await shimWindow(options));
    };
    const clients = await Promise.all(names.map(open));
    const [first] = clients;
    await callAll(first!, asksOf(names[0]!, dir));
    const offered = (await first!.listTools()).tools.map(({ name }) => name);
    const own = (await ownTools(it.url)).concat(TASK_TOOL, AWAIT_CALL);
    const called = [...callsOf("x", dir), ...asksOf("x", dir)].map(([name]) => name);
    assertEquals(offered.filter((name) => !own.includes(name)).toSorted(), called.toSorted());
    const reports = Promise.all(clients.map((client, i) => research(client, names[i]!)));
    // They fail too when the test ends before them.
    reports.catch(() => {});
    // The memory server reads and writes its whole file for each change, with no lock: its tools are called in turn.
    for (const [i, client] of clients.entries()) {
      await callAll(client, [...callsOf(names[i]!, dir), ...asksOf(names[i]!, dir)]);
    }
    // Windows that are asked go apart; what asks nobody stays shared by all.
    const shared = (await it.status()).filter(({ server }) => server !== "everything");
    const children = shared.map(({ server, state, sessions }) => [server, state, (sessions as []).length]);
    assertEquals(children, ["filesystem", "memory"].map((server) => [server, "running", 10]));
    for (const [i, report] of (await reports).entries()) assertStringIncludes(report, `: ${names[i]}\n`);
    // All at once: who waits too long for the others gets a process of its own.
    await Promise.all(clients.map((client, i) => callAll(client, asksOf(names[i]!, dir))));
  }
  await Deno.remove(dir, { recursive: true });
});

async function ownTools(url: string): Promise<string[]> {
  await using client = await sdkClient(`${url}mcp/exai`);
  return (await client.listTools()).tools.map(({ name }) => name);
}
