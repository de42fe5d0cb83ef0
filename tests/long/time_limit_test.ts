import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { gone } from "../../tools/lib/end_tree.ts";
import { tempDir } from "../helpers/files.ts";

const pathOf = (file: string) => fromFileUrl(new URL(file, import.meta.url));

/** Process ids the hanging tests have left word of. */
async function sleepersIn(dir: string): Promise<number[]> {
  const pids: number[] = [];
  for await (const { name } of Deno.readDir(dir)) {
    pids.push(...(await Deno.readTextFile(`${dir}/${name}`)).trim().split("\n").map(Number));
  }
  return pids;
}

Deno.test({
  name: "a test that hangs or leaves a daemon fails by name, its programs are ended, and the next test runs",
  // A daemon is found in /proc.
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using sleepers = await tempDir({});
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "test",
        "-A",
        "--no-check",
        `--preload=${pathOf("../helpers/time_limit.ts")}`,
        pathOf("../fixtures/hanging_tests.ts"),
      ],
      env: { TEST_TIMEOUT_MS: "1000", SLEEPERS: sleepers.path, NO_COLOR: "1" },
      stderr: "null",
    }).output();
    const said = new TextDecoder().decode(stdout);
    assertEquals(code, 1, said);
    for (const name of ["waits for ever", "loops for ever", "waits for a program"]) {
      assertMatch(
        said,
        new RegExp(`^${name} => .*hanging_tests.ts:\\d+:\\d+\nerror: Test timed out after 1000ms`, "m"),
      );
    }
    assertStringIncludes(said, "Test timed out after 100ms");
    assertMatch(said, /^ends \.\.\. ok/m);
    assertMatch(said, /^error: Error: a daemon was left in .*\/home$/m);
    // What failed first is not hidden by what its disposal ran into.
    assertMatch(
      said,
      /^error: AggregateError: .*\n +Error: the daemon refused\n[^]*? Error: the client is gone\n[^]*? Error: the home is not empty\n/m,
    );
    assertStringIncludes(said, "1 passed | 6 failed | 1 ignored");
    const pids = await sleepersIn(sleepers.path);
    assertEquals(pids.length, 6);
    assertEquals(await gone(pids, 5000), []);
  },
});

Deno.test({
  name: "the shell of whoever runs the tests, and so its profile, is no part of them",
  ignore: Deno.build.os === "windows",
  async fn() {
    const check = `Deno.test("shell", () => { if (Deno.env.get("SHELL") !== "/bin/sh") throw "another"; });`;
    await using dir = await tempDir({ "shell_test.ts": check });
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "-A", "--no-check", `--preload=${pathOf("../helpers/time_limit.ts")}`, dir.path],
      env: { SHELL: "/bin/bash" },
      stdout: "null",
      stderr: "null",
    }).output();
    assertEquals(success, true);
  },
});

Deno.test("the tasks that run tests give each a time limit", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(pathOf("../../deno.json")));
  for (const name of ["test", "slow", "long"]) {
    assertMatch(tasks[name].command, /^deno run -A tools\/tests\.ts tests/);
  }
  const tool = await Deno.readTextFile(pathOf("../../tools/tests.ts"));
  assertStringIncludes(tool, `"--preload=tests/helpers/time_limit.ts"`);
});
