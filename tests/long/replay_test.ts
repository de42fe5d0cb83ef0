import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { callsCommand } from "../../lib/commands/calls.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import { runCommandAlone } from "../helpers/command.ts";
import type { ClientKind, EraClient } from "../helpers/era_client.ts";
import { eraClient } from "../helpers/eras.ts";
import { eraEntry } from "../helpers/eras_matrix.ts";
import { testDaemon } from "../helpers/daemon.ts";
import { tempDir } from "../helpers/files.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { runDaemon } from "../helpers/program.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { until } from "../helpers/until.ts";

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
    const before = await sessions(it.http);
    let seen: JsonObject;
    {
      await using client = await eraClient(recorded, place);
      seen = await useAll(client);
    }
    const [session] = [...(await sessions(it.http)).difference(before)] as [string];
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
async function sessions(http: string): Promise<Set<string>> {
  const { calls } = await (await fetch(new URL("/calls?limit=2000", http))).json();
  return new Set(calls.map(({ session }: { session: string }) => session));
}

/** What the eras write differently: types of results and lists, hints for caches, the server of the hop. */
function withoutEra(value: JsonObject): JsonObject {
  const names = ["resultType", "ttlMs", "cacheScope", "execution", "outputSchema", "_meta"];
  return JSON.parse(JSON.stringify(value, (name, part) => names.includes(name) ? undefined : part));
}

/** A file with one session, in which the tool `wait` has answered after `ms`. */
async function waited(path: string, ms: number): Promise<void> {
  const lines = [
    { type: "header", exai_calls: 1, exai: "1" },
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
      duration_ms: ms,
      request: {},
      answer: { content: [{ type: "text", text: "waited" }] },
    },
    { type: "end", calls: 1 },
  ];
  await Deno.writeTextFile(path, lines.map((line) => JSON.stringify(line)).join("\n") + "\n");
}

Deno.test("a script that closes its end at once gets the answers that take longer", async () => {
  await using dir = await tempDir({});
  await waited(`${dir.path}/one.ndjson`, 2000);
  const [command, ...args] = replayOf(`${dir.path}/one.ndjson`, "--speed=real");
  const replay = new Deno.Command(command!, { args, stdin: "piped", stdout: "piped", stderr: "inherit" })
    .spawn();
  const writer = replay.stdin.getWriter();
  const params = { name: "wait", arguments: {} };
  const request = { jsonrpc: "2.0", id: 1, method: "tools/call", params };
  await writer.write(new TextEncoder().encode(`${JSON.stringify(request)}\n`));
  await writer.close();
  const { code, stdout } = await replay.output();
  assertEquals(code, 0);
  assertEquals(JSON.parse(new TextDecoder().decode(stdout)).result.content[0].text, "waited");
});

Deno.test("a replay is mounted like any server, and takes as long as it took where that is wanted", async () => {
  await using dir = await tempDir({});
  const file = `${dir.path}/one.ndjson`;
  await waited(file, 300);
  const [command, ...args] = replayOf(file, "--speed=real");
  await using it = await mountingDaemon({ replayed: { command: command!, args } });
  await using client = await eraClient("legacy", { door: "websocket", http: it.http, home: it.home });
  // A list waits only so long for a server that starts on a busy machine.
  const isListed = async () => (await client.tools()).find(({ name }) => name === "wait");
  await until("the tool is listed", isListed);
  const beganMs = performance.now();
  const { content } = await client.call("wait");
  assertEquals(content, [{ type: "text", text: "waited" }]);
  assert(performance.now() - beganMs >= 290);
});

Deno.test("an export has no secrets, is its owner's alone, and needs no daemon", async () => {
  await using dir = await tempDir({});
  await Deno.mkdir(`${dir.path}/home`, { mode: 0o700 });
  const home = `${dir.path}/home`;
  const file = `${dir.path}/said.ndjson`;
  const exported = (...flags: string[]) => runDaemon({ home, args: ["calls", "export", ...flags] });
  const use = async (callsBodies: boolean) => {
    await using it = await testDaemon({ settings: { home, callsBodies } });
    using client = await RawClient.hello(it.url, { session_id: `with-${callsBodies}` });
    await client.call("challenge", { prompt: "is the password=hunter2000 safe?" });
  };
  await use(false);
  const unsaid = await exported(`--out=${file}`);
  assertEquals(unsaid.code, 1);
  assertStringIncludes(unsaid.stderr, `"callsBodies": true in exai.json`);
  await assertRejects(() => Deno.stat(file), Deno.errors.NotFound);
  await use(true);
  const { code, stdout } = await exported(`--out=${file}`);
  assertEquals(code, 0);
  assertStringIncludes(stdout, `1 calls are in ${file}`);
  const text = await Deno.readTextFile(file);
  assertStringIncludes(text, "password=[secret] safe");
  assertEquals(text.includes("hunter2000"), false);
  if (Deno.build.os !== "windows") assertEquals((await Deno.stat(file)).mode! & 0o777, 0o600);
  assertStringIncludes((await exported(`--out=${file}`)).stderr, "exists already");
  const printed = await exported("--session=with-t");
  assertEquals(printed.stdout.trim().split("\n").map((line) => JSON.parse(line).type), [
    "header",
    "call",
    "end",
  ]);
  assertStringIncludes(
    (await exported("--session=nobody")).stderr,
    'no call of a session "nobody" is recorded',
  );
});
