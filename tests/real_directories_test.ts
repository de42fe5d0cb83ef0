import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { fromFileUrl, toFileUrl } from "@std/path";
import { realPathOf } from "../lib/upstream/sharing/working_directory.ts";
import { httpClient } from "./helpers/http_client.ts";
import { mountedUpstreams } from "./helpers/mounted.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { Window } from "./helpers/instance.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";
import { sdkClient, textOf } from "./helpers/sdk_client.ts";
import { twoWorkspaces } from "./helpers/two_workspaces.ts";

const WHERE = {
  command: Deno.execPath(),
  args: ["run", "-A", "--no-check", fromFileUrl(new URL("./fixtures/where_server.ts", import.meta.url))],
};

Deno.test("windows of one directory share one process whatever links and slashes their names of it have", async () => {
  await using at = await twoWorkspaces();
  await using it = await mountingDaemon({ where: WHERE });
  const seen: string[] = [];
  for (const cwd of [at.p, at.link, `${at.p}/`, `${at.p}/below/..`]) {
    using client = await RawClient.hello(it.url, { cwd });
    seen.push(firstText(await client.call("where")));
    await client.close();
  }
  for (const root of [at.p, at.link]) {
    await using client = await sdkClient(it.url, { roots: [`${toFileUrl(root)}/`] });
    seen.push(textOf(await client.callTool({ name: "where" })));
  }
  await using http = await httpClient(new URL("/mcp", it.http), {
    headers: { "X-Exai-Cwd": encodeURIComponent(at.link) },
  });
  seen.push(textOf(await http.callTool({ name: "where" })));
  assertEquals(new Set(seen).size, 1, seen.join("\n"));
  assertMatch(seen[0]!, new RegExp(` ${await Deno.realPath(at.p)}$`));
  using below = await RawClient.hello(it.url, { cwd: at.below });
  assertNotEquals(firstText(await below.call("where")), seen[0]);
  await below.close();
});

Deno.test("a server is told its directory as the window that starts it names it, and starts in the real one", async () => {
  await using at = await twoWorkspaces();
  const env = { DIR: "${workspaceFolder}" };
  await using it = mountedUpstreams({ config: { env, cwd: "below" } as never });
  const [ada, bob] = [at.link, at.p].map((cwd, i) => new Window(`${i}`, {}, { cwd }));
  for (const one of [ada!, bob!]) await it.mounted.target(one.call());
  const [config] = it.configs as unknown as { cwd: string; env: Record<string, string> }[];
  assertEquals([it.configs.length, config!.env.DIR, config!.cwd], [
    1,
    at.link,
    `${await Deno.realPath(at.p)}/below`,
  ]);
  const roots = [{ uri: `file://${at.link}` }];
  const eve = new Window("eve", { roots: {} }, { cwd: at.q, roots: () => Promise.resolve(roots) });
  await it.mounted.target(eve.call());
  assertEquals(it.configs.length, 1);
});

Deno.test("a directory that is not there, or on another machine, is called what it is called", async () => {
  await using at = await twoWorkspaces();
  assertEquals(await realPathOf(`${at.p}/none//`), `${at.p}/none`);
  assertEquals(await realPathOf("relative"), "relative");
  await Deno.symlink(at.link, `${at.q}/again`);
  assertEquals(await realPathOf(`${at.q}/again`), await Deno.realPath(at.p));
  assert(await realPathOf("/") === "/");
});
