import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { callsCommand } from "../../lib/commands/calls.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import { runCommandAlone } from "../helpers/command.ts";
import type { ClientKind, EraClient } from "../helpers/era_client.ts";
import { eraClient } from "../helpers/eras.ts";
import { eraEntry } from "../helpers/eras_matrix.ts";
import { tempDir } from "../helpers/files.ts";
import { mountingDaemon } from "../helpers/mounts.ts";

const DAEMON = fromFileUrl(new URL("../../daemon.ts", import.meta.url));
const KINDS: readonly ClientKind[] = ["legacy", "modern"];

const replayOf = (file: string, ...flags: string[]) => [
  Deno.execPath(),
  ...["run", "-A", "--no-check", DAEMON, "replay", file, ...flags],
];

/** What a client sees of a server: its lists, and calls of every kind. */
async function useAll(client: EraClient): Promise<JsonObject> {
  const refusal = async (work: Promise<unknown>) => {
    // The eras have other codes for it, and the clients write them differently.
    return /refused with -32055/.exec(String(await assertRejects(() => work)))![0];
  };
  return {
    tools: await client.tools(),
    prompts: await client.prompts(),
    resources: await client.resources(),
    echo: await client.call("echo", { text: "a" }),
    fail: await client.call("fail"),
    refuse: await refusal(client.call("refuse", { code: -32055 })),
    slow: await client.call("slow", { ms: 5, steps: 3 }),
    asked: await client.call("ask_form"),
    questions: client.questions.splice(0),
    record: await client.call("record"),
    read: await client.read("test://static-text"),
    again: [await client.call("asked"), await client.call("asked")],
  };
}

Deno.test("a recorded session is played back to clients of either era as it was", async (t) => {
  await using dir = await tempDir({});
  await using it = await mountingDaemon({ eras: eraEntry("both") }, { callsBodies: true });
  const settings = defaultSettings({ home: it.home, port: Number(new URL(it.url).port) });
  for (const recorded of KINDS) {
    const place = { door: "websocket" as const, http: it.http, home: it.home };
    const before = new Set((await sessions(it.http)).keys());
    let seen: JsonObject;
    {
      await using client = await eraClient(recorded, place);
      seen = await useAll(client);
    }
    const session = [...(await sessions(it.http)).keys()].find((id) => !before.has(id))!;
    const file = `${dir.path}/${recorded}.ndjson`;
    const options = new Map([["session", [session]], ["out", [file]]]);
    assertStringIncludes(
      await runCommandAlone(callsCommand, ["export"], { settings, options }),
      `calls are in ${file}`,
    );
    for (const player of KINDS) {
      await t.step(`${recorded} played to ${player}`, async () => {
        await using client = await eraClient(player, { ...place, door: "shim", instead: replayOf(file) });
        const now = withoutEra(await useAll(client));
        for (const [name, value] of Object.entries(withoutEra(seen))) assertEquals(now[name], value, name);
        const more = await assertRejects(() => client.call("asked"));
        assertStringIncludes(String(more), "recorded less often");
        const other = await assertRejects(() => client.call("echo", { text: "b" }));
        assertStringIncludes(String(other), `not with {"text":"b"}; there is {"text":"a"}`);
        assertStringIncludes(
          String(await assertRejects(() => client.call("nobody"))),
          `a call of "nobody" is not recorded in session ${session}`,
        );
      });
    }
  }
});

/** The ids of the sessions that have calls. */
async function sessions(http: string): Promise<Map<string, number>> {
  const { calls } = await (await fetch(new URL("/calls?limit=2000", http))).json();
  return new Map(calls.map(({ session }: { session: string }) => [session, 1]));
}

/** What the eras write differently: types of results and lists, hints for caches, the server of the hop. */
function withoutEra(value: JsonObject): JsonObject {
  const names = ["resultType", "ttlMs", "cacheScope", "execution", "outputSchema", "_meta"];
  return JSON.parse(JSON.stringify(value, (name, part) => names.includes(name) ? undefined : part));
}

Deno.test("a replay is mounted like any server, and takes as long as it took where that is wanted", async () => {
  await using dir = await tempDir({});
  const file = `${dir.path}/one.ndjson`;
  const lines = [
    { type: "header", exai_calls: 1, exai: "1", body_max_chars: 1000 },
    {
      type: "shown",
      session: "s",
      method: "tools/list",
      request: {},
      result: { tools: [{ name: "wait", inputSchema: { type: "object" } }] },
    },
    {
      type: "call",
      session: "s",
      method: "tools/call",
      tool: "wait",
      outcome: "ok",
      duration_ms: 300,
      request: {},
      answer: { content: [{ type: "text", text: "waited" }] },
    },
    { type: "end", calls: 1 },
  ];
  await Deno.writeTextFile(file, lines.map((line) => JSON.stringify(line)).join("\n") + "\n");
  const [command, ...args] = replayOf(file, "--speed=real");
  await using it = await mountingDaemon({ replayed: { command: command!, args } });
  await using client = await eraClient("legacy", { door: "websocket", http: it.http, home: it.home });
  assert((await client.tools()).some(({ name }) => name === "wait"));
  const beganMs = performance.now();
  const { content } = await client.call("wait");
  assertEquals(content, [{ type: "text", text: "waited" }]);
  assert(performance.now() - beganMs >= 290);
});
