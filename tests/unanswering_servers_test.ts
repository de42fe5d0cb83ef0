import { assert, assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { SECOND_MS } from "../lib/base/units.ts";
import type { Call } from "../lib/call/call.ts";
import type { ListKind, Server } from "../lib/call/server.ts";
import { currentWait } from "../lib/call/wait.ts";
import type { Result } from "../lib/wire/rpc.ts";
import { call } from "./helpers/call.ts";
import { routerOf } from "./helpers/fake_server.ts";
import { until } from "./helpers/until.ts";

/** What a server makes of a call; undefined: it never answers it. */
type Answer = (call: Call) => Result | undefined;

/** A server with resources and tasks that stand in no list, which answers as a test says. */
class UnlistedServer implements Server {
  readonly asked: Call[] = [];

  constructor(readonly name: string, readonly answer: Answer, readonly uris: readonly string[] = []) {}

  readonly target = (call: Call): Promise<Result> => {
    this.asked.push(call);
    const answer = this.answer(call);
    return answer ? Promise.resolve(answer) : new Promise(() => {});
  };

  list(kind: ListKind): Promise<JsonObject[]> {
    if (kind === "tools") return Promise.resolve([{ name: this.name }]);
    return Promise.resolve(kind === "resources" ? this.uris.map((uri) => ({ uri })) : []);
  }

  describe() {
    const serverInfo = { name: this.name, version: "1" };
    return Promise.resolve({ protocolVersion: "2025-11-25", capabilities: { resources: {} }, serverInfo });
  }
}

const DEADLINE = { listDeadlineMs: 30 };

const HERE: Result = { result: { contents: [{ uri: "doc://x", text: "here" }] } };
const NOT_HERE: Result = { error: { code: -32002, message: "not mine" } };

for (const method of ["resources/read", "resources/subscribe", "resources/unsubscribe"]) {
  Deno.test(`${method} of what stands in no list is answered though another server never answers it`, async () => {
    const servers = [
      new UnlistedServer("mute", () => undefined),
      new UnlistedServer("mute_too", () => undefined),
      new UnlistedServer("well", () => HERE),
    ];
    const asked = routerOf(servers, DEADLINE).target(call({ method, params: { uri: "doc://x" } }));
    assertEquals(await deadline(asked, 5 * SECOND_MS), HERE);
    // What was only guessed at is not asked any longer.
    const isGivenUp = servers[0]!.asked[0]!.signal.aborted;
    assertEquals(isGivenUp, method === "resources/read");
  });
}

Deno.test("a resource two servers list is read from the one that answers", async () => {
  const servers = [
    new UnlistedServer("other", () => NOT_HERE, ["doc://x"]),
    new UnlistedServer("mute", () => undefined, ["doc://x"]),
    new UnlistedServer("well", () => HERE, ["doc://x"]),
  ];
  const asked = routerOf(servers, DEADLINE).target(
    call({ method: "resources/read", params: { uri: "doc://x" } }),
  );
  assertEquals(await deadline(asked, 5 * SECOND_MS), HERE);
});

Deno.test("a slow server is waited for where no other has the resource, and the call says so", async () => {
  const answer = Promise.withResolvers<Result>();
  const slow = new UnlistedServer("slow", () => undefined);
  const target = (asked: Call) => (slow.asked.push(asked), answer.promise);
  const servers = [Object.assign(slow, { target }), new UnlistedServer("other", () => NOT_HERE)];
  const trace = {} as NonNullable<Call["trace"]>;
  const asked = routerOf(servers, DEADLINE).target(
    call({ method: "resources/read", params: { uri: "doc://x" }, trace }),
  );
  await until("the wait", () => currentWait(trace)?.what() === 'server "slow" to answer');
  answer.resolve(HERE);
  assertEquals(await asked, HERE);
  assertEquals(currentWait(trace), undefined);
});

Deno.test("a read that is given up does not wait for servers that never answer", async () => {
  const servers = [new UnlistedServer("mute", () => undefined), new UnlistedServer("other", () => NOT_HERE)];
  const aborted = new AbortController();
  const router = routerOf(servers, DEADLINE);
  const signal = aborted.signal;
  // The policies of a server end its calls.
  const heeding = servers[0]!;
  Object.assign(heeding, {
    target: (asked: Call) =>
      new Promise((_, reject) => asked.signal.addEventListener("abort", () => reject(asked.signal.reason))),
  });
  const asked = router.target(call({ method: "resources/read", params: { uri: "doc://x" }, signal }));
  setTimeout(() => aborted.abort(new ExaiError("CANCELLED", "enough")), 60);
  const error = await deadline(assertRejects(() => asked, ExaiError), 5 * SECOND_MS);
  assertEquals(error.message, "enough");
});

Deno.test("tasks/list shows the tasks of the servers that answer, and waits for no other", async () => {
  const task = (taskId: string) => ({
    taskId,
    status: "working",
    createdAt: "2025-11-25T10:30:00Z",
    lastUpdatedAt: "2025-11-25T10:30:00Z",
    ttl: 60_000,
  });
  const having = (name: string, tasks: Result | undefined) =>
    new UnlistedServer(
      name,
      ({ method }) => method === "tasks/list" ? tasks : { result: { task: task(`${name}-1`) } },
    );
  const mute = having("mute", undefined);
  const router = routerOf([mute, having("well", { result: { tasks: [task("well-1")] } })], DEADLINE);
  for (const name of ["mute", "well"]) await router.target(call({ params: { name, task: {} } }));
  const { result } = await deadline(router.target(call({ method: "tasks/list", params: {} })), 5 * SECOND_MS);
  const tasks = result?.tasks as { taskId: string }[];
  assertEquals(tasks.map(({ taskId }) => taskId), ["well-1"]);
  assert(mute.asked.at(-1)!.signal.aborted, "and it is not asked any longer");
});
