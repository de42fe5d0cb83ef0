import { assertEquals, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { run } from "../tools/windows/run.ts";
import { tempDir } from "./helpers/files.ts";

const CUT_PIPE = "panicked at C:\\registry\\mio-1.0.3\\src\\sys\\windows\\named_pipe.rs:871:14:";
const DONE = "smoke: ok";

/** Stands in for Wine: prints one line of `lines` at each start, which it counts in `starts`. */
const WINE = 'echo started >>starts; sed -n "$(wc -l <starts)p" lines';

Deno.test({
  name: "tests of Windows that Deno's own fault with pipes has ended are started once more, others are not",
  ignore: Deno.build.os === "windows",
  async fn() {
    assertEquals(await starts([DONE]), 1);
    assertEquals(await starts([CUT_PIPE, DONE]), 2);
    await assertRejects(() => starts([CUT_PIPE, CUT_PIPE, DONE]), Error, "2 starts: they failed");
    await assertRejects(() => starts(["a test failed", DONE]), Error, "1 starts: they failed");
  },
});

/** How often a program that prints these lines, one at each start, is started until `run` returns. */
async function starts(lines: readonly string[]): Promise<number> {
  await using dir = await tempDir({ lines: lines.join("\n") });
  const count = async () => (await Deno.readTextFile(join(dir.path, "starts"))).trim().split("\n").length;
  const wine = {
    command: "/bin/sh",
    args: ["-c", WINE],
    cwd: dir.path,
    outputFile: join(dir.path, "output"),
  };
  try {
    await run(wine);
  } catch (thrown) {
    throw new Error(`${await count()} starts: ${(thrown as Error).message}`);
  }
  return await count();
}
