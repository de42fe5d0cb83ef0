import { delay } from "@std/async/delay";
import { assertEquals, assertRejects } from "@std/assert";
import { ThreadQueue } from "../lib/tool/thread_queue.ts";

const PATIENT = new AbortController().signal;

Deno.test("a question that gives up waiting in a thread does not let the next one past those before it", async () => {
  const queue = new ThreadQueue();
  const first = await queue.enter("t", PATIENT);
  const hasty = new AbortController();
  const second = queue.enter("t", hasty.signal);
  hasty.abort();
  await assertRejects(() => second);
  let entered = false;
  const third = queue.enter("t", PATIENT).then((turn) => {
    entered = true;
    return turn;
  });
  await delay(0);
  assertEquals(entered, false);
  first[Symbol.dispose]();
  (await third)[Symbol.dispose]();
  assertEquals(queue.isBusy("t"), false);
});

Deno.test("threads do not wait for each other", async () => {
  const queue = new ThreadQueue();
  using _one = await queue.enter("one", PATIENT);
  using _other = await queue.enter("other", PATIENT);
  assertEquals([queue.isBusy("one"), queue.isBusy("third")], [true, false]);
});
