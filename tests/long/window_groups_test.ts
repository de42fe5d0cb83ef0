import { assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { tempDir } from "../helpers/files.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { runDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { Shim } from "../helpers/shim.ts";

const WHERE = {
  command: Deno.execPath(),
  args: ["run", "-A", "--no-check", fromFileUrl(new URL("../fixtures/where_server.ts", import.meta.url))],
};

/** The process of the server that serves a window. */
async function pidOf(shim: Shim): Promise<string> {
  const { result, error } = await shim.call("where");
  if (error) throw new Error(JSON.stringify(error));
  return ((result as JsonObject).content as { text: string }[])[0]!.text.split(" ")[0]!;
}

async function statusOf(it: { http: string }) {
  const [status, health] = await Promise.all(
    ["/status", "/health"].map(async (path) => await (await fetch(new URL(path, it.http))).json()),
  );
  return { windows: (status.sessions as JsonObject[]).map(({ window }) => window), count: health.windows };
}

Deno.test("clients of one window share a server with share window, wherever its sub-agents work, and no other window does", async () => {
  await using dir = await tempDir({ "a/x": "", "b/x": "" });
  await using it = await mountingDaemon({ where: { ...WHERE, share: "window" } });
  const port = Number(new URL(it.url).port);
  const options = { home: it.home, port };
  // This process starts both, as the process of an editor's window does.
  await using main = await Shim.ready({ ...options, cwd: `${dir.path}/a` });
  await using agent = await Shim.ready({ ...options, cwd: `${dir.path}/b` });
  await using other = await Shim.ready({ ...options, cwd: `${dir.path}/a`, env: { EXAI_WINDOW: "another" } });
  await using others = await Shim.ready({
    ...options,
    cwd: `${dir.path}/b`,
    env: { EXAI_WINDOW: "another" },
  });
  const pids = [await pidOf(main), await pidOf(agent), await pidOf(other), await pidOf(others)];
  assertEquals([pids[1], pids[3]], [pids[0], pids[2]]);
  assertNotEquals(pids[0], pids[2]);
  const { windows, count } = await statusOf(it);
  assertEquals(windows.toSorted(), [String(Deno.pid), String(Deno.pid), "another", "another"].toSorted());
  assertEquals(count, 2);
  const { stdout } = await runDaemon({ home: it.home, args: ["ps"] });
  assertMatch(stdout, /SESSION +CLIENT +WINDOW/);
  assertMatch(stdout, new RegExp(`test window +${Deno.pid} +yes`));
});

Deno.test("state of one user is not shared by clients that one process has started", async () => {
  await using dir = await tempDir({ "a/x": "" });
  await using it = await mountingDaemon({ where: { ...WHERE, share: "session" } });
  const options = { home: it.home, port: Number(new URL(it.url).port), cwd: `${dir.path}/a` };
  await using one = await Shim.ready(options);
  await using two = await Shim.ready(options);
  assertNotEquals(await pidOf(one), await pidOf(two));
});

Deno.test("a client that says nothing of its window is one by itself, and a malformed window is refused", async () => {
  await using it = await mountingDaemon({ where: { ...WHERE, share: "window" } });
  using one = await RawClient.hello(it.url, { window: null });
  using two = await RawClient.hello(it.url);
  const said = [await one.call("where"), await two.call("where")].map((answer) =>
    JSON.stringify(answer.outputs)
  );
  assertNotEquals(said[0], said[1]);
  assertEquals((await statusOf(it)).count, 2);
  for (const window of [{ pid: -1 }, { pid: "1" }, { id: "x".repeat(200) }, "window"]) {
    const client = await RawClient.connect(it.url);
    client.send({ op: "hello", client: "test", window });
    assertEquals((await client.closed).code, 4000, JSON.stringify(window));
  }
  await one.close();
  await two.close();
});
