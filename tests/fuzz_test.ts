import { assertEquals, assertRejects } from "@std/assert";
import type { Door } from "../tools/fuzz/door.ts";
import { HTTP_DOOR, SOCKET_DOOR } from "../tools/fuzz/network_doors.ts";
import { fuzz } from "../tools/fuzz/run.ts";
import { SESSION_DOOR } from "../tools/fuzz/session_door.ts";
import { STDIN_DOOR, STDOUT_DOOR } from "../tools/fuzz/stdio_doors.ts";

// Ten million: deno task fuzz --frames 10000000.
const FRAMES: readonly [Door, number][] = [
  [SESSION_DOOR, 10_000],
  [STDIN_DOOR, 4000],
  [STDOUT_DOOR, 4000],
  [SOCKET_DOOR, 1000],
  [HTTP_DOOR, 150],
];

for (const [door, frames] of FRAMES) {
  Deno.test(`broken and odd frames harm nobody: ${door.name}`, async () => {
    const result = await fuzz(door, { frames, seed: 42, batchFrames: Math.min(frames, 1000) });
    assertEquals(result.frames, frames);
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
