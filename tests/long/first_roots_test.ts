import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { tempDir } from "../helpers/files.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";

const fixture = fromFileUrl(new URL("../fixtures/roots_server.ts", import.meta.url));
const entry = (...args: string[]) => ({
  command: Deno.execPath(),
  args: ["run", "-A", "--no-check", fixture, ...args],
});

/** A window on the real shim; with `roots`, its client tells them when it is asked. */
async function open(it: { home: string; url: string }, cwd: string, roots?: readonly string[]) {
  const shim = await Shim.start({ home: it.home, port: Number(new URL(it.url).port), cwd });
  await shim.initialize({ ...INITIALIZE, capabilities: roots ? { roots: { listChanged: true } } : {} });
  void (async () => {
    for (;;) {
      const { id } = await shim.next(({ method }) => method === "roots/list");
      await shim.send({
        jsonrpc: "2.0",
        id,
        result: { roots: roots!.map((dir) => ({ uri: `file://${dir}` })) },
      });
    }
  })().catch(() => {});
  return shim;
}

async function call(shim: Shim): Promise<{ roots: string[]; args: string[]; pid: number }> {
  const { result, error } = await shim.call("roots");
  if (error) throw new Error(JSON.stringify(error));
  return JSON.parse(((result as JsonObject).content as { text: string }[])[0]!.text);
}

for (const share of ["project", "session"]) {
  Deno.test(`a server knows both roots of a window at its first call, started for it (${share})`, async () => {
    await using it = await mountingDaemon({ roots: { ...entry("${workspaceFolder}"), share } });
    // The second window's lists are known already, so that its first call starts the process.
    for (let n = 0; n < 3; n++) {
      await using dir = await tempDir({ "a/x": "", "b/x": "" });
      const roots = [`${dir.path}/a`, `${dir.path}/b`];
      await using shim = await open(it, dir.path, roots);
      const seen = await call(shim);
      assertEquals(seen.roots, roots.map((root) => `file://${root}`), `window ${n}`);
      assertEquals(seen.args.at(-1), roots[0]);
    }
  });
}

Deno.test("a server that uses the workspace waits for roots for a bounded time, and is then not started", async () => {
  await using dir = await tempDir({ "a/x": "" });
  await using it = await mountingDaemon({
    roots: entry("${workspaceFolder}"),
    plain: { ...entry(), prefix: "plain_" },
  });
  const shim = await Shim.start({ home: it.home, port: Number(new URL(it.url).port), cwd: dir.path });
  await using _shim = shim;
  await shim.initialize({ ...INITIALIZE, capabilities: { roots: {} } });
  const asked = () => shim.next(({ method }) => method === "roots/list");
  await asked();
  const call = () => shim.call("roots");
  const begunMs = performance.now();
  const { error } = await call();
  const waitedMs = performance.now() - begunMs;
  // Its list is not known, and neither is whose the tool is.
  const { code, missing } = (error as { data: JsonObject }).data;
  assertEquals([code, missing], ["TOOL_NOT_FOUND", [{ server: "roots", reason: "roots_pending" }]]);
  assert(waitedMs < 15_000, `${waitedMs} ms`);
  // The server that does not need the directory runs meanwhile.
  assertEquals((await shim.call("plain_roots")).error, undefined);
  // It is asked again by the calls after that.
  const answer = call();
  const { id } = await asked();
  await shim.send({ jsonrpc: "2.0", id, result: { roots: [{ uri: `file://${dir.path}/a` }] } });
  assertStringIncludes(JSON.stringify(await answer), `${dir.path}/a`);
});

Deno.test("a window opened in / or at home is told why a server was not started, and one in a folder is served", async () => {
  await using dir = await tempDir({ "a/x": "" });
  await using it = await mountingDaemon({ roots: entry("${workspaceFolder}") });
  // Knows the list from a window that may have the server.
  await using served = await open(it, `${dir.path}/a`);
  assertEquals((await call(served)).args.at(-1), `${dir.path}/a`);
  for (const cwd of ["/", Deno.env.get("HOME")!]) {
    await using shim = await Shim.start({ home: it.home, port: Number(new URL(it.url).port), cwd });
    // Where the person is.
    const { instructions } = (await shim.initialize()).result as JsonObject;
    assertStringIncludes(String(instructions), `server "roots" does not work: it uses \${workspaceFolder}`);
    const { error } = await shim.call("roots");
    const { code, message, data } = error as { code: number; message: string; data: JsonObject };
    assertEquals([code, data.code, data.reason], [-32012, "UPSTREAM_UNAVAILABLE", "workspace_required"]);
    assertStringIncludes(message, `the directory of this client is ${cwd}, `);
  }
  assertEquals((await it.status()).length, 1);
});
