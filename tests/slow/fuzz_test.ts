import { assertEquals, assertRejects } from "@std/assert";
import { eventStream, respond } from "../../tools/fuzz/broken_http.ts";
import type { Door } from "../../tools/fuzz/door.ts";
import { HTTP_DOOR, SOCKET_DOOR } from "../../tools/fuzz/network_doors.ts";
import { fuzz } from "../../tools/fuzz/run.ts";
import { SESSION_DOOR } from "../../tools/fuzz/session_door.ts";
import { STDIN_DOOR, STDOUT_DOOR } from "../../tools/fuzz/stdio_doors.ts";
import { unsafeLine } from "../../tools/fuzz/texts.ts";
import { UPSTREAM_HTTP_DOOR, UPSTREAM_STDIO_DOOR } from "../../tools/fuzz/upstream_doors.ts";
import { seeded } from "../../tools/lib/random.ts";

// Ten million: deno task fuzz --frames 10000000.
const FRAMES: readonly [Door, number][] = [
  [SESSION_DOOR, 10_000],
  [STDIN_DOOR, 4000],
  [STDOUT_DOOR, 4000],
  [SOCKET_DOOR, 1000],
  [HTTP_DOOR, 150],
  [UPSTREAM_HTTP_DOOR, 300],
  [UPSTREAM_STDIO_DOOR, 300],
];

for (const [door, frames] of FRAMES) {
  Deno.test(`broken and odd frames harm nobody: ${door.name}`, async () => {
    const result = await fuzz(door, { frames, seed: 42, batchFrames: Math.min(frames, 1000) });
    assertEquals([result.frames, result.findings], [frames, []]);
  });
}

Deno.test("a failure of the fuzzer says how to see it again", async () => {
  let count = 0;
  const door: Door = {
    name: "brittle",
    share: 1,
    open: () =>
      Promise.resolve({
        batch: () => ++count === 3 ? Promise.reject(new Error("it broke")) : Promise.resolve(),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
  await assertRejects(
    () => fuzz(door, { frames: 5000, seed: 9 }),
    Error,
    "brittle: it broke; to see it again: deno task fuzz --only brittle --seed 9 --from 2 --frames 1000",
  );
});

Deno.test("what is found when all frames are through is part of the result", async () => {
  const door: Door = {
    name: "leaky",
    share: 1,
    open: () =>
      Promise.resolve({
        batch: () => Promise.resolve(),
        inspect: () => Promise.resolve(["a control character in a log"]),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
  assertEquals((await fuzz(door, { frames: 10, seed: 1 })).findings, ["a control character in a log"]);
});

Deno.test("an error that is only logged fails the batch it came in", async () => {
  const door: Door = {
    name: "quiet",
    share: 1,
    open: (onfault) =>
      Promise.resolve({
        batch: () => Promise.resolve(onfault("logged: it broke")),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      }),
  };
  await assertRejects(() => fuzz(door, { frames: 10, seed: 1 }), Error, "logged: it broke");
});

Deno.test("a control character and a turned direction are found in a line, and shown harmless", () => {
  assertEquals(unsafeLine("fine\tand é😀\nmore\n"), undefined);
  assertEquals(unsafeLine("fine\na\u001b[2Jb"), '"a\\u001b[2Jb"');
  assertEquals(unsafeLine("a\rb"), '"a\\rb"');
  assertEquals(unsafeLine("x\u202ey"), '"x\\u202ey"');
  assertEquals(unsafeLine("x\u009by"), '"x\\u009by"');
});

Deno.test("the same seed gives the same broken answers", () => {
  const make = (seed: number) => {
    const random = seeded(seed);
    const { text } = eventStream(['{"a":1}', "b\nc"], random);
    return respond(text, "text/event-stream", random);
  };
  assertEquals(make(5), make(5));
});
