import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async/deadline";
import { fromFileUrl } from "@std/path";
import { PosixTrees } from "../../lib/process/posix_trees.ts";
import { ProcessGuard } from "../../lib/process/process_guard.ts";
import { Lifelines, oddProcess } from "../helpers/processes.ts";
import { until } from "../helpers/until.ts";

const PARENT = fromFileUrl(new URL("../fixtures/process_parent.ts", import.meta.url));
const isPosix = Deno.build.os !== "windows";

function start(command: string, args: readonly string[]): Deno.ChildProcess {
  const quiet = { stdin: "null", stdout: "null", stderr: "null" } as const;
  return new Deno.Command(command, { args: [...args], ...quiet, detached: true }).spawn();
}

Deno.test("two seconds after kill -9 of the daemon no process it started is left, nor any of theirs", async () => {
  using lifelines = new Lifelines();
  const parent = start(Deno.execPath(), [
    "run",
    "-A",
    PARENT,
    String(lifelines.port),
    "deaf",
    "grandchild",
    "stray",
  ]);
  const lives: Awaited<ReturnType<Lifelines["next"]>>[] = [];
  // The three, and one more that each of the last two starts.
  while (lives.length < 5) lives.push(await lifelines.next());
  assertEquals(lives.map(({ name }) => name).sort(), ["deaf", "deaf", "deaf", "grandchild", "stray"]);
  parent.kill("SIGKILL");
  await deadline(Promise.all(lives.map(({ ended }) => ended)), 2000);
  await parent.status;
});

Deno.test({
  name: "a watchdog that is killed is replaced, and the new one knows what the old one knew",
  ignore: !isPosix,
  fn: async () => {
    using lifelines = new Lifelines();
    const watchdog = new ProcessGuard();
    const { command, args } = oddProcess("deaf", { port: lifelines.port });
    const child = start(command, args);
    const { ended } = await lifelines.next();
    watchdog.add(child.pid);
    const first = watchdog.pid!;
    Deno.kill(first, "SIGKILL");
    while (watchdog.pid === undefined || watchdog.pid === first) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    // Letting it go is what the death of the daemon is to it.
    await watchdog[Symbol.asyncDispose]();
    await ended;
    assertEquals((await child.status).signal, "SIGKILL");
  },
});

Deno.test({
  name: "a process that is gone is no longer the watchdog's business",
  ignore: !isPosix,
  fn: async () => {
    using lifelines = new Lifelines();
    const watchdog = new ProcessGuard();
    const children = ["deaf", "deaf"].map((mode) => {
      const { command, args } = oddProcess(mode, { port: lifelines.port });
      return start(command, args);
    });
    const lives = [await lifelines.next(), await lifelines.next()];
    for (const { pid } of children) watchdog.add(pid);
    watchdog.remove(children[0]!.pid);
    await watchdog[Symbol.asyncDispose]();
    await lives.find(({ pid }) => pid === children[1]!.pid)!.ended;
    assert(Deno.kill(children[0]!.pid, "SIGKILL") === undefined, "the first one is still there");
    await Promise.all([...children.map(({ status }) => status), ...lives.map(({ ended }) => ended)]);
  },
});

Deno.test({
  name: "with no group left to guard a shell that has ended is not started again before there is one",
  ignore: !isPosix,
  fn: async () => {
    const watchdog = new ProcessGuard();
    // No process can have this number.
    watchdog.add(2 ** 30);
    const first = watchdog.pid!;
    watchdog.remove(2 ** 30);
    Deno.kill(first, "SIGKILL");
    await until("the end of the shell", () => watchdog.pid !== first || undefined);
    assertEquals(watchdog.pid, undefined);
    watchdog.add(2 ** 30);
    assert(watchdog.pid !== undefined);
    watchdog.remove(2 ** 30);
    await watchdog[Symbol.asyncDispose]();
  },
});

Deno.test({
  name: "no group but those of a server is ever signalled",
  ignore: !isPosix,
  fn: async () => {
    const trees = new PosixTrees();
    for (const pid of [0, 1, -1, NaN]) {
      await trees.kill(pid);
      await trees.sweep(pid, 0);
    }
    await trees[Symbol.asyncDispose]();
  },
});
