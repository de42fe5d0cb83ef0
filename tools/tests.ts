/**
 * Runs a directory of test files in groups that share an isolate. Deno gives each file an isolate of its own, and to
 * load the modules of the program anew for each of hundreds of files takes about a third of the time. A test makes a
 * home of its own and minds no other, so nothing is lost by that. `deno test FILE` runs one file as ever.
 */
import { fromFileUrl, join, toFileUrl } from "@std/path";
import { SECOND_MS } from "../lib/base/units.ts";
import { isDirectory } from "../lib/config/path_kind.ts";
import { endTree } from "./lib/end_tree.ts";
import { hold, tempDir } from "./lib/held.ts";
import { runTool, UsageError } from "./lib/run_tool.ts";
import { groupsOf } from "./lib/test_groups.ts";

/** For a directory that hangs: all of tests/long takes its time on a small machine. */
const DEADLINE_MS = 7200 * SECOND_MS;
const HELP = `deno run -A tools/tests.ts DIR [FLAG ...]

  DIR   its files named *_test.ts are run, those of DIR/alone first and one at a time, and none of other directories in it
  FLAG  is given to deno test: --filter=TEXT, ...`;

/** Holds tests of programs whose limits of time are short, and not ours to set. */
const ALONE = "alone";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

async function tests(): Promise<void> {
  const [dir, ...flags] = Deno.args;
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  if (dir === "--help") return console.log(HELP);
  if (dir === undefined || flags.some((flag) => !flag.startsWith("-"))) {
    throw new UsageError("one directory is needed, then flags; --help shows them");
  }
  const shared = await testFiles(join(ROOT, dir));
  if (shared.length === 0) throw new UsageError(`${dir} has no files named *_test.ts`);
  const alone = await testFiles(join(ROOT, dir, ALONE));
  const runs = [
    await runFiles(alone, flags),
    await runFiles(await writeGroups(shared), ["--parallel", ...flags]),
  ];
  if (runs.includes(false)) throw new Error("some tests failed, as shown above");
}

/** Returns whether all tests in `files` pass. */
async function runFiles(files: readonly string[], flags: readonly string[]): Promise<boolean> {
  if (files.length === 0) return true;
  const args = ["test", "-A", "--no-check", "--preload=tests/helpers/time_limit.ts", ...flags, ...files];
  const child = new Deno.Command(Deno.execPath(), { args, cwd: ROOT, stdin: "null" }).spawn();
  await using _child = hold("process", () => endTree(child.pid));
  return (await child.status).success;
}

async function testFiles(dir: string): Promise<string[]> {
  if (!await isDirectory(dir)) return [];
  const all = await Array.fromAsync(Deno.readDir(dir), ({ name }) => name);
  return all.filter((name) => name.endsWith("_test.ts")).sort().map((name) => join(dir, name));
}

/** Writes one module for each group, which imports its files. Returns the modules. */
async function writeGroups(files: readonly string[]): Promise<string[]> {
  const dir = await tempDir("exai-tests-");
  return await Promise.all(
    groupsOf(files).map(async (members, group) => {
      const path = join(dir, `group_${group + 1}_test.ts`);
      await Deno.writeTextFile(path, members.map((file) => `import "${toFileUrl(file)}";\n`).join(""));
      return path;
    }),
  );
}

await runTool(tests, { name: "tests", deadlineMs: DEADLINE_MS });
