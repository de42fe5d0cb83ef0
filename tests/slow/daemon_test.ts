import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { assertServes } from "../helpers/daemon.ts";
import { runDaemon, startDaemon } from "../helpers/program.ts";

Deno.test("the banner says address, tools, state directory and what to do next", async () => {
  await using daemon = await startDaemon();
  assertMatch(daemon.banner, /address +ws:\/\/127\.0\.0\.1:\d+\//);
  assertMatch(daemon.banner, /tools +\d+/);
  assertStringIncludes(daemon.banner, daemon.home);
  assertStringIncludes(daemon.banner, "exai-shim");
  await assertServes(daemon.url);
});

Deno.test("a second start on the same port says who runs there", async () => {
  await using first = await startDaemon();
  const env = { EXAI_WS_PORT: new URL(first.url).port };
  const second = await runDaemon({ env });
  assertEquals(second.code, 1);
  assertStringIncludes(second.stderr, `an EXAI daemon already runs at ${first.url}`);
  assertStringIncludes(second.stderr, `process ${first.process.pid}`);
  const fine = await runDaemon({ env, args: ["--if-not-running"] });
  assertEquals(fine.code, 0);
  await assertServes(first.url);
});

Deno.test("a stranger on the port is not taken for a daemon", async () => {
  await using stranger = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("hi"),
  );
  const env = { EXAI_WS_PORT: String(stranger.addr.port) };
  const { code, stderr } = await runDaemon({ env, args: ["--if-not-running"] });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "already in use");
});

Deno.test("bad settings stop the daemon before it listens, one line for each", async () => {
  const { code, stderr } = await runDaemon({ env: { EXAI_WS_PORT: "99999", LOG_LEVEL: "loud" } });
  assertEquals(code, 1);
  const lines = stderr.trim().split("\n");
  assertEquals(lines.length, 2);
  assertMatch(lines[0]!, /EXAI_WS_PORT.*"99999".*0 to 65535/);
  assertMatch(lines[1]!, /LOG_LEVEL.*"loud".*info/);
});

Deno.test("a log file that cannot be written is a reason in the health report", async () => {
  const home = await Deno.makeTempDir({ prefix: "exai-daemon-" });
  try {
    await Deno.mkdir(`${home}/logs/daemon.log`, { recursive: true });
    await using daemon = await startDaemon({ home });
    const health = new URL("/health", daemon.url.replace(/^ws/, "http"));
    let reasons: string[] = [];
    // The log is written behind; each question gives it time.
    while (reasons.length === 0) ({ reasons } = await (await fetch(health)).json());
    assertMatch(reasons.join(), /daemon\.log cannot be written: .*; \d+ lines lost/);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});

Deno.test("every call leaves a line in metrics.jsonl", async () => {
  await using daemon = await startDaemon();
  await assertServes(daemon.url);
  daemon.process.kill("SIGINT");
  await daemon.process.status;
  const line = JSON.parse((await Deno.readTextFile(`${daemon.home}/metrics.jsonl`)).trim());
  assertEquals([line.tool, line.outcome, typeof line.duration_ms], ["version", "ok", "number"]);
});
