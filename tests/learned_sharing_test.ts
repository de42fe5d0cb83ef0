import { assert, assertEquals, assertMatch, assertNotEquals, assertRejects } from "@std/assert";
import { basename, dirname, fromFileUrl } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { mountingDaemon } from "./helpers/mounts.ts";
import { runDaemon } from "./helpers/program.ts";
import { firstText, RawClient } from "./helpers/raw_client.ts";
import { twoWorkspaces } from "./helpers/two_workspaces.ts";
import { until } from "./helpers/until.ts";

/** Files of processes are seen on Linux only. */
const testWhereFilesAreSeen = Deno.build.os === "linux" ? Deno.test : Deno.test.ignore;

/** Whether the system counts what is written to temporary files: not where they are in memory. */
function countsWrites(): boolean {
  try {
    const io = () => /^write_bytes: (\d+)/m.exec(Deno.readTextFileSync("/proc/self/io"))?.[1];
    const before = io();
    const path = Deno.makeTempFileSync();
    Deno.writeTextFileSync(path, "x".repeat(10_000));
    Deno.removeSync(path);
    return before !== io();
  } catch {
    return false;
  }
}

const observed = (...args: string[]): JsonObject => ({
  command: Deno.execPath(),
  args: [
    "run",
    "-A",
    "--no-check",
    fromFileUrl(new URL("./fixtures/observed_server.ts", import.meta.url)),
    ...args,
  ],
});

/** Another daemon of the same home, whose status is read. */
async function nextDaemon(home: string) {
  const it = await testDaemon({ settings: { home } });
  const status = async (): Promise<JsonObject[]> =>
    (await (await fetch(new URL("/status", it.http))).json()).servers;
  return { ...it, status };
}

type Daemon = Pick<Awaited<ReturnType<typeof mountingDaemon>>, "url" | "status">;

/** What the calls of a new window in `cwd` answer; the window is gone afterwards. */
async function say({ url }: Daemon, cwd: string, calls = 1): Promise<string> {
  using client = await RawClient.hello(url, { cwd });
  let answer = "";
  for (let i = 0; i < calls; i++) answer = firstText(await client.call("say"));
  await client.close();
  return answer;
}

/** Resolves when `ps --why` says `wanted` of a process of the only server. */
async function whyMatches(it: Daemon, wanted: RegExp): Promise<string> {
  return await until(`why: ${wanted}`, async () => {
    const why = (await it.status()).map((row) => String(row.why)).join("\n");
    return wanted.test(why) ? why : undefined;
  });
}

/** As many calls of a new process in `cwd`, each after the first once the process was looked at. */
async function sayWatched(it: Daemon, cwd: string, { calls, places }: { calls: number; places: string }) {
  const pid = await say(it, cwd);
  await whyMatches(it, new RegExp(`: \\d+ calls? from ${places}\\b`, "m"));
  assertEquals(await say(it, cwd, calls - 1), pid);
}

/** Calls the only server from both directories until `ps --why` says `wanted` of it. */
async function sayUntil(it: Daemon, dirs: readonly string[], wanted: RegExp): Promise<void> {
  for (;;) {
    for (const dir of dirs) await say(it, dir, 2);
    const rows = await it.status();
    if (wanted.test(rows.map((row) => String(row.why)).join("\n"))) return;
  }
}

testWhereFilesAreSeen(
  "a server that nothing speaks against in 20 calls from two directories is shared by all windows from then on",
  async () => {
    await using at = await twoWorkspaces();
    await using it = await mountingDaemon({ it: observed("plain") });
    const ps = async () => (await runDaemon({ home: it.home, args: ["ps", "--why"] })).stdout;
    using early = await RawClient.hello(it.url, { cwd: at.p });
    const inP = firstText(await early.call("say"));
    await whyMatches(it, /: 1 call from 1 directory/m);
    for (let i = 1; i < 10; i++) await early.call("say");
    await whyMatches(it, /^not enough seen .*: 10 calls from 1 directory, asked nothing/m);
    await sayWatched(it, at.q, { calls: 9, places: "2 directories" });
    await whyMatches(it, /: 19 calls from 2 directories/);
    assertNotEquals(await say(it, at.q), inP);
    await whyMatches(
      it,
      /the next one: machine, learned: 20 calls from 2 directories, asked nothing, opened nothing below its directory/,
    );
    const shared = await say(it, at.below);
    assertEquals([await say(it, at.q), await say(it, at.p)], [shared, shared]);
    // A window keeps the process it has.
    assertEquals(firstText(await early.call("say")), inP);
    const machine = (await it.status()).find(({ scope }) => scope === "machine")!;
    assertMatch(String(machine.why), /^learned: 2\d calls from \d directories/);
    assertMatch(
      await ps(),
      / learned: 2\d calls from \d directories, asked nothing, opened nothing/,
    );
    await early.close();
  },
);

for (
  const [mode, why, scope] of [
    ["holds", /^learned: holds .*held\.txt open; /m, "project"],
    ["reads", /^learned: opened held\.txt of its directory; /m, "project"],
    ["writes", /^learned: keeps .*kept\.db open for writing; /m, "project"],
    ["tells", /^learned: answered with a path below its directory; /m, "project"],
    ["asks", /^learned: asked for roots; /m, "project"],
    ["saves", /^learned: wrote to the disk between calls; /m, "project"],
    ["elicits", /^learned: asked for elicitation; /m, "project"],
    ["lists", /^learned: opened a folder of its directory; /m, "project"],
    ["sets", /^learned: its tool set_unit may change what the next call does; /m, "project"],
    ["pages", /learned: its tools open_page and close_page keep something open/m, "session"],
  ] as const
) {
  const test = mode === "saves" && !countsWrites() ? Deno.test.ignore : testWhereFilesAreSeen;
  test(`a server that ${mode} is shared by ${scope}, however often it is called`, async () => {
    await using at = await twoWorkspaces();
    for (const dir of [at.p, at.q]) await Deno.writeTextFile(`${dir}/held.txt`, "x");
    const more = mode === "reads" ? [] : [`${at.home}/kept.db`];
    await using it = await mountingDaemon({ it: observed(mode, ...more) });
    await sayUntil(it, [at.p, at.q], why);
    using ada = await RawClient.hello(it.url, { cwd: at.p });
    using bob = await RawClient.hello(it.url, { cwd: at.q });
    using eve = await RawClient.hello(it.url, { cwd: at.q });
    const [a, b, e] = [await ada.call("say"), await bob.call("say"), await eve.call("say")].map(firstText);
    assertEquals([a === b, b === e], [false, scope === "project"]);
    for (const window of [ada, bob, eve]) await window.close();
  });
}

for (const file of ["src/lib/deep/held.txt", ".git/HEAD"]) {
  testWhereFilesAreSeen(`a server that reads ${file} is not shared by two directories`, async () => {
    await using at = await twoWorkspaces();
    for (const dir of [at.p, at.q]) {
      await Deno.mkdir(dirname(`${dir}/${file}`), { recursive: true });
      await Deno.writeTextFile(`${dir}/${file}`, "x");
    }
    await using it = await mountingDaemon({ it: observed("reads", file) });
    await sayUntil(
      it,
      [at.p, at.q],
      new RegExp(`^learned: opened ${basename(file)} of its directory; `, "m"),
    );
    assertNotEquals(await say(it, at.p), await say(it, at.q));
  });
}

testWhereFilesAreSeen(
  "what was learned of a server is there after a restart of the daemon, and not after its entry has changed",
  async () => {
    await using at = await twoWorkspaces();
    await using it = await mountingDaemon({ it: observed("plain") });
    await sayWatched(it, at.p, { calls: 12, places: "1 directory" });
    await it.daemon.stop();
    {
      await using next = await nextDaemon(it.home);
      await whyMatches(next, /: 12 calls from 1 directory/);
      await sayWatched(next, at.q, { calls: 8, places: "2 directories" });
      await whyMatches(next, /learned: 20 calls from 2 directories/);
    }
    await Deno.writeTextFile(it.config, JSON.stringify({ mcpServers: { it: observed("plain", "changed") } }));
    await using last = await nextDaemon(it.home);
    await whyMatches(last, /^a command's process serves the windows of one directory$/);
  },
);

Deno.test("with EXAI_LEARN_SHARING=false nothing is learned, and nothing kept", async () => {
  await using at = await twoWorkspaces();
  await using it = await mountingDaemon({ it: observed("plain") }, { learnSharing: false });
  await say(it, at.p, 11);
  await say(it, at.q, 11);
  assertNotEquals(await say(it, at.p), await say(it, at.q));
  const [row] = await it.status();
  assertEquals(row!.why, "a command's process serves the windows of one directory");
  await assertRejects(() => Deno.stat(`${it.home}/sharing.db`), Deno.errors.NotFound);
  assert((await Deno.stat(`${it.home}/lists.db`)).isFile);
});
