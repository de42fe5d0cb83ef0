/**
 * Runs the part of the tests that has to do with Windows, on Windows itself or under Wine: `deno task windows`. Files may
 * be named instead. Wine is a witness, not a judge: what fails there only may be its own fault.
 */
import { parseArgs } from "@std/cli/parse-args";
import { fromFileUrl } from "@std/path";
import { SECOND_MS } from "../lib/base/units.ts";
import { type Run, run } from "./windows/run.ts";
import { runTool, UsageError } from "./lib/run_tool.ts";
import { SUITE } from "./windows/suite.ts";
import { openWine } from "./windows/wine.ts";

const DEADLINE_MS = 600 * SECOND_MS;

const HELP = `deno task windows [--wine DIR] [FILE ...]

  FILE        tests to run; otherwise those of tools/windows/suite.ts
  --wine DIR  where Wine is set up, when this is not Windows: a folder with a program \`wine\`, which runs
              a Windows program in the prefix $WINEPREFIX and sees / as Z:, npm/package/deno.exe (of the npm
              package @deno/win32-x64), and winehome; by default exai-wine in the user's cache directory`;

const ROOT = fromFileUrl(new URL("..", import.meta.url));

async function windows(): Promise<void> {
  const { wine, help, _: files } = parseArgs(Deno.args, { string: ["wine", "_"], boolean: ["help"] });
  // deno-lint-ignore no-console -- a program of the command line speaks on it
  if (help) return console.log(HELP);
  const wanted = files.length > 0 ? files.map(String) : SUITE;
  const deno = await findDeno(wine);
  await run(
    deno([
      "test",
      "-q",
      "-A",
      "--no-check",
      "--parallel",
      "--preload=tests/helpers/time_limit.ts",
      ...wanted,
    ]),
  );
  if (files.length === 0) {
    await run(deno(["run", "-A", "--no-check", "tools/smoke.ts", "--daemon", "daemon.ts"]));
  }
}

async function findDeno(wine: string | undefined): Promise<(args: readonly string[]) => Run> {
  if (Deno.build.os === "windows") return (args) => ({ command: Deno.execPath(), args, cwd: ROOT });
  const place = await openWine(wine);
  if (place) return await place.prepare(ROOT);
  throw new UsageError("this is not Windows, and Wine is not set up; --help says how it is looked for");
}

await runTool(windows, { name: "windows", deadlineMs: DEADLINE_MS });
