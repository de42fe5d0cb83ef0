import { dirname, join, relative } from "@std/path";
import process from "node:process";
import { running } from "../lib/process_table.ts";
import { Spawned } from "../lib/spawned.ts";
import { RUNTIME_NAMES } from "./mutants.ts";

export interface TestRun {
  /** Files of tests, from the root of the tree. */
  file: string;
  /** The only tests to run; all of the file when left out. */
  names?: readonly string[];
  preload: string;
  /** The run is over by then. */
  maxMs: number;
  /** Limit of each test that sets none itself. */
  testTimeoutMs: number;
  /** Whether to go on after a test that fails. */
  keepGoing?: boolean;
}

export interface TestRunEnd {
  isTimeout: boolean;
  isOk: boolean;
  /** What the run said on stdout. */
  output: string;
}

/** More names than this make a command line too long; then the whole file runs. */
const MAX_NAMES = 200;
const MAX_OUTPUT_CHARS = 1_000_000;

/** A copy of the repository with the instrumented code in it. Nothing a test does there reaches the original. */
export class Tree {
  readonly dir: string;

  private constructor(dir: string) {
    this.dir = dir;
  }

  /** Copies what git knows or would add of `root` to `dir`, with `instrumented` files in the place of their own. */
  static async make(root: string, dir: string, instrumented: ReadonlyMap<string, string>): Promise<Tree> {
    const list = await new Deno.Command("git", {
      args: ["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
      cwd: root,
    }).output();
    const files = new TextDecoder().decode(list.stdout).split("\0").filter((file) => file !== "");
    for (const file of files) {
      const to = join(dir, file);
      await Deno.mkdir(dirname(to), { recursive: true });
      const text = instrumented.get(file);
      if (text !== undefined) await Deno.writeTextFile(to, importOfRuntime(file) + text);
      // A file may have been removed and the removal not committed.
      else await Deno.copyFile(join(root, file), to).catch(() => {});
    }
    await Deno.mkdir(join(dir, ".mutate"));
    await Deno.mkdir(join(dir, "t"));
    return new Tree(dir);
  }

  /** Wakes one mutant; the others sleep. */
  async wake(id: string): Promise<void> {
    await Deno.writeTextFile(join(this.dir, ".mutate/active"), id);
  }

  /** Has what is reached written to the file it returns, which is emptied. */
  async startMeasuring(): Promise<string> {
    const log = join(this.dir, ".mutate/log");
    await Deno.writeTextFile(log, "");
    await Deno.writeTextFile(join(this.dir, ".mutate/coverage"), log);
    return log;
  }

  async stopMeasuring(): Promise<void> {
    await Deno.remove(join(this.dir, ".mutate/coverage"));
  }

  /** Runs tests, until the first that fails if nothing else is said; nothing the run has started is left when it is over. */
  async run(test: TestRun): Promise<TestRunEnd> {
    const args = ["test", "-A", "--no-check", "--quiet", `--preload=${test.preload}`];
    if (!test.keepGoing) args.push("--fail-fast");
    if (test.names && test.names.length <= MAX_NAMES) args.push(`--filter=${filterFor(test.names)}`);
    const env = {
      NO_COLOR: "1",
      TMPDIR: join(this.dir, "t"),
      TEST_TIMEOUT_MS: String(test.testTimeoutMs),
      // That it fails is enough.
      MODEL_SHRINK: "false",
    };
    await using spawned = new Spawned(
      { command: Deno.execPath(), args: [...args, test.file], env, cwd: this.dir },
      { graceMs: 0 },
    );
    let output = "";
    spawned.child.stdout.on("data", (chunk) => output = (output + chunk).slice(-MAX_OUTPUT_CHARS));
    const late = Promise.withResolvers<"late">();
    const timer = setTimeout(() => late.resolve("late"), test.maxMs);
    const how = await Promise.race([spawned.exited, late.promise]);
    clearTimeout(timer);
    await this.#sweep();
    return { isTimeout: how === "late", isOk: how === "ended with exit code 0", output };
  }

  /** Ends what has outlived its run, and removes what it has written. */
  async #sweep(): Promise<void> {
    for (const pid of await this.#leftovers()) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    const tmp = join(this.dir, "t");
    await Deno.remove(tmp, { recursive: true }).catch(() => {});
    await Deno.mkdir(tmp, { recursive: true });
  }

  /** Programs that name this tree in their environment or command line, or stand in it. Known on Linux only. */
  async #leftovers(): Promise<number[]> {
    if (Deno.build.os !== "linux") return [];
    const found: number[] = [];
    for await (const { name } of Deno.readDir("/proc")) {
      if (!/^\d+$/.test(name) || Number(name) === Deno.pid) continue;
      const read = (file: string) => Deno.readTextFile(`/proc/${name}/${file}`).catch(() => "");
      const texts = await Promise.all([
        read("environ"),
        read("cmdline"),
        Deno.readLink(`/proc/${name}/cwd`).catch(() => ""),
      ]);
      if (texts.some((text) => text.includes(this.dir))) found.push(Number(name));
    }
    return await running(found);
  }
}

function importOfRuntime(file: string): string {
  const { isActive, cover } = RUNTIME_NAMES;
  const path = relative(dirname(file), "tools/mutate/runtime.ts");
  return `import { cover as ${cover}, isActive as ${isActive} } from "${path}";`;
}

/** The pattern that matches these names of tests and no other. */
export function filterFor(names: readonly string[]): string {
  // A slash ends the pattern for Deno, whatever stands before it.
  const escaped = names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, "\\$&").replaceAll("/", "."));
  return `/^(${escaped.join("|")})$/`;
}
