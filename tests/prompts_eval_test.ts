import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { JsonObject } from "../lib/base/json.ts";
import { type Planted, readPlanted } from "../tools/prompts_eval/planted.ts";
import { type EvalReport, formatEval } from "../tools/prompts_eval/report.ts";
import { type CaseResult, runCase } from "../tools/prompts_eval/run_case.ts";
import { type Finding, placesIn, scoreFindings } from "../tools/prompts_eval/score.ts";
import { casesOf, type EvalCase, SCORED_TOOLS } from "../tools/prompts_eval/scored_tools.ts";
import { FakeModels, promptOf } from "./helpers/fake_models.ts";

const planted = await readPlanted();
const cases = casesOf(Object.keys(SCORED_TOOLS), planted);

function caseOf(tool: string, repository: string): EvalCase {
  return cases.find((one) => one.tool === tool && one.repository.name === repository)!;
}

function repositoryOf(name: string): Planted {
  return planted.find((one) => one.name === name)!;
}

/** The answer of a model that has found exactly `reports`, in the shape the tool asks for. */
function answerOf(tool: string, reports: readonly JsonObject[]): string {
  const fields: Record<string, JsonObject> = {
    codereview: { issues: [...reports] },
    precommit: { issues: [...reports] },
    secaudit: { vulnerabilities: [...reports] },
    testgen: { suspected_bugs: [...reports] },
    refactor: { opportunities: [...reports] },
    debug: { root_cause: reports[0] ?? null },
  };
  return JSON.stringify({ summary: "s", ...fields[tool] });
}

/** Runs a case with a model that answers `reports`. */
function runWith(evalCase: EvalCase, reports: readonly JsonObject[], run = 1): Promise<CaseResult> {
  const models = new FakeModels(() => answerOf(evalCase.tool, reports));
  return runCase(evalCase, { models, run });
}

/** Each fault of a case as a model might report it, in the words of the key. */
function perfectReports({ faults }: EvalCase): JsonObject[] {
  return faults.map(({ what, places: [place] }) => ({
    severity: "high",
    location: `${place!.file}:${place!.from}`,
    title: what,
  }));
}

Deno.test("there are eight planted repositories and more, in several languages, and each fault is at one place", () => {
  assert(planted.length >= 8);
  assert(new Set(planted.map(({ language }) => language)).size >= 7);
  for (const { name, faults, decoys, files } of planted) {
    assert(faults.length >= 4 && decoys.length >= 1 && files.length >= 1, name);
    assertEquals(new Set(faults.map(({ id }) => id)).size, faults.length, name);
  }
  for (const tool of Object.keys(SCORED_TOOLS)) {
    assert(cases.some((one) => one.tool === tool), `${tool} has no case`);
  }
});

Deno.test("a fault described as the key describes it is recognised as one of its kind", () => {
  const unknown = planted.flatMap(({ name, faults }) =>
    faults.filter(({ what, words }) => !words.some((word) => word.test(what))).map(({ id }) =>
      `${name}/${id}`
    )
  );
  assertEquals(unknown, []);
});

Deno.test("an answer that names every fault at its place scores all, with every tool and repository", async () => {
  for (const one of cases) {
    const { score, error, prompt } = await runWith(one, perfectReports(one));
    const label = `${one.tool} ${one.repository.name}`;
    assertEquals(
      [error, score?.missed, score?.placeOnly, score?.falseAlarms],
      [undefined, [], [], []],
      label,
    );
    assertEquals(score!.found.map(({ fault }) => fault), one.faults.map(({ id }) => id), label);
    assert(prompt!.startsWith(`${one.tool}@`), label);
  }
});

Deno.test("a model is shown every file of the repository and nothing of the key", async () => {
  for (const one of cases.filter(({ tool }) => tool === "codereview" || tool === "precommit")) {
    const models = new FakeModels(() => answerOf(one.tool, []));
    await runCase(one, { models, run: 1 });
    const prompt = promptOf(models.asked[0]!);
    const { name, files, faults, dir } = one.repository;
    if (one.tool === "codereview") {
      for (const file of files) {
        const [first] = (await Deno.readTextFile(`${dir}/${file}`)).split("\n");
        assertStringIncludes(prompt, first!, `${name} ${file}`);
      }
    } else for (const { inChange, what } of faults) if (inChange) assert(!prompt.includes(what));
    for (const { what } of faults) assert(!prompt.includes(what), name);
    assertEquals([/planted/i.test(prompt), prompt.includes("key.json")], [false, false], name);
  }
});

Deno.test("precommit is shown the change, and is to find what came with it", async () => {
  const one = caseOf("precommit", "python-notes");
  assertEquals(one.faults.map(({ id }) => id), ["order-by", "first-page"]);
  const models = new FakeModels(() => answerOf("precommit", []));
  await runCase(one, { models, run: 1 });
  const prompt = promptOf(models.asked[0]!);
  assertStringIncludes(prompt, '-        (g.user_id, f"%{text}%", PAGE_SIZE, (page - 1) * PAGE_SIZE),');
  assertStringIncludes(prompt, '+        (g.user_id, f"%{text}%", PAGE_SIZE, page * PAGE_SIZE),');
});

Deno.test("place and kind decide: one without the other is not found, correct code that is reported is a false alarm", () => {
  const repository = repositoryOf("python-notes");
  const [sql, page] = repository.faults;
  const score = (...findings: Finding[]) => scoreFindings(findings, { ...repository, faults: [sql!, page!] });
  const at = (spot: { places: readonly { file: string; from: number }[] }, text: string): Finding => ({
    location: `${spot.places[0]!.file}:${spot.places[0]!.from}`,
    text,
  });
  assertEquals(score(at(sql!, "SQL injection")).found, [{ fault: "order-by", finding: 0 }]);
  assertEquals(score(at(sql!, "CWE-89")).found.length, 1);
  assertEquals(score(at(sql!, "the name is too short")).placeOnly, [{ fault: "order-by", finding: 0 }]);
  const elsewhere = score({ location: "app/db.py:3", text: "SQL injection" });
  assertEquals([elsewhere.found, elsewhere.missed.length, elsewhere.others], [[], 2, [0]]);
  const alarm = score(at(repository.decoys[0]!, "SQL injection"));
  assertEquals([alarm.found, alarm.falseAlarms, alarm.others], [[], [0], []]);
  assertEquals(score(at(repository.decoys[0]!, "a magic text")).falseAlarms, []);
});

Deno.test("a fault may be reported two lines beside its place, and not three", () => {
  const repository = repositoryOf("rust-ledger");
  const fault = repository.faults.find(({ id }) => id === "one-more")!;
  const found = [-3, -2, 0, 2, 3].map((lines) => {
    const location = `src/recent.rs:${fault.places[0]!.from + lines}`;
    return scoreFindings([{ location, text: "off by one" }], { ...repository, faults: [fault] }).found.length;
  });
  assertEquals(found, [0, 1, 1, 1, 0]);
});

Deno.test("a finding counts once, and a second one about the same fault is neither another nor a false alarm", () => {
  const repository = repositoryOf("python-notes");
  const [sql, page] = repository.faults;
  const faults = [sql!, page!];
  const place = `app/notes.py:${sql!.places[0]!.from}`;
  const vague = scoreFindings([{ location: place, text: "injection, and an off-by-one" }], {
    ...repository,
    faults,
  });
  assertEquals([vague.found.length, vague.missed.length], [1, 1]);
  const twice = scoreFindings([
    { location: place, text: "SQL injection" },
    { location: place, text: "inject SQL by order" },
  ], { ...repository, faults });
  assertEquals([twice.found.length, twice.placeOnly, twice.others, twice.falseAlarms], [1, [], [], []]);
});

Deno.test("a finding that fits two faults leaves the one that another fits too, in whatever order they come", () => {
  const repository = repositoryOf("python-invoices");
  const [jobs, , flags] = repository.faults;
  const faults = [jobs!, flags!];
  const line = flags!.places[0]!.from;
  const both = { location: `invoices/report.py:${line}`, text: "flags: split by an enum" };
  const one = {
    location: `invoices/report.py:${jobs!.places[0]!.from + 20}`,
    text: "one function, several jobs",
  };
  for (const findings of [[both, one], [one, both]]) {
    const { found } = scoreFindings(findings, { ...repository, faults });
    assertEquals(found.map(({ fault, finding }) => [fault, findings[finding]]), [
      ["several-jobs", one],
      ["flags", both],
    ]);
  }
});

Deno.test("a place is read in every way that models write one", () => {
  const files = ["src/a.ts", "src/deep/b.py", "Dockerfile"];
  const at = (from: number, to = from) => [{ file: "src/a.ts", from, to }];
  const cases: Record<string, ReturnType<typeof at>> = {
    "src/a.ts:12": at(12),
    "a.ts:12-15": at(12, 15),
    "/home/me/repo/src/a.ts:12:5": at(12),
    "src\\a.ts:12": at(12),
    "./src/a.ts#L12-L15": at(12, 15),
    "src/a.ts, line 12": at(12),
    "src/a.ts (lines 12 to 15)": at(12, 15),
    "`src/a.ts`:12": at(12),
    "src/a.ts:15-12": at(12, 15),
    "src/a.ts": [],
    "src/ba.ts:3": [],
    "src/a.tsx:3": [],
  };
  for (const [text, places] of Object.entries(cases)) assertEquals(placesIn(text, files), places, text);
  assertEquals(placesIn("b.py:3 and Dockerfile:4", files).map(({ file, from }) => [file, from]), [
    ["src/deep/b.py", 3],
    ["Dockerfile", 4],
  ]);
});

Deno.test("a tool that fails, and an answer that is no JSON, count as failed and have found nothing", async () => {
  const one = caseOf("codereview", "rust-ledger");
  const down = new FakeModels(() => {
    throw new ExaiError("UPSTREAM_UNAVAILABLE", "the model is down");
  });
  const failed = await runCase(one, { models: down, run: 1 });
  assertEquals([failed.score, failed.error], [undefined, "the model is down"]);
  const words = await runCase(one, { models: new FakeModels(() => "It is all fine."), run: 2 });
  assertEquals([words.score, words.error], [undefined, "the answer is no JSON object"]);
  const text = formatEval(reportOf([failed, words]));
  assertStringIncludes(text, "1 x the model is down");
  assertStringIncludes(text, "never found:\n  codereview: rust-ledger/underflow");
});

function reportOf(results: CaseResult[], judge?: string): EvalReport {
  return { at: "2026-11-27T20:00:00Z", commit: "abc", judge, results };
}

Deno.test("the report says for each tool what share was found, over how many runs, and how it varied", async () => {
  const one = caseOf("debug", "c-logparse");
  const results = [await runWith(one, perfectReports(one), 1), await runWith(one, [], 2)];
  const [head, _line, row] = formatEval(reportOf(results)).split("\n");
  assertEquals(head!.split(/ {2,}/).slice(0, 5), ["tool and prompt", "runs", "failed", "found", "of runs"]);
  assertEquals(row!.split(/ {2,}/).slice(0, 5), [results[0]!.prompt, "2", "0", "50 %", "0 % - 100 %"]);
});

Deno.test("a baseline shows what was gained and lost, by the cases both have, with the versions of the prompts", async () => {
  const one = caseOf("codereview", "go-fetcher");
  const [first, second, ...rest] = perfectReports(one);
  const before = await runWith(one, [first!, ...rest]);
  const after = await runWith(one, [second!, ...rest]);
  const other = await runWith(caseOf("codereview", "php-gallery"), []);
  const text = formatEval(reportOf([after, other]), reportOf([{ ...before, prompt: "codereview@1" }]));
  assertStringIncludes(text, "codereview@1 by one");
  assertStringIncludes(text, "0 points");
  assertStringIncludes(text, `lost codereview: go-fetcher/${one.faults[0]!.id}`);
  assertStringIncludes(text, `gained codereview: go-fetcher/${one.faults[1]!.id}`);
  assertStringIncludes(formatEval(reportOf([other]), reportOf([before])), "none of these cases");
});

Deno.test("a judge looks only at what place and words have not decided, and has a column of its own", async () => {
  const one = caseOf("secaudit", "php-gallery");
  const [found, other] = one.faults;
  const reports = [perfectReports(one)[0]!, {
    location: `${other!.places[0]!.file}:${other!.places[0]!.from}`,
    title: "the caption comes out as the visitor wrote it",
  }];
  const models = new FakeModels(({ request }) => {
    const isJudge = promptOf({ request } as never).includes("You compare findings");
    return isJudge ? 'It is the first: {"finding": 1}' : answerOf("secaudit", reports);
  });
  const result = await runCase(one, { models, run: 1, judge: { models, model: "two" } });
  assertEquals(result.score!.found.map(({ fault }) => fault), [found!.id]);
  assertEquals(result.judged, [other!.id]);
  assertEquals(models.asked.map(({ model }) => model), ["one", "two"]);
  const question = promptOf(models.asked[1]!);
  assertStringIncludes(question, other!.what);
  assertEquals(question.includes(found!.what), false);
  assertStringIncludes(formatEval(reportOf([result], "two")).split("\n")[0]!, "with judge");
});

Deno.test("a judge that fails takes nothing from the score, and is reported", async () => {
  const one = caseOf("secaudit", "php-gallery");
  const [first] = perfectReports(one);
  const models = new FakeModels(({ model }) => {
    if (model === "two") throw new ExaiError("UPSTREAM_UNAVAILABLE", "the judge is down");
    return answerOf("secaudit", [first!, { location: "src/session.php:1", title: "no type" }]);
  });
  const result = await runCase(one, { models, run: 1, judge: { models, model: "two" } });
  assertEquals([result.score!.found.length, result.error, result.judged], [1, undefined, undefined]);
  assertStringIncludes(formatEval(reportOf([result], "two")), "1 x judge: the judge is down");
});
