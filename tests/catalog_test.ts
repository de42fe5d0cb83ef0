import { assertEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { Call } from "../lib/call/call.ts";
import type { ListKind, Server } from "../lib/call/server.ts";
import { Catalog } from "../lib/router/catalog.ts";
import { textResult } from "../lib/wire/mcp.ts";

/** No test waits so long: a list that waits for a deadline of this length never comes. */
const NEVER_MS = 2 ** 31 - 1;

/** A server of one tool whose list can be held back. */
class HeldServer implements Server {
  readonly target = () => Promise.resolve({ result: textResult("") });
  list: Server["list"];

  constructor(readonly name: string, public tools: string[] = [name]) {
    this.list = this.answer;
  }

  readonly answer = (kind: ListKind): Promise<JsonObject[]> =>
    Promise.resolve(kind === "tools" ? this.tools.map((name) => ({ name })) : []);

  /** From now on lists are not answered before the returned function is called. */
  hold(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.list = async (kind) => {
      await promise;
      return await this.answer(kind);
    };
    return () => {
      this.list = this.answer;
      resolve();
    };
  }

  describe() {
    const serverInfo = { name: this.name, version: "1" };
    return Promise.resolve({ protocolVersion: "2025-11-25", capabilities: { tools: {} }, serverInfo });
  }
}

/** A call of the session `id`; what its client is told is kept, and can be awaited. */
function callOf(id: string) {
  const told = Promise.withResolvers<string>();
  const call = {
    method: "tools/list",
    params: {},
    caller: { id, notify: (method: string) => told.resolve(method) },
    signal: new AbortController().signal,
    progressToken: undefined,
    notify: () => {},
    ask: () => Promise.reject(new Error("not asked")),
  } as unknown as Call;
  return Object.assign(call, { told: told.promise });
}

const namesIn = (entries: ReadonlyMap<string, unknown>) => [...entries.keys()];

Deno.test("a server that is late is left out, and every window that missed it is told when it has come", async () => {
  const [slow, quick] = [new HeldServer("slow"), new HeldServer("quick")];
  const catalog = new Catalog({ servers: () => [slow, quick], deadlineMs: 1 });
  const release = slow.hold();
  const calls = [callOf("ada"), callOf("bob")];
  for (const call of calls) assertEquals(namesIn(await catalog.list("tools", call)), ["quick"]);
  release();
  for (const call of calls) {
    assertEquals(await call.told, "notifications/tools/list_changed");
    assertEquals(namesIn(await catalog.list("tools", call)), ["slow", "quick"]);
  }
});

Deno.test("once a server's list has changed, calls of its neighbours do not wait for it to be listed anew", async () => {
  const [moody, quick] = [new HeldServer("moody"), new HeldServer("quick")];
  const catalog = new Catalog({ servers: () => [moody, quick], deadlineMs: NEVER_MS });
  const call = callOf("ada");
  await catalog.list("tools", call);
  const release = moody.hold();
  catalog.invalidate();
  assertEquals((await catalog.find("tools", "quick", call))?.server, quick);
  release();
});

Deno.test("a tool that has moved to another server is found there", async () => {
  const [before, after] = [new HeldServer("before", ["tool"]), new HeldServer("after", [])];
  const catalog = new Catalog({ servers: () => [before, after], deadlineMs: NEVER_MS });
  const call = callOf("ada");
  assertEquals((await catalog.find("tools", "tool", call))?.server, before);
  [before.tools, after.tools] = [[], ["tool"]];
  catalog.invalidate();
  assertEquals((await catalog.find("tools", "tool", call))?.server, after);
});

Deno.test("what a server that was unmounted offered leads nowhere; its successor is found in its place", async () => {
  const servers = [new HeldServer("one", ["tool"])];
  const catalog = new Catalog({ servers: () => servers, deadlineMs: NEVER_MS });
  const call = callOf("ada");
  await catalog.list("tools", call);
  servers[0] = new HeldServer("one", ["tool"]);
  catalog.invalidate();
  assertEquals((await catalog.find("tools", "tool", call))?.server, servers[0]);
  servers.length = 0;
  catalog.invalidate();
  assertEquals(await catalog.find("tools", "tool", call), undefined);
});

Deno.test("a tool a window was shown still leads to its server when that cannot be listed: it says itself why", async () => {
  const server = new HeldServer("ill");
  const catalog = new Catalog({ servers: () => [server], deadlineMs: NEVER_MS });
  const call = callOf("window");
  await catalog.list("tools", call);
  catalog.invalidate();
  server.list = () => Promise.reject(new Error("it is being restarted"));
  assertEquals((await catalog.find("tools", "ill", call))?.server, server);
  assertEquals(await catalog.find("tools", "never", call), undefined);
});
