import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { sessionWorkspaces } from "../../lib/workspace/session_workspace.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { TestTools } from "./exai_tools.ts";
import { FakeModels, promptOf } from "./fake_models.ts";
import { git, tempDir } from "./files.ts";

/** A last step of the tool precommit, which shows a model the diffs. */
export function precommitStep(more: JsonObject = {}): JsonObject {
  const step = { step: "s", step_number: 1, total_steps: 1, next_step_required: false, findings: "f" };
  return { ...step, path: ".", ...more };
}

/** A repository with one commit on `main`, one on `work`, and a change to `a.txt` in the work tree. */
export async function changedRepository() {
  const dir = await tempDir({ "a.txt": "first\n", "b.txt": "untouched\n" });
  const run = (...args: string[]) => git(dir.path, ...args);
  await run("init", "-q", "-b", "main");
  await run("add", ".");
  await run("commit", "-q", "-m", "first");
  await run("checkout", "-q", "-b", "work");
  await dir.write("a.txt", "second\n");
  await run("commit", "-q", "-a", "-m", "second");
  await dir.write("a.txt", "changed here\n");
  return { ...dir, git: run, [Symbol.asyncDispose]: dir[Symbol.asyncDispose] };
}

/** A program that leaves a mark when it is run, outside of any repository. */
export async function trap() {
  const dir = await tempDir({});
  const program = join(dir.path, "trap.sh");
  const mark = join(dir.path, "sprung");
  await Deno.writeTextFile(program, `#!/bin/sh\necho "$0 $*" >> ${mark}\nexit 1\n`, { mode: 0o755 });
  return {
    program,
    /** How often it was run since the last time this was asked, as it was called. */
    async sprung(): Promise<string[]> {
      const text = await Deno.readTextFile(mark).catch(() => "");
      await Deno.remove(mark).catch(() => {});
      return text.split("\n").filter((line) => line !== "");
    },
    [Symbol.asyncDispose]: dir[Symbol.asyncDispose],
  };
}

export interface LookOptions {
  allowedDirs?: string[];
  gitTimeoutMs?: number;
}

/** What the tools that use git show a model of the directory `cwd`, and what they refuse. */
export async function lookAt(cwd: string, { allowedDirs = [], gitTimeoutMs }: LookOptions = {}) {
  const models = new FakeModels(() => "{}");
  const openWorkspace = sessionWorkspaces({ allowedDirs, deniedDirs: [], gitTimeoutMs });
  using tools = new TestTools({ models, cwd, openWorkspace });
  const texts: string[] = [];
  const refusals: string[] = [];
  const calls: [string, JsonObject][] = [
    ["precommit", precommitStep({ next_step_required: true, total_steps: 2 })],
    ["precommit", precommitStep()],
    ["precommit", precommitStep({ compare_to: "main" })],
    ["chat", { prompt: "q", files: ["."] }],
  ];
  for (const [name, args] of calls) {
    const { answer, isError } = await tools.call(name, args);
    texts.push(JSON.stringify(answer));
    if (isError) refusals.push(String(answer.content));
  }
  texts.push(...models.asked.map(promptOf));
  return { shown: texts.join("\n"), refusals };
}

/** The diff comes out as if nothing had been set. */
export function assertDiffShown(
  { shown, refusals }: { shown: string; refusals: string[] },
  name: string,
): void {
  assertEquals(refusals, [], name);
  for (const line of ["-second\n+changed here", "-first\n+second"]) {
    assertEquals(shown.includes(line), true, `${name}: no ${JSON.stringify(line)} in ${shown}`);
  }
}
