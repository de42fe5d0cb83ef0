import { assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { tempDir } from "../helpers/files.ts";
import { listText, listWith, shuffled } from "../helpers/list_windows.ts";
import { startDaemon } from "../helpers/program.ts";
import { Shim } from "../helpers/shim.ts";

const SERVERS = { a: shuffled(20), b: shuffled(20), c: shuffled(3, { share: "session" }) };

/** A home with these servers, and what is done in it; each daemon takes the place of the one before. */
async function homeWith(servers: Record<string, JsonObject>) {
  const dir = await tempDir({ "mcp.json": JSON.stringify({ mcpServers: servers }), "project/x": "" });
  await Deno.chmod(dir.path, 0o700);
  let daemon = await startDaemon({ home: dir.path });
  const http = () => daemon.url.replace(/^ws/, "http");
  return {
    path: dir.path,
    window: () => Shim.ready({ port: 0, home: dir.path, cwd: `${dir.path}/project` }),
    async restart(signal: "SIGTERM" | "SIGKILL") {
      daemon.process.kill(signal);
      await daemon.process.status;
      await daemon[Symbol.asyncDispose]();
      daemon = await startDaemon({ home: dir.path });
    },
    async remount(servers: Record<string, JsonObject>) {
      await Deno.writeTextFile(`${dir.path}/mcp.json`, JSON.stringify({ mcpServers: servers }));
      await (await fetch(new URL("/reload", http()), { method: "POST" })).json();
    },
    health: async () => await (await fetch(new URL("/health", http()))).json(),
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test("a list taken a hundred times across restarts, crashes and mounts: byte for byte the same", async () => {
  await using at = await homeWith(SERVERS);
  let text: string;
  {
    await using first = await at.window();
    text = await listWith(first, "a__tool_19", "b__tool_19", "c__tool_2");
  }
  let lists = 0;
  const check = async (shim: Shim, without?: string) => {
    assertEquals(await listText(shim, without), text, `list ${++lists}`);
  };
  for (let round = 0; round < 10; round++) {
    await using ada = await at.window();
    await check(ada);
    for (const name of ["a__crash", "b__touch", "c__crash"]) {
      await ada.call(name);
      await check(ada);
    }
    {
      await using bob = await at.window();
      await check(bob);
      await at.remount({ ...SERVERS, aa: shuffled(20) });
      await check(bob, "aa");
      await at.remount(SERVERS);
      await check(bob);
    }
    await at.restart(round % 2 === 0 ? "SIGTERM" : "SIGKILL");
    await check(ada);
    await using eve = await at.window();
    await check(eve);
    await eve.call("a__tool_0");
    await check(eve);
  }
  assertEquals(lists, 100);
});

Deno.test("names stay over a restart also when servers then answer in another order", async () => {
  await using at = await homeWith({ b: shuffled(1) });
  {
    await using ada = await at.window();
    await listWith(ada, "tool_0");
    await at.remount({ a: shuffled(1), b: shuffled(1) });
    await listWith(ada, "tool_0", "a__tool_0");
  }
  await Deno.remove(`${at.path}/lists.db`);
  await at.restart("SIGKILL");
  await using bob = await at.window();
  await listWith(bob, "tool_0", "a__tool_0");
});

Deno.test("a damaged file of names costs no list and no call, and is told in the health report", async () => {
  await using at = await homeWith({ a: shuffled(1), b: shuffled(1) });
  {
    await using ada = await at.window();
    await listWith(ada, "a__tool_0", "b__tool_0");
  }
  for (const suffix of ["-wal", "-shm"]) await Deno.remove(`${at.path}/names.db${suffix}`).catch(() => {});
  await Deno.writeTextFile(`${at.path}/names.db`, "this is no database ".repeat(500));
  await at.restart("SIGKILL");
  await using bob = await at.window();
  const text = await listWith(bob, "a__tool_0", "b__tool_0");
  assertStringIncludes(JSON.stringify((await at.health()).notes), "names.db could not be read");
  assertEquals((await bob.call("a__tool_0")).error, undefined);
  await at.restart("SIGTERM");
  assertEquals(await listText(bob), text);
});
