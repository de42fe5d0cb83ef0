import { assertEquals, assertThrows } from "@std/assert";
import { Buffer as NodeBuffer } from "node:buffer";
import { fromFileUrl } from "@std/path";
import { Buffer } from "../tools/compile/stand_ins/node_buffer.ts";
import { EventEmitter } from "../tools/compile/stand_ins/node_events.ts";
import { checkWindows } from "../tools/compile/stand_ins/std_os.ts";

const GLOBALS = new URL("../tools/compile/stand_ins/globals.ts", import.meta.url).href;

/** Runs `code` in a program of its own, with the timers of the bundle. @returns what it logs */
async function withTimers(code: string): Promise<string[]> {
  const program = `import { setTimeout, setInterval, clearTimeout, clearInterval } from ${
    JSON.stringify(GLOBALS)
  };
    const say = (text) => console.log(text);
    // All timers up to the first wait are set at one time, also where the machine has others run in between.
    const clock = performance.now;
    const beganMs = performance.now();
    performance.now = () => beganMs;
    queueMicrotask(() => performance.now = clock);
    ${code}`;
  const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--ext=ts", "--no-check", program],
    cwd: fromFileUrl(new URL(".", import.meta.url)),
  }).output();
  assertEquals(exit, 0, new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout).split("\n").slice(0, -1);
}

Deno.test("timers of the bundled shim end in order of their times, and keep the program running", async () => {
  const said = await withTimers(`
    setTimeout(say, 30, "third");
    setTimeout(() => say("second"), 2);
    setTimeout(() => say("first"));
    setTimeout(() => say("fourth"), 31);
    queueMicrotask(() => say("before all"));
  `);
  assertEquals(said, ["before all", "first", "second", "third", "fourth"]);
});

Deno.test("a timer of the bundled shim that is cleared never runs, nor keeps the program running", async () => {
  const said = await withTimers(`
    clearTimeout(setTimeout(() => say("cleared"), 1));
    const later = setTimeout(() => say("cleared by another"), 20);
    setTimeout(() => clearTimeout(later), 20 - 1);
    const [a, b] = [setTimeout(() => clearTimeout(b), 5), setTimeout(() => say("of the same moment"), 5)];
    clearTimeout(undefined);
    clearTimeout(setTimeout(() => {}, 3_600_000));
  `);
  assertEquals(said, []);
});

Deno.test("a timer of the bundled shim that repeats does so until it is cleared", async () => {
  const said = await withTimers(`
    let count = 0;
    const timer = setInterval(() => { say("tick " + ++count); if (count === 3) clearInterval(timer); }, 2);
  `);
  assertEquals(said, ["tick 1", "tick 2", "tick 3"]);
});

Deno.test("a timer of the bundled shim that throws is reported, and the others run", async () => {
  const said = await withTimers(`
    addEventListener("error", (event) => { event.preventDefault(); say(event.error.message); });
    setTimeout(() => { throw new Error("thrown"); }, 1);
    setTimeout(() => say("the other"), 1);
  `);
  assertEquals(said, ["thrown", "the other"]);
});

Deno.test("a timer of the bundled shim may be longer than the system's, and there may be any number", async () => {
  const said = await withTimers(`
    let rings = 0;
    const { timeout } = AbortSignal;
    AbortSignal.timeout = (ms) => (rings++, timeout.call(AbortSignal, ms));
    const long = [2 ** 31, 2 ** 40, Infinity].map((ms) => setTimeout(say, ms, ms));
    await new Promise((resolve) => globalThis.setTimeout(resolve, 50));
    say(rings === 1 ? "quiet" : rings);
    const many = Array.from({ length: 200_000 }, () => setTimeout(say, 60_000, "one of many"));
    setTimeout(() => say("first"), 1);
    setTimeout(() => {
      say("second");
      for (const timer of [...long, ...many]) clearTimeout(timer);
    }, 2);
  `);
  assertEquals(said, ["quiet", "first", "second"]);
});

Deno.test("a buffer of the bundled shim reads and joins bytes as that of Node.js", () => {
  const bytes = new TextEncoder().encode('\uFEFF{"a":"ä€😀"}\r\n…');
  const own = Buffer.from(bytes.buffer, 3, bytes.length - 4);
  const node = NodeBuffer.from(bytes.buffer, 3, bytes.length - 4);
  for (const text of ["", "\n", "ä", "€", "😀", "\ud800"]) {
    assertEquals(Buffer.byteLength(text), NodeBuffer.byteLength(text));
  }
  assertEquals([own.indexOf("\n"), own.indexOf(10, 20)], [node.indexOf("\n"), node.indexOf(10, 20)]);
  assertEquals(own.toString("utf8", 0, 12), node.toString("utf8", 0, 12));
  assertEquals(own.toString(), node.toString());
  assertEquals(own.subarray(2).toString(), node.subarray(2).toString());
  const whole = [bytes.subarray(0, 5), bytes.subarray(5)];
  assertEquals(Buffer.concat(whole).toString(), NodeBuffer.concat(whole).toString());
  assertEquals([...Buffer.concat(whole, bytes.length)], [...bytes]);
});

Deno.test("an emitter of the bundled shim calls its listeners in order, once where that is asked", () => {
  const heard: string[] = [];
  const emitter = new EventEmitter();
  const listener = (what: unknown) => void heard.push(`a ${what}`);
  emitter.on("data", listener).prependListener("data", (what) => void heard.push(`b ${what}`));
  emitter.once("data", (what) => void heard.push(`once ${what}`));
  assertEquals(emitter.emit("data", 1), true);
  assertEquals(emitter.off("data", listener).emit("data", 2), true);
  assertEquals([emitter.emit("other"), emitter.listenerCount("data")], [false, 1]);
  assertEquals(heard, ["b 1", "a 1", "once 1", "b 2"]);
  emitter.on("throws", () => {
    throw new TypeError("of a listener");
  });
  assertThrows(() => emitter.emit("throws"), TypeError);
});

Deno.test("the bundled shim knows the system it runs on", () => {
  assertEquals(checkWindows(), Deno.build.os === "windows");
});
