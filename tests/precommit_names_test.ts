import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import type { JsonObject } from "../lib/base/json.ts";
import { precommitStep } from "./helpers/git_repository.ts";
import { toolsIn } from "./helpers/material.ts";

const onUnix = { ignore: Deno.build.os === "windows" };

/** A repository with `files` in its first commit. */
async function repositoryOf(files: Record<string, string | Uint8Array>) {
  const at = await toolsIn(files, { isRepository: true });
  await at.git("add", "-A");
  await at.git("commit", "-q", "-m", "first");
  return {
    ...at,
    async listed(): Promise<JsonObject[]> {
      const first = precommitStep({ next_step_required: true, total_steps: 2 });
      return ((await at.tools.content("precommit", first)).changes as JsonObject).files as JsonObject[];
    },
    [Symbol.asyncDispose]: at[Symbol.asyncDispose],
  };
}

Deno.test(
  "every changed file has its own name, whatever its name or the user's diff settings are",
  onUnix,
  async () => {
    const names = [
      "x b/z.ts",
      "a b/a b.ts",
      'quo"te\t.ts',
      "back\\slash.ts",
      "new\nline.ts",
      "ümlaut.ts",
      "b/a/ b/a.ts",
    ];
    await using at = await repositoryOf(Object.fromEntries(names.map((name) => [name, "one\n"])));
    for (const setting of ["diff.noprefix", "diff.mnemonicPrefix"]) await at.git("config", setting, "true");
    await at.git("config", "diff.srcPrefix", "other/");
    for (const [index, name] of names.entries()) await at.dir.write(name, `two ${index}\n`);
    const listed = (await at.listed()).map(({ path }) => path);
    assertEquals(listed.toSorted(), names.toSorted());
    const { prompt, answer } = await at.shown("precommit", precommitStep());
    assertEquals((answer.metadata.shown as string[]).length, names.length);
    for (const [index, name] of names.entries()) {
      const visible = name.replace("\n", "\\n").replace("\t", "\\t");
      const part = prompt.split(`--- BEGIN DIFF ${visible} (unstaged) ---`)[1]?.split("--- END")[0];
      assertStringIncludes(String(part), `+two ${index}`, name);
    }
  },
);

Deno.test("renames, modes, types, binaries and conflicts are told as what they are", onUnix, async () => {
  const lines = Array.from({ length: 20 }, (_, i) => `${i}\n`).join("");
  await using at = await repositoryOf({
    "old name.ts": lines,
    "run.sh": "#!/bin/sh\n",
    "to_link": "text\n",
    "blob": Uint8Array.of(1, 0, 2),
    "both.txt": "base\n",
  });
  await at.git("checkout", "-q", "-b", "other");
  await at.dir.write("both.txt", "theirs\n");
  await at.git("commit", "-q", "-a", "-m", "theirs");
  await at.git("checkout", "-q", "main");
  await at.dir.write("both.txt", "ours\n");
  await at.git("commit", "-q", "-a", "-m", "ours");
  await at.git("merge", "-q", "other").catch(() => {});
  await at.git("mv", "old name.ts", "new b/name.ts").catch(async () => {
    await Deno.mkdir(join(at.dir.path, "new b"));
    await at.git("mv", "old name.ts", "new b/name.ts");
  });
  await Deno.chmod(join(at.dir.path, "run.sh"), 0o755);
  await Deno.remove(join(at.dir.path, "to_link"));
  await Deno.symlink("run.sh", join(at.dir.path, "to_link"));
  await at.dir.write("blob", Uint8Array.of(3, 0, 4));
  const listed = await at.listed();
  const byPath = Object.fromEntries(listed.map(({ path, ...rest }) => [path, rest]));
  assertEquals(listed.length, Object.keys(byPath).length, "each is listed once");
  assertEquals(byPath, {
    "new b/name.ts": { in: "staged", added: 0, removed: 0, renamed_from: "old name.ts" },
    "both.txt": { in: "unstaged", conflict: true },
    "run.sh": { in: "unstaged", added: 0, removed: 0, mode: "100644 → 100755" },
    "to_link": { in: "unstaged", added: 1, removed: 1, mode: "100644 → 120000" },
    "blob": { in: "unstaged", binary: true },
  });
  const { prompt, notShown } = await at.shown("precommit", precommitStep());
  for (const part of ["rename from old name.ts", "++<<<<<<< ", "new mode 100755", "new file mode 120000"]) {
    assertStringIncludes(prompt, part);
  }
  assertEquals(notShown["DIFF blob (unstaged)"], "changed; it is binary");
});

Deno.test("a file that was only touched is no change", async () => {
  await using at = await repositoryOf({ "a.ts": "same\n", "b.ts": "one\n" });
  await Deno.utime(join(at.dir.path, "a.ts"), 1_000_000, 1_000_000);
  await at.dir.write("b.ts", "two\n");
  assertEquals((await at.listed()).map(({ path }) => path), ["b.ts"]);
});

Deno.test("a line of a file that looks like the heading of a diff does not begin another file", async () => {
  await using at = await repositoryOf({ "a.ts": "one\n" });
  await at.dir.write("a.ts", "one\rdiff --git a/x b/x\n\u2028diff --git a/y b/y\ndiff --git a/z b/z\n");
  const { answer } = await at.shown("precommit", precommitStep());
  assertEquals(answer.metadata.shown, ["DIFF a.ts (unstaged)"]);
});

Deno.test("the diff of a file in another encoding is read in that, also when it becomes UTF-8", async () => {
  const gbk = Uint8Array.of(0x2f, 0x2f, 0xd6, 0xd0, 0xce, 0xc4, 0xd7, 0xa2, 0xca, 0xcd, 0x0a);
  await using at = await repositoryOf({ "a.c": gbk });
  await at.dir.write("a.c", "//中文注释, converted\n");
  const { prompt } = await at.shown("precommit", precommitStep());
  assertStringIncludes(prompt, "-//中文注释\n+//中文注释, converted");
});

Deno.test("a bare repository, one of another owner and none at all are refused with git's own reason", async () => {
  await using bare = await repositoryOf({ "a.ts": "one\n" });
  await bare.git("config", "core.bare", "true");
  const refusal = async (at: typeof bare) =>
    String((await at.tools.call("precommit", precommitStep())).answer.content);
  assertStringIncludes(await refusal(bare), "is bare (core.bare), so it has no work tree");
  const { notShown } = await bare.shown("chat", { prompt: "q", files: ["."] });
  assertStringIncludes(JSON.stringify(notShown), "listed without git");
  if (Deno.build.os === "windows" || Deno.uid() !== 0) return;
  await using foreign = await repositoryOf({ "a.ts": "one\n" });
  await Deno.chown(foreign.dir.path, 65534, 65534);
  assertStringIncludes(await refusal(foreign), "git config --global --add safe.directory");
});
