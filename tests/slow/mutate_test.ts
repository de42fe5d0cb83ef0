import { assertEquals } from "@std/assert";
import type { Coverage, FileCoverage } from "../../tools/mutate/coverage.ts";
import { instrument, type Mutant } from "../../tools/mutate/mutants.ts";
import { stepsFor } from "../../tools/mutate/plan.ts";
import { formatReport } from "../../tools/mutate/report.ts";
import { judge } from "../../tools/mutate/judge.ts";
import { Arguments } from "../../tools/mutate/argued.ts";
import { filterFor } from "../../tools/mutate/tree.ts";

const FILE = "lib/session/larger.ts";

const CODE = `export function larger(a: number, b: number): number {
  log.debug("compares {a} and {b}", { a, b: Math.max(a, b) });
  if (a === b) {
    log.info("the same");
  }
  return a > b ? a : b;
}
`;

async function mutantsOf(code: string): Promise<Mutant[]> {
  return (await instrument(new Map([[FILE, code]]))).mutants;
}

function mutant(key: string): Mutant {
  return { id: "1", key, file: FILE, line: 3, operator: "X", code: "a > b", replacement: "a | b" };
}

Deno.test("the usual changes are found where they stand, and none in what is logged", async () => {
  const found = (await mutantsOf(CODE)).map(({ line, operator, code, replacement }) =>
    `${line} ${operator}: ${code} -> ${replacement}`
  );
  assertEquals(found.slice(1), [
    "3 ConditionalExpression: a === b -> true",
    "3 ConditionalExpression: a === b -> false",
    "3 EqualityOperator: a === b -> a !== b",
    "6 ConditionalExpression: a > b -> true",
    "6 ConditionalExpression: a > b -> false",
    "6 EqualityOperator: a > b -> a >= b",
    "6 EqualityOperator: a > b -> a <= b",
  ]);
});

/** What is found in `code`, apart from blocks taken out and what is common to all code. */
async function changesOf(code: string): Promise<string[]> {
  const found = (await mutantsOf(code)).filter(({ operator }) => !/^(Block|Call|Conditional)/.test(operator));
  return found.map(({ code, replacement }) => `${code} -> ${replacement}`);
}

Deno.test("a change that can mean nothing is not made, and its like that can is", async () => {
  assertEquals(
    await changesOf(`signal.addEventListener("abort", () => stop({ once: true }), { once: true });
      socket.addEventListener("close", stop, { once: true });`),
    [
      '"abort" -> ""',
      "() => stop({ once: true }) -> () => undefined",
      "{ once: true } -> {}",
      "true -> false",
      '"close" -> ""',
      "{ once: true } -> {}",
      "true -> false",
    ],
  );
  assertEquals(await changesOf("f(performance.now() - begunMs > maxMs, spentMs > maxMs);"), [
    "performance.now() - begunMs > maxMs -> performance.now() - begunMs <= maxMs",
    "performance.now() - begunMs -> performance.now() + begunMs",
    "spentMs > maxMs -> spentMs >= maxMs",
    "spentMs > maxMs -> spentMs <= maxMs",
  ]);
  const other = Deno.build.os === "windows" ? "linux" : "windows";
  const asked = (os: string) => `f(Deno.build.os === "${os}");`;
  assertEquals((await mutantsOf(asked(other))).map(({ replacement }) => replacement), [
    "true",
    `Deno.build.os !== "${other}"`,
  ]);
  assertEquals((await mutantsOf(asked(Deno.build.os))).length, 4);
  assertEquals(await changesOf('f(typeof a === "string", b === "string");'), [
    'typeof a === "string" -> typeof a !== "string"',
    'b === "string" -> b !== "string"',
    '"string" -> ""',
  ]);
  assertEquals(await changesOf('work.catch((why: Error) => log.debug("{why}", { why }));'), []);
  assertEquals(await changesOf('take(contained("a line", read(["b"])));'), ['["b"] -> []', '"b" -> ""']);
});

Deno.test("a mutant goes by the same name when the code around it changes", async () => {
  const keys = (mutants: Mutant[]) => mutants.map(({ key }) => key);
  const moved = `// A comment.\n\n${CODE}`;
  assertEquals(keys(await mutantsOf(moved)), keys(await mutantsOf(CODE)));
});

Deno.test("only the tests that reach a mutant are run for it, the fastest file first", () => {
  const key = `${FILE} | X | 1`;
  const other = `${FILE} | X | 2`;
  const test = (name: string, ms: number, ...reached: string[]) => ({ name, ms, reached: new Set(reached) });
  const file = (loaded: string[], ...tests: ReturnType<typeof test>[]) => {
    return { hash: "", ms: 0, loaded: new Set(loaded), tests };
  };
  const coverage: Coverage = {
    known: new Set([key, other]),
    files: new Map([
      ["slow_test.ts", file([], test("a", 900, key), test("b", 5, other))],
      ["fast_test.ts", file([], test("c", 10, key), test("d", 20, key, other))],
      ["loads_test.ts", file([key], test("e", 30, other), test("f", 40))],
      ["none_test.ts", file([], test("g", 1))],
    ]),
  };
  const plan = (key: string) =>
    stepsFor(mutant(key), coverage).map(({ file, names = ["all"] }) => `${file} ${names}`);
  assertEquals(plan(key), ["fast_test.ts all", "loads_test.ts e", "slow_test.ts a"]);
  // What nobody has measured may be reached by whatever uses the file.
  assertEquals(plan(`${FILE} | new | 1`), ["fast_test.ts all", "loads_test.ts e", "slow_test.ts all"]);
});

Deno.test("a module of nothing but data is tried on the tests that load it, the nearest first", () => {
  const key = `${FILE} | X | 1`;
  const tests = [{ name: "a", ms: 1, reached: new Set<string>() }];
  const files = new Map<string, FileCoverage>([
    ["all_test.ts", { hash: "", ms: 0, loaded: new Set([key, "lib/x.ts | X | 1"]), tests }],
    ["tests/larger_test.ts", {
      hash: "",
      ms: 0,
      loaded: new Set([key, "lib/x.ts | X | 1", "lib/x.ts | X | 2"]),
      tests,
    }],
    ["own_test.ts", { hash: "", ms: 0, loaded: new Set([key]), tests }],
    ["other_test.ts", { hash: "", ms: 0, loaded: new Set(["lib/x.ts | X | 1"]), tests }],
    // It starts a program, which loads the module.
    ["starts_test.ts", {
      hash: "",
      ms: 0,
      loaded: new Set(),
      tests: [{ ...tests[0]!, reached: new Set([key]) }],
    }],
  ]);
  const steps = stepsFor(mutant(key), { known: new Set([key]), files });
  assertEquals(steps.map(({ file }) => file), [
    "tests/larger_test.ts",
    "own_test.ts",
    "all_test.ts",
    "starts_test.ts",
  ]);
});

Deno.test("of a file with a test that fails in any case, only the tests that pass are run", () => {
  const key = `${FILE} | X | 1`;
  const tests = [{ name: "a", ms: 1, reached: new Set([key]) }];
  const file = { hash: "", ms: 0, loaded: new Set<string>(), tests, isRed: true };
  const steps = stepsFor(mutant(key), { known: new Set([key]), files: new Map([["red_test.ts", file]]) });
  assertEquals(steps.map(({ names }) => names), [["a"]]);
});

Deno.test("a test that fails with no mutant awake has noticed none, and is told of", async () => {
  const step = { file: "red_test.ts", ms: 1, longestMs: 1 };
  const red: string[] = [];
  const tree = {
    wake: () => Promise.resolve(),
    run: () => Promise.resolve({ isOk: false, isTimeout: false, output: "" }),
  };
  const work = { mutant: mutant(""), steps: [step] };
  const { outcome } = await judge(tree, work, { maxMs: 1000, onred: (file) => red.push(file) });
  assertEquals([outcome, red], ["survived", ["red_test.ts"]]);
});

Deno.test("the filter takes the names of tests as they are", () => {
  const pattern = new RegExp(filterFor(["a (b) costs $1?", "c/d"]).slice(1, -1));
  assertEquals(["a (b) costs $1?", "c/d", "b", "a (b) costs $1? no"].map((name) => pattern.test(name)), [
    true,
    true,
    false,
    false,
  ]);
});

Deno.test("the report gives the score of each room, and why a survivor lives; an equivalent one does not count", () => {
  const argue = (replacement: string, equivalent: boolean) => {
    const { file, operator, code } = mutant("");
    return { file, operator, code, replacement, equivalent, reason: `because of ${replacement}` };
  };
  const verdict = (outcome: "killed" | "survived", replacement: string) => {
    return { mutant: { ...mutant(replacement), replacement }, outcome, by: "", ms: 1 };
  };
  const report = formatReport(
    [verdict("killed", "k"), verdict("survived", "s"), verdict("survived", "e"), verdict("survived", "a")],
    {
      chosen: "All.",
      commit: "abc",
      arguments: new Arguments([argue("e", true), argue("a", false)]),
    },
  );
  const rows = report.split("\n").filter((line) => line.startsWith("|"));
  assertEquals(rows[2], "| `session` | 4 | 1 | 0 | 2 | 0 | 1 | 33.3 % |");
  assertEquals(rows.filter((row) => row.includes(FILE)).map((row) => row.split(" | ").slice(3).join()), [
    "`` s ``, |",
    "`` a ``,because of a |",
    "`` e ``,because of e |",
  ]);
});
