import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { bad, mountingDaemon } from "../helpers/mounts.ts";
import { PtyProgram } from "../helpers/pty.ts";
import { RawClient } from "../helpers/raw_client.ts";
import { until } from "../helpers/until.ts";

const ignore = Deno.build.os !== "linux";
const TOP = "deno run -A --no-check tests/fixtures/top_terminal.ts";
/** Says how the terminal is left. */
const STATE =
  "echo code=$?; stty -a | tr ';' '\\n' | grep -oE -- '-?(icanon|echo|isig)$|-?icanon|-?\\bisig\\b'";

/** Runs it in a terminal of 80 columns. */
const onTerminal = (env: Record<string, string> = {}, command = TOP) =>
  new PtyProgram(`${command}; ${STATE}`, { columns: 80, rows: 24, env: { NO_COLOR: "", ...env } });

/** Checks that the terminal is as it was before. */
async function assertRestored(pty: PtyProgram): Promise<void> {
  await pty.end();
  assertEquals(pty.isFullScreen, false);
  assert(!/-(icanon|isig)/.test(pty.written) && /\bicanon/.test(pty.written), pty.written.slice(-300));
  for (const [on, off] of [["\x1b[?25h", "\x1b[?25l"], ["\x1b[?7h", "\x1b[?7l"]] as const) {
    assert(pty.written.lastIndexOf(on) > pty.written.lastIndexOf(off), "cursor and wrapping are as before");
  }
}

Deno.test({
  name: "on a terminal, a server is restarted and a call cancelled by keys, and q gives the terminal back",
  ignore,
  async fn() {
    await using pty = onTerminal();
    await pty.shows(/^> files .*>1 {2}w$/m);
    assert(pty.isFullScreen);
    assert(pty.written.includes("\x1b[32m"), "running is green");
    await pty.type("r");
    await pty.shows(/^restart files \(1 call, 2 windows\)\?.* y\/n$/m);
    await pty.type("y");
    await pty.shows(/^files: running, process 200/m);
    await pty.shows(/^restarted files$/m);
    await pty.type("1\x1b[Bc");
    await pty.shows(/^cancel c-1 \(files read\)\? y\/n$/m);
    await pty.type("y");
    await pty.shows(/^. c-1 +CANCELLED/m);
    await pty.type("/github\r");
    await pty.shows(/^filter github/m);
    await pty.type("q");
    await assertRestored(pty);
    assertMatch(pty.screen, /code=0/);
  },
});

Deno.test({
  name: "another size is drawn anew, also one that is too small, and without colours where NO_COLOR is set",
  ignore,
  async fn() {
    await using pty = onTerminal({ NO_COLOR: "1" });
    await pty.shows(/^q quit .*c cancel$/m);
    for (const [columns, rows] of [[120, 40], [60, 12], [30, 8], [80, 24]] as const) {
      await pty.resize(columns, rows);
      // Each line is where it belongs, from the first of the screen to its last.
      await pty.shows(
        columns < 40 ? /^top needs 40 x 10,\nthis is 30 x 8\n/ : /^exai 1\.2\.3[^]*\nq quit [^\n]*$/,
      );
      assertEquals(pty.screen.split("\n").length, rows);
    }
    await pty.type("\x03");
    await assertRestored(pty);
    assert(
      !pty.written.replaceAll("\x1b[0m", "").split("\x1b[").some((part) => /^\d+m/.test(part)),
      "no colour",
    );
  },
});

for (const signal of ["TERM", "HUP", "INT", "QUIT"] as const) {
  Deno.test({
    name: `a signal ${signal} gives the terminal back`,
    ignore,
    async fn() {
      await using pty = onTerminal({}, `sh -c 'echo pid=$$.; exec ${TOP}'`);
      await pty.shows(/^> files/m);
      Deno.kill(Number(/pid=(\d+)\./.exec(pty.written)![1]), `SIG${signal}`);
      await assertRestored(pty);
    },
  });
}

for (const [name, wrapped] of [["by itself", TOP], ["within a script", `sh -c '${TOP}; true'`]] as const) {
  Deno.test({
    name: `Ctrl+Z gives the terminal back to the shell, and fg goes on: ${name}`,
    ignore,
    async fn() {
      const shell = `env PS1='ready> ' bash --norc -i; ${STATE}`;
      await using pty = new PtyProgram(shell, { columns: 80, rows: 24, env: { NO_COLOR: "" } });
      await pty.shows(/ready>/);
      await pty.type(`${wrapped}\r`);
      await pty.shows(/^> files/m);
      await pty.type("\x1a");
      await pty.shows(/Stopped[^]*ready>$/m);
      assertEquals(pty.isFullScreen, false);
      await pty.type("echo back-$((1+1))\r");
      await pty.shows(/^back-2$/m);
      await pty.type("fg\r");
      await pty.shows(/^> files/m);
      assert(pty.isFullScreen);
      await pty.type("q");
      await pty.shows(/back-2[^]*ready>$/m);
      await pty.type("exit\r");
      await assertRestored(pty);
    },
  });
}

Deno.test({
  name: "Ctrl+Z where no shell could go on is as if it were not pressed",
  ignore,
  async fn() {
    await using pty = onTerminal({}, `exec ${TOP}`);
    await pty.shows(/^> files/m);
    const drawn = pty.written.length;
    await pty.type("\x1a");
    await until("it is drawn again", () => pty.written.slice(drawn).includes("> files") || undefined);
    await pty.type("q");
    await pty.end();
    assertEquals(pty.isFullScreen, false);
  },
});

Deno.test({
  name: "a terminal that cannot be drawn on is left as it is, with what to use in its place",
  ignore,
  async fn() {
    for (const kind of ["dumb", ""]) {
      await using pty = new PtyProgram(TOP, { columns: 80, rows: 24, env: { TERM: kind } });
      await pty.end();
      assertStringIncludes(pty.written, `with TERM=${kind} this one cannot be drawn on`);
      assert(!pty.written.includes("\x1b[?"), pty.written);
    }
  },
});

Deno.test({
  name: "an error that nobody expects gives the terminal back before it is shown",
  ignore,
  async fn() {
    await using pty = onTerminal();
    await pty.shows(/^> files/m);
    await pty.type("py");
    await assertRestored(pty);
    assertMatch(pty.screen, /thrown by nobody/);
    assertMatch(pty.screen, /code=1/);
  },
});

Deno.test({
  name: "a stream that breaks off is begun again, and what was seen stays until then",
  ignore,
  async fn() {
    await using pty = onTerminal();
    await pty.shows(/^> files/m);
    await pty.type("sy");
    await pty.shows(/^! no daemon, all below is .* old, tried again in \d s: the stream broke/m);
    assertMatch(pty.screen, /^> files/m);
    await pty.shows(/^exai 1\.2\.3/m);
    await pty.type("q");
    await assertRestored(pty);
  },
});

Deno.test({
  name:
    "of a running daemon: its servers, windows and calls are seen, one is cancelled, and --json prints the same",
  ignore,
  async fn() {
    await using it = await mountingDaemon({ ok: bad("ok"), other: bad("ok", { disabled: true }) });
    const env = { EXAI_HOME: it.home, EXAI_WS_PORT: new URL(it.url).port };
    const daemon = "deno run -A --no-check daemon.ts";
    await using pty = onTerminal(env, `${daemon} top`);
    using one = await RawClient.hello(it.url, { client: "one" });
    using two = await RawClient.hello(it.url, { client: "two" });
    await pty.shows(/^> ok .*\n {2}other +disabled .* \. {2}\.$/m);
    await two.call("ok_echo", { text: "hi" });
    const answer = one.call("ok_hold");
    await pty.shows(/^> ok +running +1 .*>1 {2}o$/m);
    await pty.shows(/^> \S+ +running .* ok (ok_)?hold/m);
    await pty.shows(/^daemon [\d.]+ MiB {2}servers/m);
    await pty.type("1c");
    await pty.shows(/^cancel \S+ \(ok (ok_)?hold\)\? y\/n$/m);
    await pty.type("y");
    await pty.shows(/^. \S+ +CANCELLED .* ok (ok_)?hold/m);
    await answer;
    await pty.type("q");
    await assertRestored(pty);
    assertMatch(pty.screen, /code=0/);
    const json = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "daemon.ts", "top", "--json"],
      env,
      stdin: "null",
      stdout: "piped",
    }).spawn();
    let printed = "";
    for await (const text of json.stdout.pipeThrough(new TextDecoderStream())) {
      printed += text;
      if (printed.includes('"type":"sample"')) json.kill("SIGTERM");
    }
    await json.status;
    const types = printed.trimEnd().split("\n").map((line) => JSON.parse(line).type);
    assertEquals(types.slice(0, 4), ["hello", "servers", "sessions", "calls"]);
    await Promise.all([one.close(), two.close()]);
  },
});

Deno.test({
  name: "without a terminal it says what to use in its place",
  ignore,
  async fn() {
    const { code, stderr, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "daemon.ts", "top"],
      env: { EXAI_HOME: await Deno.makeTempDir() },
      stdin: "null",
    }).output();
    assertEquals([code, new TextDecoder().decode(stdout)], [2, ""]);
    assertMatch(
      new TextDecoder().decode(stderr),
      /stdout is none; use exai-daemon ps, .* exai-daemon top --json/,
    );
  },
});
