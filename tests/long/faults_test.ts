import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { misbehaviour } from "../../tools/faults/command_run.ts";
import type { Fault } from "../../tools/faults/fault.ts";
import { FAULTS } from "../../tools/faults/faults.ts";
import { faultsPage } from "../../tools/faults/page.ts";
import { formatFaults } from "../../tools/faults/report.ts";
import { isClean, tryFault } from "../../tools/faults/suite.ts";
import { judgeThreads } from "../../tools/faults/threads.ts";
import { readRecord, Tally } from "../../tools/load/tally.ts";

// All of them, a hundred times each: deno task faults.
const HERE = [
  "frames cut in half",
  "daemon kill -9",
  "ids used twice",
  "second daemon",
  "every command beside a busy daemon",
];

for (const fault of FAULTS.filter(({ name }) => HERE.includes(name))) {
  Deno.test(`under load nothing is lost, doubled or crossed by: ${fault.name}`, async () => {
    const { verdict, failure, times } = await tryFault(fault, { times: 2, seed: 7, windows: 3 });
    assertEquals([failure, times], [undefined, 2]);
    assert(verdict!.ran > 6);
    const { lost, wrong, doubled, denied } = verdict!;
    assertEquals({ lost, wrong, doubled, denied }, { lost: [], wrong: [], doubled: [], denied: [] });
  });
}

Deno.test("a call that ran twice behind everybody's back is reported", async () => {
  const fault: Fault = {
    name: "doubled on purpose",
    async harm({ rig }) {
      const label = (await readRecord(rig.recordPath))[0]!;
      await Deno.writeTextFile(rig.recordPath, `${label}\n`, { append: true });
    },
    nextCall: () => ({ tool: "count" }),
  };
  const result = await tryFault(fault, { times: 1, seed: 7, windows: 1 });
  assertEquals(result.verdict?.doubled.length, 1);
  assertEquals(isClean(result), false);
  assertStringIncludes(formatFaults([result]), "doubled on purpose: doubled: w0.");
});

Deno.test("a thread that is lost, back again, shortened, doubled, mixed up or crossed is found", () => {
  const thread = (id: string, deletion?: "asked" | "done") => ({
    id,
    confirmed: [`${id}1`, `${id}2`],
    deletion,
  });
  const known = [..."abcdefgh"].map((id) => thread(id)).concat(thread("x", "asked"), thread("y", "done"));
  const shown: Record<string, string[]> = {
    a: ["a1", "a2"],
    c: ["c2"],
    d: ["d1", "d2", "d2"],
    e: ["e2", "e1"],
    f: ["f1", "f2", "a1"],
    g: ["g1", "g2", "g3"],
    h: ["h1", "h2", "h3"],
    y: ["y1", "y2"],
  };
  const exported = Object.entries(shown).map(([id, steps]) => ({
    id,
    exchanges: steps.map((step) => ({ request: { step } })),
  }));
  const after = known.map((each) => each.id === "h" ? { ...each, doubtful: "h3" } : each);
  assertEquals(judgeThreads({ before: known, after }, exported), [
    "thread b of 2 exchanges is lost",
    "thread c has lost c1",
    "thread d holds d2 2 times",
    "thread d has its exchanges in another order",
    "thread e has its exchanges in another order",
    "thread f holds a1, which is not its own",
    "thread g holds g3, which is not its own",
    "thread y was deleted and is there again",
  ]);
});

Deno.test("a command that prints a stack or fails without a word is found", () => {
  const ended = { args: [], how: "ended with exit code 1", succeeded: false, stdout: "" };
  const stack = "error: Uncaught (in promise) TypeError: x\n    at run (file:///a/b.ts:1:2)\n";
  assertStringIncludes(misbehaviour({ ...ended, stderr: stack })!, "stack");
  assertStringIncludes(misbehaviour({ ...ended, stderr: "exai-daemon: unexpected: x" })!, "nobody foresaw");
  assertStringIncludes(misbehaviour({ ...ended, stderr: "" })!, "said nothing");
  assertEquals(misbehaviour({ ...ended, stderr: "exai-daemon: no daemon answers" }), undefined);
  assertEquals(misbehaviour({ ...ended, stderr: "", stdout: '{"error": {}}' }), undefined);
});

Deno.test("the report replaces the results in a page and leaves what people wrote", () => {
  const facts = {
    date: "2026-01-02",
    commit: "abc1234",
    where: "here",
    seed: 1,
    windows: 10,
    elapsedMs: 120_000,
  };
  const result = {
    name: "some harm",
    times: 3,
    elapsedMs: 1000,
    worstRecoveryMs: 20,
    verdict: new Tally().judge([]),
  };
  const first = faultsPage("", [result], facts);
  for (const part of ["abc1234", "| some harm | 3 ", "2 minutes"]) assertStringIncludes(first, part);
  const second = faultsPage(`${first}\nFound: nothing.\n`, [result], { ...facts, commit: "def5678" });
  assertEquals(second, `${first.replace("abc1234", "def5678")}\nFound: nothing.\n`);
});

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
