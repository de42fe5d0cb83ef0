/** Changes the code in small ways, one at a time, and sees which changes no test notices. `--help` lists the flags. */
import { fromFileUrl, join } from "@std/path";
import { tempDir } from "./lib/held.ts";
import { runTool } from "./lib/run_tool.ts";
import { Arguments } from "./mutate/argued.ts";
import { choose, readSources } from "./mutate/choose.ts";
import { cacheDir, loadCoverage } from "./mutate/coverage.ts";
import { type Flags, HELP, readFlags } from "./mutate/flags.ts";
import { judge, type Verdict } from "./mutate/judge.ts";
import { redWarning, refresh } from "./mutate/measuring.ts";
import { instrument, type Mutant } from "./mutate/mutants.ts";
import { stepsFor } from "./mutate/plan.ts";
import { formatReport, scoreTable } from "./mutate/report.ts";
import { Tree } from "./mutate/tree.ts";
import { Verdicts } from "./mutate/verdicts.ts";

const root = fromFileUrl(new URL("..", import.meta.url)).replace(/\/$/, "");
const REPORT = join(root, "docs/reports/mutation.md");

async function mutate(): Promise<void> {
  const flags = readFlags(Deno.args);
  if (flags.help) return say(HELP);
  const known = await Verdicts.open(join(await cacheDir(root), "verdicts.jsonl"));
  const { mutants, files } = await instrument(await readSources(root, flags));
  const chosen = choose(mutants, flags, known.survivors);
  const dir = await Deno.realPath(await tempDir("exai-mut-"));
  // Tests run programs as other users, who must reach the code.
  await Deno.chmod(dir, 0o755);
  const trees = await Promise.all(
    Array.from({ length: flags.jobs }, (_, i) => Tree.make(root, join(dir, String(i)), files)),
  );
  // What tests reach is much the same in every work tree of the repository.
  const shared = await cacheDir(await git("rev-parse", "--path-format=absolute", "--git-common-dir"));
  const coverageFile = join(shared, "coverage.json");
  const before = flags.fresh ? undefined : await loadCoverage(coverageFile);
  const coverage = await refresh({ root, trees, mutants, before, coverageFile, tests: flags.tests, onstep });
  const work = chosen.map((mutant) => ({ mutant, steps: stepsFor(mutant, coverage) }));
  if (flags.list) return say(work.map(describeWork).join("\n"));
  const verdicts = await judgeAll(work, { flags, trees, known });
  const total = choose(mutants, { ...flags, sample: Infinity }, known.survivors).length;
  await conclude(verdicts, { flags, total });
}

type Work = { mutant: Mutant; steps: ReturnType<typeof stepsFor> };

async function judgeAll(
  work: readonly Work[],
  { flags, trees, known }: { flags: Flags; trees: readonly Tree[]; known: Verdicts },
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  const queue = [...work];
  const endMs = performance.now() + flags.minutes * 60_000;
  let done = 0;
  const each = async (tree: Tree) => {
    for (let next = queue.shift(); next && performance.now() < endMs; next = queue.shift()) {
      const tried = flags.resume ? known.get(next.mutant.key) : undefined;
      // One that no test had noticed when its time was up may be noticed yet.
      const old = tried?.isPartial ? undefined : tried;
      const verdict = old ? { ...old, mutant: next.mutant } : await judge(tree, next, {
        maxMs: flags.maxSeconds * 1000,
        onred: (file) => onstep(redWarning(file)),
      });
      if (!old) await known.add(verdict);
      verdicts.push(verdict);
      onstep(`${++done} of ${work.length}: ${describe(verdict)}`);
    }
  };
  await Promise.all(trees.map(each));
  return verdicts;
}

async function conclude(
  verdicts: readonly Verdict[],
  { flags, total }: { flags: Flags; total: number },
): Promise<void> {
  const argued = await Arguments.read();
  const lives = verdicts.filter(({ outcome }) => outcome === "survived" || outcome === "unreached");
  for (const verdict of lives) say(describe(verdict));
  say(scoreTable(verdicts, ({ mutant }) => argued.about(mutant)?.equivalent === true).join("\n"));
  if (!flags.report) return;
  const chosen = verdicts.length < total
    ? `A sample of ${verdicts.length} of ${total} mutants (seed ${flags.seed}).`
    : `${verdicts.length} of ${total} mutants.`;
  const commit = (await git("rev-parse", "--short", "HEAD")) +
    (await git("status", "--porcelain", "lib") && " and more");
  await Deno.writeTextFile(REPORT, formatReport(verdicts, { chosen, commit, arguments: argued }));
}

async function git(...args: string[]): Promise<string> {
  const { stdout } = await new Deno.Command("git", { args, cwd: root }).output();
  return new TextDecoder().decode(stdout).trim();
}

function describeWork({ mutant, steps }: Work): string {
  const reached = steps.map(({ file, names }) => names ? `${file} (${names.length} tests)` : file);
  return `${describeMutant(mutant)}\n    ${reached.join(", ") || "reached by no test"}`;
}

function describe({ mutant, outcome, by, ms }: Verdict): string {
  return `${outcome} ${describeMutant(mutant)} (${(ms / 1000).toFixed(1)} s${by && `, ${by}`})`;
}

function describeMutant({ file, line, operator, code, replacement }: Mutant): string {
  return `${file}:${line} ${operator}: ${cut(code)} -> ${cut(replacement)}`;
}

function cut(code: string): string {
  return code.length > 90 ? `${code.slice(0, 90)} ...` : code;
}

function onstep(what: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`mutate: ${what}\n`));
}

function say(text: string): void {
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  console.log(text);
}

await runTool(mutate, { name: "mutate", deadlineMs: 24 * 3_600_000 });
