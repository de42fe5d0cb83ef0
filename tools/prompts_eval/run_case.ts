import { dirname, join, relative } from "@std/path";
import { messageOf } from "../../lib/base/errors.ts";
import { isObject, type JsonObject } from "../../lib/base/json.ts";
import type { ModelRouter } from "../../lib/provider/model_router.ts";
import { TestTools } from "../../tests/helpers/exai_tools.ts";
import { git } from "../../tests/helpers/files.ts";
import { filesBelow } from "../../tests/helpers/files_below.ts";
import { hold } from "../lib/held.ts";
import { type Judge, judgeMissed } from "./judge.ts";
import { type Finding, type Score, scoreFindings } from "./score.ts";
import { type EvalCase, SCORED_TOOLS } from "./scored_tools.ts";

/** What one run of a case came to. */
export interface CaseResult {
  tool: string;
  repository: string;
  symptom?: string;
  run: number;
  /** Name and version of the prompt, and the model that answered; undefined when none did. */
  prompt?: string;
  model?: string;
  expected: string[];
  /** Undefined when the tool failed or the answer was not as it was asked for; `error` says which. */
  score?: Score;
  /** Faults that only the judge has found described, beside those of `score`. */
  judged?: string[];
  /** Why the judge has not judged; the score does not depend on it. */
  judgeError?: string;
  findings: Finding[];
  inputTokens: number;
  outputTokens: number;
  seconds: number;
  error?: string;
}

export interface CaseOptions {
  models: ModelRouter;
  /** The model to ask; undefined: the tool's own choice. */
  model?: string;
  thinkingMode?: string;
  run: number;
  judge?: Judge;
}

/** Asks the tool itself, in a copy of the repository that has nothing of the key in it. */
export async function runCase(evalCase: EvalCase, options: CaseOptions): Promise<CaseResult> {
  const { tool, repository, symptom, faults } = evalCase;
  const startedMs = performance.now();
  const result: CaseResult = {
    tool,
    repository: repository.name,
    symptom,
    run: options.run,
    expected: faults.map(({ id }) => id),
    findings: [],
    inputTokens: 0,
    outputTokens: 0,
    seconds: 0,
  };
  try {
    await ask(evalCase, options, result);
  } catch (thrown) {
    result.error = messageOf(thrown);
  }
  result.seconds = Math.round((performance.now() - startedMs) / 100) / 10;
  return result;
}

async function ask(evalCase: EvalCase, options: CaseOptions, result: CaseResult): Promise<void> {
  const { tool, repository, faults, args } = evalCase;
  const { models, model, thinkingMode, judge } = options;
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-eval-" }));
  // Also when the program is stopped meanwhile.
  await using _copy = hold("directory", () => Deno.remove(path, { recursive: true }));
  await copyTo(path, evalCase);
  using tools = new TestTools({ models, cwd: path });
  const choice = {
    ...(model === undefined ? {} : { model }),
    ...(thinkingMode === undefined ? {} : { thinking_mode: thinkingMode }),
  };
  const { answer, isError } = await tools.call(tool, { ...args, ...choice });
  const { content, metadata } = answer;
  if (isError || typeof content === "string") {
    throw new Error(typeof content === "string" ? content : String(content.error));
  }
  result.prompt = metadata.prompt as string | undefined;
  result.model = metadata.model as string | undefined;
  const usage = (metadata.usage ?? {}) as JsonObject;
  result.inputTokens = Number(usage.input_tokens ?? 0);
  result.outputTokens = Number(usage.output_tokens ?? 0);
  const analysis = content.expert_analysis;
  if (!isObject(analysis) || (typeof analysis.text === "string" && Object.keys(analysis).length === 1)) {
    throw new Error("the answer is no JSON object");
  }
  result.findings = SCORED_TOOLS[tool]!.findings(analysis);
  result.score = scoreFindings(result.findings, { ...repository, faults });
  if (!judge) return;
  await judgeMissed({ ...result, score: result.score }, repository, judge).then(
    (judged) => result.judged = judged,
    (thrown) => result.judgeError = messageOf(thrown),
  );
}

/** Copies the files; for a change, into a repository of git that has the state before it as its commit. */
async function copyTo(path: string, { repository: { dir, before }, tool }: EvalCase): Promise<void> {
  if (tool !== "precommit") return await copyInto(path, dir);
  await git(path, "init", "-q");
  await copyInto(path, dir);
  await copyInto(path, before);
  await git(path, "add", ".");
  await git(path, "commit", "-q", "-m", "as it was");
  await copyInto(path, dir);
}

async function copyInto(path: string, dir: string): Promise<void> {
  for await (const file of filesBelow(dir)) {
    const to = join(path, relative(dir, file));
    await Deno.mkdir(dirname(to), { recursive: true });
    await Deno.copyFile(file, to);
  }
}
