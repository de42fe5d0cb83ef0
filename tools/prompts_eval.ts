/**
 * Scores the prompts of EXAI's tools with a model of yours: each tool is asked about small repositories with planted
 * faults (`tests/fixtures/planted/`), and what it reports is compared with the key. `--help` lists the flags.
 */
import { pooledMap } from "@std/async/pool";
import { parseArgs } from "@std/cli/parse-args";
import { ConfiguredModels } from "../lib/app/model_providers.ts";
import { statePaths } from "../lib/config/paths.ts";
import { SettingsLoader } from "../lib/config/program_settings.ts";
import { THINKING_MODES } from "../lib/provider/provider.ts";
import { estimateTokens } from "../lib/provider/token_estimate.ts";
import { commitHere } from "./lib/here.ts";
import { progress, runTool, UsageError } from "./lib/run_tool.ts";
import { type Planted, readPlanted } from "./prompts_eval/planted.ts";
import { type EvalReport, formatEval } from "./prompts_eval/report.ts";
import { type CaseResult, runCase } from "./prompts_eval/run_case.ts";
import { casesOf, type EvalCase, SCORED_TOOLS } from "./prompts_eval/scored_tools.ts";

const HELP = `deno task prompts:eval [--model NAME] [--tool NAME] [--repo NAME] [--runs N] [--baseline FILE]

Asks the models of your keys (exai.json, models.json, variables), which costs money: --dry-run says how much is sent.

  --model NAME     the model to ask; left out: what each tool chooses
  --tool NAME      only this tool, may be repeated: ${Object.keys(SCORED_TOOLS).join(", ")}
  --repo NAME      only this repository, may be repeated
  --runs N         how often each question is asked; 1
  --parallel N     questions at once; 2
  --thinking MODE  ${THINKING_MODES.join(", ")}; left out: the tool's own
  --judge NAME     a model that looks at what place and words do not decide; a column of its own
  --baseline FILE  compare with this earlier --json
  --json FILE      write all results there, each as it comes
  --dry-run        say what would be asked, and ask nothing`;

const DEADLINE_MS = 6 * 60 * 60_000;

/** Tokens of a prompt and a brief, beside the files. */
const PROMPT_TOKENS = 2000;

interface Options {
  model?: string;
  tools: string[];
  repositories: Planted[];
  runs: number;
  parallel: number;
  thinking?: string;
  judge?: string;
  baseline?: EvalReport;
  json?: string;
  isDryRun: boolean;
}

async function evaluate(): Promise<void> {
  const options = await readOptions();
  if (options === undefined) return say(HELP);
  const cases = casesOf(options.tools, options.repositories);
  if (cases.length === 0) throw new UsageError("none of these tools has a question about these repositories");
  if (options.isDryRun) return say(await describePlan(cases, options.runs));
  const { settings } = await new SettingsLoader({ args: [] }).read();
  await using models = await ConfiguredModels.open(settings, statePaths(settings));
  const { model, judge } = options;
  // One question per case would fail alike, and a judge that is not there would look like one that found nothing.
  await models.router.resolve({ requested: model, tool: cases[0]!.tool });
  if (judge !== undefined) await models.router.resolve({ requested: judge, tool: "chat" });
  const report: EvalReport = {
    at: new Date().toISOString(),
    commit: await commitHere(),
    model,
    judge,
    results: [],
  };
  await runAll(cases, models, { ...options, report });
  const { results } = report;
  say(formatEval(report, options.baseline));
  if (results.every(({ error }) => error !== undefined)) throw new Error(results[0]!.error);
}

/** Adds the results to `report`, and keeps what there is: an answer that was paid for is not lost by an interrupt. */
async function runAll(
  cases: readonly EvalCase[],
  { router }: ConfiguredModels,
  { runs, model, judge, parallel, thinking, json, report }: Options & { report: EvalReport },
): Promise<void> {
  const all = Array.from({ length: runs }, (_, i) => cases.map((one) => ({ one, run: i + 1 }))).flat();
  const results = pooledMap(parallel, all, ({ one, run }: { one: EvalCase; run: number }) =>
    runCase(one, {
      models: router,
      model,
      thinkingMode: thinking,
      run,
      judge: judge === undefined ? undefined : { models: router, model: judge },
    }));
  for await (const result of results) {
    report.results.push(result);
    progress(`${report.results.length}/${all.length} ${describeResult(result)}`);
    if (json) await Deno.writeTextFile(json, JSON.stringify(report, undefined, 2) + "\n");
  }
}

function describeResult({ tool, repository, symptom, score, expected, error }: CaseResult): string {
  const about = symptom === undefined ? repository : `${repository}/${symptom}`;
  return `${tool} ${about}: ${error ?? `${score?.found.length ?? 0} of ${expected.length} found`}`;
}

async function describePlan(cases: readonly EvalCase[], runs: number): Promise<string> {
  let tokens = 0;
  for (const { repository: { dir, files } } of cases) {
    const texts = await Promise.all(files.map((file) => Deno.readTextFile(`${dir}/${file}`)));
    tokens += PROMPT_TOKENS + await estimateTokens(texts.join("\n"));
  }
  const faults = cases.reduce((all, one) => all + one.faults.length, 0);
  const thousands = Math.round(tokens * runs / 1000);
  return `${
    cases.length * runs
  } questions (${cases.length} cases, ${faults} faults to find, runs: ${runs}); about ` +
    `${thousands}k tokens are sent, and about as many come back from a model that thinks`;
}

async function readOptions(): Promise<Options | undefined> {
  const unknown: string[] = [];
  const parsed = parseArgs(Deno.args, {
    string: ["model", "tool", "repo", "runs", "parallel", "thinking", "judge", "baseline", "json"],
    boolean: ["dry-run", "help"],
    collect: ["tool", "repo"],
    unknown: (arg: string) => {
      unknown.push(arg);
      return false;
    },
  });
  if (unknown.length > 0) throw new UsageError(`${unknown[0]} is not known; --help lists what is`);
  if (parsed.help) return undefined;
  const { thinking } = parsed;
  if (thinking !== undefined && !THINKING_MODES.some((mode) => mode === thinking)) {
    throw new UsageError(`--thinking is one of ${THINKING_MODES.join(", ")}`);
  }
  const planted = await readPlanted();
  const names = select("--repo", parsed.repo as string[], planted.map(({ name }) => name));
  return {
    model: parsed.model,
    tools: select("--tool", parsed.tool as string[], Object.keys(SCORED_TOOLS)),
    repositories: planted.filter(({ name }) => names.includes(name)),
    runs: positive("runs", parsed.runs ?? "1"),
    parallel: positive("parallel", parsed.parallel ?? "2"),
    thinking,
    judge: parsed.judge,
    baseline: parsed.baseline === undefined ? undefined : await readReport(parsed.baseline),
    json: parsed.json,
    isDryRun: parsed["dry-run"],
  };
}

function select(flag: string, wanted: readonly string[], known: readonly string[]): string[] {
  const unknown = wanted.find((name) => !known.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(`${flag} ${unknown} is not known; there are ${known.join(", ")}`);
  }
  return wanted.length === 0 ? [...known] : known.filter((name) => wanted.includes(name));
}

function positive(name: string, value: string): number {
  if (/^[1-9]\d*$/.test(value)) return Number(value);
  throw new UsageError(`--${name} must be a whole number above 0`);
}

async function readReport(path: string): Promise<EvalReport> {
  try {
    const report = JSON.parse(await Deno.readTextFile(path));
    if (Array.isArray(report?.results)) return report;
  } catch (thrown) {
    throw new UsageError(`--baseline ${path}: ${(thrown as Error).message}`);
  }
  throw new UsageError(`--baseline ${path} was not written by --json of this program`);
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(evaluate, { name: "prompts:eval", deadlineMs: DEADLINE_MS });
