import { assert, assertEquals } from "@std/assert";
import { beginWait, waitingFor } from "../lib/call/wait.ts";
import { FakeSpan } from "./helpers/fake_span.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

Deno.test("the span of a call is told of each thing it has waited for in turn, as long as it did", () => {
  using timers = new FakeTimers();
  const span = new FakeSpan();
  let what = "its client to tell its roots";
  {
    using _wait = beginWait({ trace: { span } }, () => what);
    for (let ms = 0; ms < 1000; ms++) timers.pass(1);
    what = 'server "up" to start';
    for (let ms = 0; ms < 4000; ms++) timers.pass(1);
  }
  const [first, then, ...more] = span.waits;
  assertEquals([first!.what, then!.what, more.length], ["its client to tell its roots", what, 0]);
  assert(first!.ms >= 1000 && first!.ms < 1300, `${first!.ms} ms`);
  assertEquals([first!.ms + then!.ms, timers.size], [5000, 0]);
  // Looked at less often the longer it takes.
  assert(timers.set < 50, `${timers.set} timers`);
});

Deno.test("what stays the same, or is to be told as it began, needs no timer", async () => {
  using timers = new FakeTimers();
  const span = new FakeSpan();
  await waitingFor({ trace: { span } }, "a task to end", Promise.resolve());
  let before = 7;
  {
    using _wait = beginWait({ trace: { span } }, () => `${before} before it`, { asBegun: true });
    before = 0;
  }
  assertEquals([span.waits.map(({ what }) => what), timers.set], [["a task to end", "7 before it"], 0]);
});
