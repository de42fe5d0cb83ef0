import { assert, assertEquals, assertMatch } from "@std/assert";
import { stripVTControlCharacters } from "node:util";
import stringWidth from "string-width";
import type { ServerStatus } from "../lib/admin/status_rows.ts";
import type { WatchEvent } from "../lib/admin/watch_event.ts";
import { MAX_ENDED } from "../lib/admin/known_state.ts";
import { labelsOf } from "../lib/commands/top/matrix.ts";
import { breakLine, COLOURS, PLAIN } from "../lib/commands/top/paint.ts";
import { drawPicture, type PictureInput } from "../lib/commands/top/picture.ts";
import { press } from "../lib/commands/top/press.ts";
import { newView, pageOf, shownOf } from "../lib/commands/top/view.ts";
import { TopState, watchEvent } from "../lib/commands/top/top_state.ts";
import {
  calls,
  hello,
  runningCall,
  sample,
  SCENE,
  serverRow,
  servers,
  sessionRow,
  sessions,
} from "./helpers/watch_scene.ts";

const NOW_MS = 1000;

/** What is seen of `events`, and keys to press. */
function topOf(events: readonly WatchEvent[] = SCENE) {
  const clock = { ms: NOW_MS };
  const watched = new TopState(() => clock.ms);
  const view = newView();
  for (const event of events) watched.take(event);
  const draw = (more: Partial<PictureInput> = {}) =>
    drawPicture({
      watched,
      view,
      contact: { heardAtMs: NOW_MS },
      paint: PLAIN,
      columns: 80,
      rows: 24,
      nowMs: NOW_MS,
      ...more,
    });
  return {
    watched,
    clock,
    view,
    draw,
    text: (more: Partial<PictureInput> = {}) => draw(more).map((line) => line.trimEnd()).join("\n"),
    /** Presses each key: a name of several wide, or what is typed. */
    press: (...keys: string[]) =>
      keys.map((name) =>
        press({ name, sequence: name.length === 1 ? name : `\x1b${name}`, ctrl: false }, view, watched)
      ).at(-1),
  };
}

Deno.test("servers by windows, who shares what, what is wrong and what waits are seen in 80 columns", () => {
  const { text } = topOf();
  const seen = text();
  for (
    const line of [
      /^exai 1\.2\.3, process 4711, ws:\/\/127\.0\.0\.1:8765/m,
      /^calls 2\.0\/s {2}p50 12 ms {2}p95 80 ms {2}failed 1 {2}running 1 {2}waiting 0$/m,
      /^daemon 120 MiB {2}servers 300 MiB {2}shims 40 MiB {2}saved 4 processes, 100 MiB$/m,
      /^ {2}SERVER STATE {9}RUN {3}MEMORY {2}>1 {2}2$/m,
      /^> files {2}running {9}1 {3}50 MiB {2}>1 {2}w$/m,
      /^ {2}github needs a login {3}- {8}- {3}\. {2}!$/m,
      /^ {2}idle {3}not started {5}- {8}- {3}\. {2}\.$/m,
      /^files: running, shared by machine with 2 windows, its entry says so/m,
      /^window 1: claude-code, left, 3 calls, 1 running, \/home\/me\/one$/m,
      /^> c-2 +waiting +5\.0 ms +2 files write +waits for a slot/m,
      /^ {2}c-1 +running +5\.0 ms +1 files read$/m,
      /^ {2}c-0 +tool_error +1\.5 s +1 files read +no such file$/m,
    ]
  ) assertMatch(seen, line);
});

Deno.test("the picture fills the terminal and no more, whatever its size and whatever names hold", () => {
  const hostile = "\x1b[2J\r\n<b>漢字テスト🙂🙂🙂é́́́́́́\u202e" + "x".repeat(300);
  const { watched, draw, press } = topOf([
    hello(),
    servers(serverRow(hostile, { cause: hostile, sessions: ["s1"] }), serverRow("b", { account: hostile })),
    sessions(sessionRow("s1", { client: hostile, cwd: hostile, window: hostile })),
    calls(runningCall("c-1", { server: hostile, tool: hostile, message: hostile })),
    sample({ saved: { note: hostile } }),
    { type: "notice", at_ms: 0, faults: [hostile], notes: [] },
  ]);
  watched.watchLog(hostile);
  watched.take({ type: "log", at_ms: 0, lines: [hostile] });
  for (const pane of ["1", "2", "3", "4", "?"]) {
    press(pane);
    for (const [columns, rows] of [[80, 24], [40, 10], [39, 24], [200, 60], [1, 1], [80, 10]] as const) {
      const lines = draw({ columns, rows });
      assertEquals(lines.length, rows);
      for (const line of lines) {
        assertEquals(stringWidth(line), columns, `${columns} x ${rows}: ${JSON.stringify(line)}`);
        assert(!/[\p{Cc}\u202e]/u.test(line), JSON.stringify(line));
      }
    }
  }
  assertEquals(watched.numberOf("s1"), 1);
});

Deno.test("nothing is said by a colour alone, and without colours no control is written", () => {
  const { draw } = topOf();
  const dressed = draw({ paint: COLOURS }).map((line) => stripVTControlCharacters(line));
  assertEquals(dressed, draw());
  assert(draw({ paint: COLOURS }).join("").includes("\x1b["));
  for (const line of draw()) assert(!/\p{Cc}/u.test(line));
});

Deno.test("500 servers and 200 windows: only what fits is drawn, around what is selected", () => {
  const ids = Array.from({ length: 200 }, (_, i) => `s${i + 1}`);
  const { text, press, view } = topOf([
    hello(),
    servers(
      ...Array.from(
        { length: 500 },
        (_, i) => serverRow(`server${String(i).padStart(3, "0")}`, { sessions: ids }),
      ),
    ),
    sessions(...ids.map((id) => sessionRow(id))),
    calls(...ids.map((session, i) => runningCall(`c-${i}`, { session, server: "server400" }))),
  ]);
  press("end");
  view.window = "s150";
  assertMatch(text(), /^> server499 /m);
  assertMatch(text(), / 149>150 151/);
  press("home");
  assertMatch(text(), /^> server000 /m);
});

Deno.test("what is selected stays selected when rows come and go", () => {
  const { watched, text, press } = topOf();
  press("down", "right");
  assertMatch(text(), /^> github .*>!$/m);
  watched.take({ ...servers(serverRow("aaa")), whole: false } as WatchEvent);
  assertMatch(text(), /^> github/m);
  const rows = { "github#a1": serverRow("github", { pid: 9 }) };
  watched.take({ type: "servers", at_ms: 0, whole: false, rows, gone: ["github"] });
  assertMatch(text(), /^> github/m, "it has started");
  watched.take({ type: "servers", at_ms: 0, whole: false, rows: {}, gone: ["github#a1"] });
  assertMatch(text(), /^> aaa/m);
});

Deno.test("a filter leaves the servers that match with their windows, and windows with their servers", () => {
  const { view, watched, press, text } = topOf();
  press("/", ..."CODEX");
  assertMatch(text(), /^\/CODEX_$/m);
  press("return");
  const names = ({ servers, windows }: ReturnType<typeof shownOf>) => [
    servers.map(([key]) => key),
    windows.map(({ session }) => session),
  ];
  assertEquals(names(shownOf(watched, view)), [["files", "github"], ["s2"]]);
  assertEquals(names(shownOf(watched, { filter: "idle" })), [["idle"], []]);
  assertEquals(shownOf(watched, { filter: "write" }).calls.map(({ id }) => id), ["c-2"]);
  press("escape");
  assertEquals(names(shownOf(watched, view)), [["files", "github", "idle"], ["s1", "s2"]]);
});

Deno.test("a server is restarted, parked or stopped, a call cancelled, a session ended: each asked about first", () => {
  const { press, text, view } = topOf();
  for (
    const [key, path, question] of [
      ["r", "/servers/restart?name=files&key=a1", "restart files (1 call, 2 windows)?"],
      ["p", "/servers/park?name=files&key=a1", "park files"],
      ["s", "/servers/stop?name=files&key=a1", "its calls fail now"],
      ["x", "/kill?what=session&id=s1", "window 1 (claude-code)"],
    ] as const
  ) {
    assertEquals(press(key), undefined, "nothing is done yet");
    assert(text().replaceAll("\n", " ").includes(question), text());
    const effect = press("y");
    assert(effect?.do === "order" && effect.order.path === path, JSON.stringify(effect));
    press(key);
    assertEquals(press("return"), undefined, "any other key is a no");
    assertEquals([view.order, view.message], [undefined, "nothing was done"]);
  }
  press("c");
  assertMatch(text(), /select one there to cancel it/);
  press("1", "down", "c");
  const effect = press("y");
  assert(effect?.do === "order" && effect.order.path === "/cancel?id=c-1");
  press("down", "c");
  assertMatch(text(), /the selected call has ended/);
});

Deno.test("a question is seen whole, with its consequence and the keys that answer, whatever is named and however narrow", () => {
  const long = `a${"b漢".repeat(200)} and more`;
  const { press, draw } = topOf([
    hello(),
    servers(serverRow(long, { sessions: ["s1"] }), serverRow("z")),
    sessions(sessionRow("s1", { client: long })),
    calls(runningCall("c-1", { server: long, tool: long })),
  ]);
  for (const [columns, rows] of [[80, 24], [40, 10]] as const) {
    press("escape", "tab", "home");
    for (
      const [key, whole] of [
        ["r", /restart ab.*…\s*\(.*\)\? its calls end first, then it starts anew y\/n$/],
        ["p", /park ab.*…\s*\(.*\)\? it ends once idle, and starts with the next call y\/n$/],
        ["x", /end the session of window 1 \(ab.*…\)\? 0 calls cancelled y\/n$/],
        ["1", /1 calls/],
        ["c", /cancel c-1 \(ab.*…\)\? y\/n$/],
      ] as const
    ) {
      press(key);
      const lines = draw({ columns, rows });
      assertEquals([lines.length, ...new Set(lines.map((line) => stringWidth(line)))], [rows, columns]);
      assertMatch(lines.map((line) => line.trim()).join(" "), whole);
      press("n");
    }
  }
});

Deno.test("what went wrong with an order is seen whole", () => {
  const { view, text } = topOf();
  view.message = `${"word ".repeat(40)}the end`;
  assertMatch(text(), /word word\n.*word\n.*the end$/);
  assertEquals(text({ columns: 40, rows: 10 }).split("\n").length, 10);
});

Deno.test("as much text as there is room for is broken into lines, and of a log its end", () => {
  const terminal = { columns: 80 };
  const lines = Array.from({ length: 50_000 }, (_, i) => `line ${i}`);
  assertEquals(pageOf(terminal, "", lines).lines.length, 5000);
  assertEquals(pageOf(terminal, "", lines, "end").lines.at(-1), "line 49999");
  const asked: number[] = [];
  const counted = new Proxy(lines, {
    get: (all, key) => (asked.push(Number(String(key))), Reflect.get(all, key)),
  });
  pageOf(terminal, "", counted);
  assert(!asked.includes(5001), "more are not looked at");
  assertEquals(breakLine("a".repeat(100_000), 10, 3), ["a", "a", "a"].map((part) => part.repeat(10)));
  assertEquals(breakLine("漢".repeat(1000), 5, 2), ["漢漢", "漢漢"]);
  assertEquals([breakLine("", 5), breakLine("abcdef", 3), breakLine("漢a", 2)], [[""], ["abc", "def"], [
    "漢",
    "a",
  ]]);
});

Deno.test("processes of one server are told apart, by the end of their directory, all of it, or their process", () => {
  const row = (key: string, more: Partial<ServerStatus>) => [key, serverRow("bad", more)] as const;
  const told = (...rows: (readonly [string, ServerStatus])[]) => [...labelsOf(rows).values()];
  assertEquals(told(row("bad", { directory: "/a/one" })), ["bad"]);
  assertEquals(told(row("bad#1", { directory: "/a/one" }), row("bad#2", { directory: "/a/two" })), [
    "bad one",
    "bad two",
  ]);
  assertEquals(told(row("bad#1", { directory: "/a/one" }), row("bad#2", { directory: "/b/one" })), [
    "bad /a/one",
    "bad /b/one",
  ]);
  assertEquals(told(row("bad#1", { pid: 7 }), row("bad#2", { pid: 8 }), row("bad", {})), [
    "bad #7",
    "bad #8",
    "bad",
  ]);
});

Deno.test("a name has the room that windows leave, and windows whose calls fail are marked", () => {
  const name = "n".repeat(70);
  const failed = { state: "failed", cause: "it ended", sessions: [] } as const;
  const { text } = topOf([
    hello(),
    servers(
      serverRow(name, { sessions: ["s1"] }),
      serverRow("in", { ...failed, sessions: [], directory: "/two" }),
      serverRow("of all", { ...failed, sessions: [] }),
    ),
    sessions(sessionRow("s1", { cwd: "/one" }), sessionRow("s2", { cwd: "/two" })),
  ]);
  const seen = text({ columns: 120 });
  assertMatch(seen, new RegExp(`^. ${name} running`, "m"));
  assertMatch(seen, /^. in +failed .* [>.]. {2}!$/m);
  assertMatch(seen, /^. of all +failed .* ! {2}!$/m);
  assertMatch(text({ columns: 80 }), /^. n+… running .*o {2}\.$/m);
});

Deno.test("help, one thing in full, faults and logs are pages and lists of their own", () => {
  const { watched, press, text } = topOf();
  press("?");
  assertMatch(text(), /^r {15}restart the selected server$/m);
  press("q");
  press("return");
  assertMatch(text(), /^share_key +a1$/m);
  press("escape", "3", "return");
  assertMatch(text(), /^faults and notes\n! github has failed\nthe disk/);
  press("escape");
  assertMatch(text(), /^ {2}! github has failed$/m);
  assertMatch(text(), /^ {2}lists changed 2 x: changed of files, last 2026/m);
  assertEquals(press("l"), { do: "log", name: "files" });
  watched.watchLog("files");
  watched.take({ type: "log", at_ms: 0, lines: ["one", "two"] });
  assertMatch(text(), /\[4 log\] {2}files\n {2}one\n {2}two/);
  watched.take({ type: "log", at_ms: 0, lines: ["x".repeat(100) + "end"] });
  press("return");
  assertMatch(text(), /^log of files\none\ntwo\nx{80}\nx{20}end\n/);
  press("escape");
  assertEquals(press("d"), { do: "log", name: "daemon" });
  assertEquals(press("1", "return"), { do: "show call", id: "c-2" });
  assertEquals(press("q"), { do: "quit" });
});

Deno.test("what is shown stays while no daemon answers, with its age and the reason, until another daemon tells anew", () => {
  const { watched, text } = topOf();
  const lost = { why: "connection refused", retryAtMs: 64_000 };
  const seen = text({ contact: { heardAtMs: NOW_MS, lost }, nowMs: 61_000 });
  assertMatch(seen, /^! no daemon, all below is 60 s old, tried again in 3 s: connection refused/);
  assertMatch(seen, /^> files /m);
  assertMatch(text({ nowMs: 61_000 }), /^! the daemon says nothing, all below is 60 s old/);
  watched.take(hello("2026-11-28T10:00:00.000Z"));
  assertMatch(text(), /^the first figures come in a moment$/m);
  assertMatch(text(), /^> files /m, "until it has told its own");
  watched.take(servers());
  assertMatch(text(), /no server is configured, or none matches/);
});

Deno.test("a call that ended while nobody heard is not shown as running, and ended ones are kept within bounds", () => {
  const { watched } = topOf();
  watched.take({ ...calls(runningCall("c-9")), whole: true } as WatchEvent);
  const running = () => [...watched.running].map(({ id }) => id);
  assertEquals(running(), ["c-9"]);
  for (let i = 0; i < 30; i++) {
    const many = Array.from({ length: 100 }, (_, n) => runningCall(`e-${i}-${n}`, { outcome: "ok" }));
    watched.take(calls(...many));
  }
  assertEquals(watched.calls.length, MAX_ENDED + 1);
  assertEquals(running(), ["c-9"]);
});

Deno.test("calls that run are shown first, the latest to begin above, then ended ones, the last to end above", () => {
  const { watched, clock, text } = topOf([hello(), sessions(sessionRow("s1"))]);
  const seen = () =>
    [...text().matchAll(/^[> ] (c-\d) +(\S+) +(\S+ \S+)/gm)].map(([, ...parts]) => parts.join(" "));
  const ended = (id: string) => runningCall(id, { outcome: "ok" });
  watched.take(calls(runningCall("c-1"), runningCall("c-2"), runningCall("c-3"), runningCall("c-4")));
  watched.take(calls(ended("c-3")));
  watched.take(calls(ended("c-1"), runningCall("c-2", { waits_for: "a slot" })));
  clock.ms += 3000;
  const whole = ["c-4 running 3.0 s", "c-2 waiting 3.0 s", "c-1 ok 5.0 ms", "c-3 ok 5.0 ms"];
  assertEquals(seen(), whole);
  watched.take({ ...calls(runningCall("c-1")), at_ms: 3000 } as WatchEvent);
  assertEquals(seen(), whole, "an end is not taken back by what is told late");
  watched.take(hello("2026-11-28T11:00:00.000Z"));
  assertEquals(seen(), whole.slice(2), "another daemon has none of those that ran");
});

Deno.test("a stream that is begun anew tells its log anew, and what was left out is counted", () => {
  const { watched, view, text } = topOf();
  view.pane = "log";
  watched.watchLog("files");
  for (let i = 0; i < 2; i++) {
    watched.take(hello());
    watched.take({ type: "log", at_ms: 0, lines: ["one", "two"] });
  }
  assertMatch(text(), /files\n {2}one\n {2}two\n\n/);
  watched.take(hello());
  watched.log!.why = "there is no such log";
  watched.take(hello());
  assertMatch(text(), /files\n {2}there is no such log\n/);
  watched.take({ ...calls(), left_out: 3 } as WatchEvent);
  watched.take({ ...calls(), left_out: 4 } as WatchEvent);
  view.pane = "calls";
  assertMatch(text(), /2 running, 7 ended unseen/);
});

Deno.test("a window keeps its number while it is open, and a free one is given anew", () => {
  const { watched } = topOf();
  watched.take({ type: "sessions", at_ms: 0, whole: false, rows: {}, gone: ["s1"] });
  assertEquals(watched.numberOf("s2"), 2);
  watched.take({ ...sessions(sessionRow("s3"), sessionRow("s4")), whole: false } as WatchEvent);
  assertEquals(["s2", "s3", "s4"].map((id) => watched.numberOf(id)), [2, 1, 3]);
});

Deno.test("a line that is none, or of a kind that is not known, changes nothing", () => {
  for (const line of ["", "{", "[]", '{"a":1}', "\x1b[2J"]) assertEquals(watchEvent(line), undefined);
  const { watched, text } = topOf();
  const before = text();
  watched.take(watchEvent('{"type":"new kind"}')!);
  assertEquals(text(), before);
});
