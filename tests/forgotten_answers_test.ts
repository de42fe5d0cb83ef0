import { assertEquals } from "@std/assert";
import { EvictedResponses } from "../lib/session/evicted_responses.ts";
import type { JournalEntry } from "../lib/session/journal.ts";
import type { RequestId } from "../lib/wire/rpc.ts";

function forgotten() {
  const told: RequestId[] = [];
  const marked = (id: RequestId) => ({ id, entry: { id } as JournalEntry });
  return { told, marked, answers: new EvictedResponses(({ id }) => void told.push(id)) };
}

Deno.test("that an answer was given is known until it is given again or all are confirmed", () => {
  const { told, marked, answers } = forgotten();
  for (const id of [1, 2]) answers.add(marked(id));
  answers.add({ id: 3 });
  assertEquals([1, 2, 3, "1"].map((id) => answers.has(id)), [true, true, true, false]);
  assertEquals([answers.take(1)?.id, answers.take(1), answers.take(3), answers.has(1)], [
    1,
    undefined,
    undefined,
    false,
  ]);
  assertEquals(told, [], "the journal has need of what is given again");
  answers.add({ id: 4 });
  answers.acknowledge();
  assertEquals([told, answers.has(2), answers.has(4)], [[2], false, false]);
  answers.acknowledge();
  assertEquals(told, [2], "once");
});

Deno.test("at the end of a session the journal keeps what it knows", () => {
  const { told, marked, answers } = forgotten();
  answers.add(marked(1));
  answers.clear();
  assertEquals([told, answers.has(1)], [[], false]);
});

Deno.test("ten thousand are remembered, and beyond that the journal forgets the oldest too", () => {
  const { told, marked, answers } = forgotten();
  answers.add(marked(0));
  for (let id = 1; id < 10_000; id++) answers.add({ id });
  assertEquals([told, answers.has(0)], [[], true]);
  answers.add({ id: 10_000 });
  assertEquals([told, answers.has(0), answers.has(1)], [[0], false, true]);
  answers.add({ id: 10_001 });
  assertEquals([told, answers.has(1)], [[0], false], "one without a mark is no matter of the journal");
});
