import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { deadline } from "@std/async/deadline";
import type { JsonObject } from "../../lib/base/json.ts";
import { SECOND_MS } from "../../lib/base/units.ts";
import type { Envelope } from "../../lib/tool/tool_output.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";
import { Shim } from "../helpers/shim.ts";
import { planStep, twoWorkspaces } from "../helpers/two_workspaces.ts";

const LIMIT_MS = 60 * SECOND_MS;

const INITIALIZE = {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "window", version: "1" },
};

const SECRET = "sell the company";

/** A window with a real shim in the directory `cwd`. */
async function openWindow(daemon: { url: string; home: string }, cwd: string) {
  const shim = await Shim.start({ port: Number(new URL(daemon.url).port), home: daemon.home, cwd });
  await shim.initialize(INITIALIZE);
  const plan = async (args: JsonObject) => {
    const { result } = await shim.call("planner", args);
    const { content, isError } = result as JsonObject;
    const envelope = JSON.parse(String((content as JsonObject[])[0]!.text)) as Envelope;
    return { ...envelope, isError: isError === true };
  };
  /** Everything a window may find of threads, by every way there is. */
  const find = async (id: string) => {
    const complete = async (ref: JsonObject, name: string) => {
      const params = { ref, argument: { name, value: id.slice(0, 8) } };
      return ((await shim.ask("completion/complete", params)).result as JsonObject).completion as JsonObject;
    };
    const read = async (uri: string) => await shim.ask("resources/read", { uri });
    const { resources } = (await shim.ask("resources/list")).result as { resources: JsonObject[] };
    return {
      listed: resources.map(({ uri }) => String(uri)).filter((uri) => uri.startsWith("exai://threads/")),
      all: JSON.stringify((await read("exai://threads")).result),
      one: JSON.stringify(await read(`exai://threads/${id}`)),
      ids: (await complete({ type: "ref/resource", uri: "exai://threads/{id}" }, "id")).values,
      continuations: (await complete({ type: "ref/prompt", name: "planner" }, "continuation_id")).values,
    };
  };
  return Object.assign(shim, { plan, find });
}

type Window = Awaited<ReturnType<typeof openWindow>>;

async function assertFindsNothing(window: Window, id: string): Promise<void> {
  const found = await window.find(id);
  assertEquals([found.listed, found.ids, found.continuations], [[], [], []]);
  assert(!found.all.includes(id) && !found.all.includes(SECRET), found.all);
  assert(!found.one.includes(SECRET), found.one);
  assertMatch(found.one, /"code":-32002.*belongs to another workspace/);
  for (const step of [planStep(1, "mine now"), planStep(2, "and mine")]) {
    const { isError, content } = await window.plan({ ...step, continuation_id: id });
    assert(isError && !JSON.stringify(content).includes(SECRET), JSON.stringify(content));
    assertStringIncludes(JSON.stringify(content), "belongs to another workspace");
  }
}

async function assertGoesOn(window: Window, id: string, step: number): Promise<void> {
  const found = await window.find(id);
  assertEquals([found.listed, found.ids, found.continuations], [[`exai://threads/${id}`], [id], [id]]);
  assertStringIncludes(found.one, SECRET);
  const { isError, content } = await window.plan({ ...planStep(step, "go on"), continuation_id: id });
  assertEquals(isError, false, JSON.stringify(content));
  const kept = (content as JsonObject).steps_kept as number[];
  assertEquals(kept.at(-1), step);
}

Deno.test("a thread is there for the windows of its workspace and for no other, before and after a restart of the daemon", async () => {
  await deadline(
    (async () => {
      await using dirs = await twoWorkspaces();
      const { home } = dirs;
      let id: string;
      {
        await using daemon = await startDaemon({ home });
        await using ada = await openWindow(daemon, dirs.p);
        await using bob = await openWindow(daemon, dirs.q);
        id = (await ada.plan(planStep(1, SECRET))).continuation_offer!.continuation_id;
        await assertFindsNothing(bob, id);
        await assertGoesOn(ada, id, 2);
        const { isError } = await bob.plan(planStep(1, "a plan of Bob's own"));
        assertEquals(isError, false);
      }
      await using daemon = await startDaemon({ home });
      await using bob = await openWindow(daemon, dirs.q);
      const { listed } = await bob.find(id);
      assertEquals(listed.length, 1);
      assert(!listed[0]!.includes(id));
      await using below = await openWindow(daemon, dirs.below);
      await assertFindsNothing(below, id);
      await using linked = await openWindow(daemon, dirs.link);
      await assertGoesOn(linked, id, 3);
      const { stdout, code } = await runDaemon({
        args: ["threads", "export", "--json"],
        home,
        env: { EXAI_WS_PORT: new URL(daemon.url).port },
      });
      assertEquals([code, (JSON.parse(stdout) as unknown[]).length], [0, 2]);
      assertStringIncludes(stdout, SECRET);
    })(),
    LIMIT_MS,
  );
});
