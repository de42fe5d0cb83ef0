import { assertEquals } from "@std/assert";
import type { JsonObject } from "../../lib/base/json.ts";
import { TestTools } from "./exai_tools.ts";
import { FakeModels, promptOf } from "./fake_models.ts";
import { git, tempDir } from "./files.ts";

/** Tools in a directory with `files`; a git repository if it is to be one. */
export async function toolsIn(files: Record<string, string | Uint8Array>, { isRepository = false } = {}) {
  const dir = await tempDir(files);
  if (isRepository) await git(dir.path, "init", "-q", "-b", "main");
  const models = new FakeModels(() => "{}");
  const tools = new TestTools({ cwd: dir.path, models });
  return {
    dir,
    models,
    git: (...args: string[]) => git(dir.path, ...args),
    tools,
    /** What a model is shown, and what the answer says it is not shown. */
    async shown(tool: string, args: JsonObject) {
      const { answer, isError } = await tools.call(tool, args);
      assertEquals(isError, false, JSON.stringify(answer.content));
      const notShown = (answer.metadata.not_shown ?? []) as { name: string; reason: string }[];
      return {
        prompt: promptOf(models.asked.at(-1)!),
        answer,
        notShown: Object.fromEntries(notShown.map(({ name, reason }) => [name, reason])),
      };
    },
    async [Symbol.asyncDispose]() {
      tools[Symbol.dispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
}
