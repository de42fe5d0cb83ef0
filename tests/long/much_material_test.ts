import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { TestTools } from "../helpers/exai_tools.ts";
import { fakeModel, FakeModels, promptOf } from "../helpers/fake_models.ts";
import { precommitStep } from "../helpers/git_repository.ts";
import { toolsIn } from "../helpers/material.ts";

Deno.test("with 8,000 untracked files, prompt and answer stay within their budgets", async () => {
  const files = Array.from(
    { length: 8000 },
    (_, i) => [`gen/part_${i % 8}/a_rather_long_name_${i}.txt`, `${i}\n`],
  );
  await using at = await toolsIn({ ...Object.fromEntries(files), "hand_made.ts": "by hand" }, {
    isRepository: true,
  });
  const first = await at.tools.call("precommit", precommitStep({ next_step_required: true, total_steps: 2 }));
  assert(JSON.stringify(first.answer).length < 20_000);
  const { files: listed, not_listed } = (first.answer.content as JsonObject).changes as {
    files: JsonObject[];
    not_listed: JsonObject;
  };
  assertEquals(listed.length + Number(not_listed.files), 8001);
  assertEquals(listed[0]!.path, "hand_made.ts");
  const small = new FakeModels(() => "{}");
  small.models = [fakeModel("small", { contextTokens: 8000, maxOutputTokens: 1000 })];
  using tools = new TestTools({ cwd: at.dir.path, models: small });
  const { answer } = await tools.call("precommit", precommitStep());
  assert(promptOf(small.asked[0]!).length < 25_000, `${promptOf(small.asked[0]!).length}`);
  assert(JSON.stringify(answer.metadata).length < 25_000);
  assertStringIncludes(JSON.stringify(answer.metadata.not_shown), "only the 200 changed last are looked at");
});

Deno.test("with thousands of staged files too, and what is not shown is counted", async () => {
  const files = Array.from({ length: 1500 }, (_, i) => [`f${i}.txt`, `content ${i}\n`]);
  await using at = await toolsIn(Object.fromEntries(files), { isRepository: true });
  await at.git("add", ".");
  at.models.models = [fakeModel("small", { contextTokens: 20_000, maxOutputTokens: 1000 })];
  const { prompt, answer } = await at.shown("precommit", precommitStep());
  assert(prompt.length < 80_000, `${prompt.length}`);
  const shown = answer.metadata.shown as string[];
  const more = Number(/and (\d+) more/.exec(shown.at(-1)!)?.[1] ?? 0);
  const notShown = answer.metadata.not_shown as JsonObject[];
  const rest = /^(\d+) more files$/.exec(String(notShown.at(-1)!.name));
  assertEquals(shown.length - 1 + more + notShown.length - 1 + Number(rest![1]), 1500);
  assertStringIncludes(String(notShown.at(-1)!.reason), "do not fit into the model's window");
});

Deno.test("one diff of megabytes does not take the room of the others", async () => {
  await using at = await toolsIn({ "a_big.txt": "x\n", "b.ts": "1\n", "yarn.lock": "1\n" }, {
    isRepository: true,
  });
  await at.git("add", ".");
  await at.git("commit", "-q", "-m", "first");
  await at.dir.write("a_big.txt", "line of text\n".repeat(400_000));
  await at.dir.write("b.ts", "2\n");
  await at.dir.write("yarn.lock", "line of text\n".repeat(400_000));
  const { answer, prompt, notShown } = await at.shown("precommit", precommitStep());
  assertEquals(answer.metadata.shown, ["DIFF b.ts (unstaged)"]);
  assertStringIncludes(prompt, "-1\n+2");
  assertStringIncludes(notShown["DIFF a_big.txt (unstaged)"]!, "its diff is longer than 4194304 bytes");
  assertStringIncludes(notShown["DIFF yarn.lock (unstaged)"]!, "generated");
});
