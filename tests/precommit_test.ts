import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { TestTools } from "./helpers/exai_tools.ts";
import { FakeModels, promptOf } from "./helpers/fake_models.ts";
import { git, tempDir } from "./helpers/files.ts";

function step(more: JsonObject = {}): JsonObject {
  return {
    step: "check it",
    step_number: 1,
    total_steps: 1,
    next_step_required: false,
    findings: "f",
    path: ".",
    ...more,
  };
}

/** A repository with one commit on main, one on the branch work, something staged, unstaged and untracked. */
async function repository() {
  const dir = await tempDir({ "base.ts": "base\n", "staged.ts": "old staged\n", "dirty.ts": "old dirty\n" });
  const run = (...args: string[]) => git(dir.path, ...args);
  await run("init", "-q", "-b", "main");
  await run("add", ".");
  await run("commit", "-q", "-m", "first");
  await run("checkout", "-q", "-b", "work");
  await dir.write("committed.ts", "new committed\n");
  await run("add", ".");
  await run("commit", "-q", "-m", "second");
  await dir.write("staged.ts", "new staged\n");
  await run("add", "staged.ts");
  await dir.write("dirty.ts", "new dirty\n");
  await dir.write("sub/fresh.ts", "new untracked\n");
  return dir;
}

async function setUp() {
  const dir = await repository();
  const models = new FakeModels(() => "{}");
  const tools = new TestTools({ models, cwd: dir.path });
  return {
    dir,
    models,
    tools,
    /** What the model is shown for a last step with `more`. */
    async shown(more: JsonObject): Promise<string> {
      const { answer, isError } = await tools.call("precommit", step(more));
      assertEquals(isError, false, JSON.stringify(answer));
      return promptOf(models.asked.at(-1)!);
    },
    async refused(more: JsonObject, ...words: string[]) {
      const { answer, isError } = await tools.call("precommit", step(more));
      assertEquals(isError, true);
      for (const word of words) assertStringIncludes(String(answer.content), word);
      assertEquals(models.asked, []);
    },
    async [Symbol.asyncDispose]() {
      tools[Symbol.dispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}

Deno.test("where nothing has changed the caller is told so at once, and no model is asked", async () => {
  await using it = await setUp();
  const { dir, tools, models } = it;
  await git(dir.path, "add", ".");
  await git(dir.path, "commit", "-q", "-m", "third");
  const pause = await tools.content("precommit", step({ total_steps: 2, next_step_required: true }));
  assertStringIncludes(String((pause.changes as JsonObject).note), "compare_to");
  const { answer, isError } = await tools.call("precommit", step());
  const { completion, note } = answer.content as JsonObject;
  assertEquals([isError, completion, models.asked], [false, "local", []]);
  assertStringIncludes(String(note), "There are no such changes");
  await it.shown({ compare_to: "main" });
  await it.shown({ relevant_files: ["base.ts"] });
});

Deno.test("the first step names what changed and shows no content", async () => {
  await using at = await setUp();
  const { changes } = await at.tools.content("precommit", step({ next_step_required: true, total_steps: 2 }));
  const { branch, repository, files } = changes as JsonObject;
  assertEquals([branch, repository], ["work", at.dir.path]);
  assertEquals(files, [
    { path: "staged.ts", in: "staged", added: 1, removed: 1 },
    { path: "dirty.ts", in: "unstaged", added: 1, removed: 1 },
    { path: "sub/fresh.ts", in: "untracked" },
  ]);
  assert(!JSON.stringify(changes).includes("new dirty"));
});

Deno.test("the model sees the diffs that are asked for and no others", async () => {
  await using at = await setUp();
  const all = await at.shown({});
  for (const part of ["+new staged", "+new dirty", "new untracked", "DIFF staged.ts (staged)"]) {
    assertStringIncludes(all, part);
  }
  assert(!all.includes("new committed"));
  const staged = await at.shown({ include_unstaged: false });
  assert(
    staged.includes("+new staged") && !staged.includes("new dirty") && !staged.includes("new untracked"),
  );
  const since = await at.shown({ compare_to: "main" });
  assert(since.includes("+new committed") && !since.includes("new dirty") && !since.includes("new staged"));
  const both = await at.shown({ compare_to: "main", include_staged: true });
  assert(both.includes("+new committed") && both.includes("+new staged") && !both.includes("new dirty"));
});

Deno.test("only what lies below path is looked at", async () => {
  await using at = await setUp();
  const shown = await at.shown({ path: "sub" });
  assert(shown.includes("new untracked") && !shown.includes("new dirty"));
});

Deno.test("a step repeats the repository and the commit for the next one", async () => {
  await using at = await setUp();
  const first = step({ next_step_required: true, total_steps: 2, compare_to: "main" });
  const { next_call } = await at.tools.content("precommit", first) as {
    next_call: { arguments: JsonObject };
  };
  assertEquals([next_call.arguments.path, next_call.arguments.compare_to], [".", "main"]);
  const { path: _path, compare_to: _ref, ...rest } = next_call.arguments;
  await at.tools.call("precommit", { ...rest, next_step_required: false });
  assertStringIncludes(promptOf(at.models.asked.at(-1)!), "+new committed");
});

Deno.test("a ref that is an option or no commit, a path that is no repository or out of bounds, are refused", async () => {
  await using at = await setUp();
  for (const ref of ["--output=/tmp/x", "-p", "main x", "main\nx"]) {
    await at.refused({ compare_to: ref }, "compare_to", "no name of a commit");
  }
  for (const ref of ["nobody", "main:base.ts", "x".repeat(200)]) {
    await at.refused({ compare_to: ref }, "compare_to", "is not in this repository");
  }
  await at.refused({ path: undefined }, "path is required in step 1");
  await at.refused({ path: "/etc" }, "EXAI_ALLOWED_DIRS");
  await at.refused({ path: "base.ts" }, "is a file");
  await using plain = await tempDir({ "a.ts": "A" });
  using elsewhere = new TestTools({ cwd: plain.path });
  const { answer } = await elsewhere.call("precommit", step());
  assertStringIncludes(String(answer.content), "no git work tree");
});

Deno.test("a repository without a commit, and one with odd names, can be checked", async () => {
  await using dir = await tempDir({ "ä b.ts": "umlaut\n", '-"x".ts': "quote\n" });
  await git(dir.path, "init", "-q", "-b", "main");
  await git(dir.path, "add", ".");
  const models = new FakeModels(() => "{}");
  using tools = new TestTools({ models, cwd: dir.path });
  const { changes } = await tools.content("precommit", step({ next_step_required: true, total_steps: 2 }));
  assertEquals((changes as JsonObject).branch, "(no commit yet)");
  await tools.call("precommit", step());
  for (const part of ["+umlaut", "+quote"]) assertStringIncludes(promptOf(models.asked[0]!), part);
});

Deno.test("an untracked link out of the repository is not followed", async () => {
  await using at = await setUp();
  await Deno.symlink("/etc/passwd", join(at.dir.path, "link"));
  assert(!(await at.shown({})).includes("root:"));
});
