import { assert, assertEquals } from "@std/assert";
import { FAULTS } from "../tools/faults/faults.ts";
import { tryFault } from "../tools/faults/suite.ts";
import { Tally } from "../tools/load/tally.ts";

// All of them, a hundred times each: deno task faults.
const HERE = ["frames cut in half", "daemon kill -9", "ids used twice"];

for (const fault of FAULTS.filter(({ name }) => HERE.includes(name))) {
  Deno.test(`under load nothing is lost, doubled or crossed by: ${fault.name}`, async () => {
    const { verdict, failure, times } = await tryFault(fault, { times: 2, seed: 7, windows: 3 });
    assertEquals([failure, times], [undefined, 2]);
    assert(verdict!.ran > 6);
    const { lost, wrong, doubled, denied } = verdict!;
    assertEquals({ lost, wrong, doubled, denied }, { lost: [], wrong: [], doubled: [], denied: [] });
  });
}

Deno.test("the account of the calls finds what is lost, doubled, wrong, made up or denied", () => {
  const tally = new Tally();
  for (const label of ["fine", "lost", "doubled", "not run", "denied", "unknown"]) {
    tally.begin(label, "count");
  }
  tally.begin("again", "look");
  for (const label of ["fine", "doubled", "not run", "again"]) tally.end(label, "ran");
  tally.end("denied", "DAEMON_UNAVAILABLE");
  tally.end("unknown", "OUTCOME_UNKNOWN");
  tally.end("fine", "ran");
  const executed = ["fine", "doubled", "doubled", "denied", "unknown", "again", "again", "made up"];
  const verdict = tally.judge(executed);
  assertEquals([verdict.calls, verdict.ran, verdict.rerun], [7, 4, 1]);
  assertEquals(verdict.errors, { DAEMON_UNAVAILABLE: 1, OUTCOME_UNKNOWN: 1 });
  assertEquals(verdict.lost, ["lost"]);
  assertEquals(verdict.doubled, ["doubled ran 2 times, answered ran"]);
  assertEquals(verdict.denied, ["denied ran, answered DAEMON_UNAVAILABLE"]);
  assertEquals(verdict.wrong, [
    "a second answer to fine",
    "not run was answered and has not run",
    "made up ran and was never called",
  ]);
});
