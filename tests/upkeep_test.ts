import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { HOUR_MS, SECOND_MS } from "../lib/base/units.ts";
import { type ClockGap, ClockMonitor, describeGap } from "../lib/observe/clock_monitor.ts";
import { SessionRegistry } from "../lib/session/registry.ts";
import { tempDir } from "./helpers/files.ts";
import { startDaemon } from "./helpers/program.ts";
import { RawClient } from "./helpers/raw_client.ts";
import { openThreads } from "./helpers/threads.ts";

const DAY_MS = 24 * HOUR_MS;
const START = Date.UTC(2026, 10, 24);

/** Clocks a test sets, and what is noticed of it. */
function machine() {
  let [wallMs, steadyMs, uptimeMs] = [START, 1000, 90_000];
  const gaps: ClockGap[] = [];
  const watch = new ClockMonitor({
    wallMs: () => wallMs,
    steadyMs: () => steadyMs,
    uptimeMs: () => uptimeMs,
  });
  watch.on("gap", (gap) => gaps.push(gap));
  return {
    watch,
    gaps,
    /** Time passes as it should. */
    pass: (ms: number) => [wallMs, steadyMs, uptimeMs] = [wallMs + ms, steadyMs + ms, uptimeMs + ms],
    sleep: (ms: number) => [wallMs, uptimeMs] = [wallMs + ms, uptimeMs + ms],
    set: (ms: number) => wallMs += ms,
  };
}

Deno.test("time that goes on evenly is nothing to tell of, and a second more or less neither", () => {
  const { watch, gaps, pass, set } = machine();
  for (const drift of [0, 900, -900, 200]) {
    pass(SECOND_MS);
    set(drift);
    watch.check(SECOND_MS);
  }
  assertEquals(gaps, []);
});

Deno.test("sleep, a stopped process and a clock that is set are told apart", () => {
  const { watch, gaps, pass, sleep, set } = machine();
  const look = () => (watch.check(SECOND_MS), describeGap(gaps.pop()!));
  pass(SECOND_MS);
  sleep(2 * HOUR_MS);
  assertEquals(look(), "the machine slept for 7200 s");
  pass(91 * SECOND_MS);
  assertEquals(look(), "the daemon stood still for 90 s");
  pass(SECOND_MS);
  set(DAY_MS);
  assertEquals(look(), "the clock was set ahead by 86400 s");
  pass(SECOND_MS);
  set(-DAY_MS);
  assertEquals(look(), "the clock was set back by 86400 s");
  pass(SECOND_MS);
  sleep(HOUR_MS);
  set(-DAY_MS);
  assertEquals(look(), "the machine slept for 3600 s, the clock was set back by 86400 s");
});

Deno.test("a clock that is set by a day makes no thread too old and none too young", async () => {
  const { watch, pass, sleep, set } = machine();
  using threads = openThreads({ timeoutMs: 3 * HOUR_MS, maxTurns: 5, now: watch.now });
  const entry = { tool: "chat", title: "t", request: {} };
  const { thread } = await threads.record(entry);
  set(DAY_MS);
  pass(HOUR_MS);
  await threads.deleteExpired();
  assertEquals((await threads.list()).map(({ id }) => id), [thread.id]);
  set(-2 * DAY_MS);
  pass(HOUR_MS);
  assertEquals((await threads.list()).length, 1);
  sleep(2 * HOUR_MS);
  assertEquals(await threads.deleteExpired(), 1);
});

Deno.test("no session is idle for the time in which its client could not speak", () => {
  using registry = new SessionRegistry({ resumeWindowMs: 0, idleMs: HOUR_MS, maxFrameBytes: 1000 });
  const session = registry.create({
    client: undefined,
    cwd: undefined,
    server: undefined,
    isResumable: false,
    namedDirs: "read",
    principal: "owner",
  });
  session.lastUsedMs -= 2 * HOUR_MS;
  registry.touchAll();
  registry.closeIdle();
  assertEquals(registry.size, 1);
  registry.closeIdle(performance.now() + HOUR_MS + 1);
  assertEquals(registry.size, 0);
});

/** A tool of the user's that leaves the daemon an error nobody catches is not to be had: the error is thrown here. */
const THROWER = `
  import { CrashReports } from "./lib/state/crash_reports.ts";
  import { registerSecret, setupLog } from "./lib/base/log.ts";
  registerSecret("canary-secret");
  const ended = Promise.withResolvers();
  const crashes = new CrashReports({ dir: Deno.args[0], exit: ended.resolve, counts: () => ({ sessions: 3 }) });
  setupLog({ level: "debug", format: "text", sinks: { recent: crashes.sink } });
  crashes.install();
  const times = Number(Deno.args[1]);
  for (let i = 0; i < times; i++) {
    if (i % 2) Promise.reject(new Error("rejected with canary-secret"));
    else setTimeout(() => { throw new Error("thrown with canary-secret"); }, 0);
  }
  while (crashes.notes.length === 0) await new Promise((resolve) => setTimeout(resolve, 0));
  console.log(crashes.notes.join("\\n"));
  if (times < 10) Deno.exit(0);
  Deno.exit(await ended.promise);
`;

async function throwing(dir: string, times: number) {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", THROWER, dir, String(times)],
    cwd: new URL("..", import.meta.url),
  }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code, stdout: decode(stdout), stderr: decode(stderr) };
}

Deno.test("an error nobody caught is survived, and its report says all but the secrets", async () => {
  await using home = await tempDir({});
  const { code, stdout, stderr } = await throwing(home.path, 2);
  assertEquals(code, 0, stderr);
  assertStringIncludes(stdout, "nobody");
  const names = await Array.fromAsync(Deno.readDir(home.path), ({ name }) => name);
  assertEquals(names.length, 1);
  const text = await Deno.readTextFile(`${home.path}/${names[0]}`);
  const report = JSON.parse(text);
  assertEquals(text.includes("canary"), false);
  assertEquals([report.fatal, report.counts.sessions], [false, 3]);
  assertStringIncludes(report.stack, "Error: ");
  assert(report.log.length > 0 && report.version && report.uptime_s >= 0);
  assertEquals((await Deno.stat(`${home.path}/${names[0]}`)).mode! & 0o777, 0o600);
});

Deno.test("a flood of errors nobody caught ends the daemon, with a report that says so; old reports make room", async () => {
  await using home = await tempDir(
    Object.fromEntries(Array.from({ length: 15 }, (_, i) => [`crash-2020-01-${10 + i}.json`, "{}"])),
  );
  const { code } = await throwing(home.path, 60);
  assertEquals(code, 70);
  const names = (await Array.fromAsync(Deno.readDir(home.path), ({ name }) => name)).sort();
  assertEquals(names.length, 10);
  assertEquals(JSON.parse(await Deno.readTextFile(`${home.path}/${names.at(-1)}`)).fatal, true);
});

Deno.test("the daemon after one that was killed says so in its health, and shows the last crash report", async () => {
  await using home = await tempDir({ "crashes/crash-2026-11-24T00-00-00-000Z.json": "{}" });
  await Deno.chmod(home.path, 0o700);
  await Deno.writeTextFile(`${home.path}/health.json`, "{}");
  {
    await using first = await startDaemon({ home: home.path });
    using client = await RawClient.hello(first.url);
    await client.call("version");
    for await (const _ of written(`${home.path}/health.json`)) break;
  }
  await using second = await startDaemon({ home: home.path });
  const { notes } = await (await fetch(new URL("/health", second.url.replace(/^ws/, "http")))).json();
  assertStringIncludes(notes.join("\n"), "ended without stopping");
  assertStringIncludes(notes.join("\n"), "crash-2026-11-24T00-00-00-000Z.json");
});

/** Yields once the daemon has written its health to `path`. */
async function* written(path: string): AsyncGenerator<void> {
  for (;;) {
    const { pid } = JSON.parse(await Deno.readTextFile(path));
    if (pid !== undefined) yield;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
