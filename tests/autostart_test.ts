import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { dirname, join } from "@std/path";
import { FileLock } from "../lib/state/file_lock.ts";
import { statePaths } from "../lib/config/paths.ts";
import { daemonCommand } from "../lib/client/daemon_program.ts";
import { DaemonStarter } from "../lib/client/autostart.ts";
import type { Link } from "../lib/client/link.ts";
import type { ProgramStart } from "../lib/client/start_detached.ts";
import { LinkError } from "../lib/client/link_target.ts";
import { CapturedLog } from "./helpers/captured_log.ts";
import { tempDir } from "./helpers/files.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";
import { MemoryDaemon } from "./helpers/memory_daemon.ts";

const realTimeout = globalThis.setTimeout;

/** A state directory, a clock the test sets, and programs that are only said to be started. */
async function place(environment: Record<string, string> = {}) {
  const dir = await tempDir({});
  const clock = new FakeTimers();
  const log = new CapturedLog();
  const spawned: ProgramStart[] = [];
  let exitCode: number | undefined;
  let disposals = 0;
  const home = `${dir.path}/home`;
  const paths = statePaths({ home });
  const link = new MemoryDaemon().link();
  const it = {
    starter: new DaemonStarter(environment, paths, {
      start: (started) => {
        spawned.push(started);
        return Promise.resolve({
          get exitCode() {
            return exitCode;
          },
          [Symbol.dispose]: () => disposals++,
        });
      },
    }),
    dir: dir.path,
    paths,
    clock,
    log,
    spawned,
    exit: (code: number) => exitCode = code,
    get disposals() {
      return disposals;
    },
    link,
    dials: 0,
    /** What each try to connect finds; the last is found again and again. */
    found: [] as (Link | Error)[],
    dial: () => {
      const next = it.found[Math.min(it.dials++, it.found.length - 1)]!;
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
    },
    start: () => it.starter.start(it.dial),
    /** Lets `work` come to its end, with the clock going on by `ms` whenever nothing else does. */
    async passing<T>(work: Promise<T>, ms = 25): Promise<T> {
      let over = false;
      const ended = () => over = true;
      work.then(ended, ended);
      while (!over) {
        await new Promise((resolve) => realTimeout(resolve, 0));
        if (clock.size > 0) clock.pass(ms);
      }
      return await work;
    },
    async [Symbol.asyncDispose]() {
      clock[Symbol.dispose]();
      log[Symbol.dispose]();
      await dir[Symbol.asyncDispose]();
    },
  };
  return it;
}

const NOBODY = new LinkError("refused", "nobody listens");

async function faultOf(work: Promise<unknown>): Promise<LinkError> {
  return await assertRejects(() => work, LinkError);
}

Deno.test("a daemon that another window has started meanwhile is used, and none is started", async () => {
  await using it = await place();
  it.found = [it.link];
  assertEquals(await it.passing(it.start()), it.link);
  assertEquals(it.spawned, []);
  if (Deno.build.os !== "windows") assertEquals((await Deno.stat(it.paths.home)).mode! & 0o777, 0o700);
});

Deno.test("the daemon is started with its own variables alone, in its state directory", async () => {
  await using it = await place({ EXAI_WS_TOKEN: "auto", HOME: "/home/ada" });
  it.found = [NOBODY, NOBODY, NOBODY, it.link];
  assertEquals(await it.passing(it.start()), it.link);
  const { command, args } = daemonCommand();
  assertEquals(it.spawned, [{
    command,
    args,
    cwd: it.paths.home,
    env: { EXAI_WS_TOKEN: "auto", HOME: "/home/ada" },
  }]);
  assertEquals([it.disposals, it.dials], [1, 4]);
  assertEquals(it.log.take(), [`info: no daemon answers; starting ${[command, ...args].join(" ")}`]);
});

Deno.test("from source the daemon is the program beside the window's own", () => {
  const { command, args } = daemonCommand();
  assertEquals(command, Deno.execPath());
  assertEquals(args.slice(0, 4), ["run", "-A", "--unstable-net", "--unstable-no-legacy-abort"]);
  assert(/[/\\]daemon\.ts$/.test(args[4]!), args[4]);
  assertEquals(args.slice(5), ["--if-not-running"]);
});

for (const [os, name] of [["linux", "exai-daemon"], ["windows", "exai-daemon.exe"]] as const) {
  Deno.test(`compiled for ${os} the daemon is ${name} beside the window's own`, () => {
    const { build } = Deno;
    Object.defineProperty(Deno, "build", { value: { ...build, os, standalone: true }, configurable: true });
    try {
      assertEquals(daemonCommand(), {
        command: join(dirname(Deno.execPath()), name),
        args: ["--if-not-running"],
      });
    } finally {
      Object.defineProperty(Deno, "build", { value: build, configurable: true });
    }
  });
}

Deno.test("a daemon that ends at once is reported with its exit code, its log and its command", async () => {
  await using it = await place();
  it.found = [NOBODY];
  it.exit(3);
  const { fault, message } = await faultOf(it.passing(it.start()));
  assertEquals(fault, "refused");
  const { command, args } = daemonCommand();
  assertEquals(
    message,
    `the daemon that was started ended at once with exit code 3; its log is in ${it.paths.logs}, ` +
      `or run it in a terminal to see why: ${[command, ...args].join(" ")}`,
  );
});

Deno.test("a daemon that has written why it cannot start is reported with that", async () => {
  await using it = await place();
  await Deno.mkdir(it.paths.home, { mode: 0o700 });
  await Deno.writeTextFile(it.paths.startFailure, "exai.json:1:2: port is 0.5\n", { mode: 0o600 });
  it.found = [NOBODY];
  it.exit(1);
  const { fault, message } = await faultOf(it.passing(it.start()));
  assertEquals(fault, "refused");
  assertStringIncludes(message, "ended at once with exit code 1: exai.json:1:2: port is 0.5; its log is in ");
});

Deno.test("a daemon that ends well has found another, which is waited for", async () => {
  await using it = await place();
  it.found = [...Array.from({ length: 9 }, () => NOBODY), it.link];
  it.exit(0);
  assertEquals(await it.passing(it.start()), it.link);
});

Deno.test("a daemon that does not answer is given up after half a minute", async () => {
  await using it = await place();
  it.found = [NOBODY];
  const startMs = it.clock.nowMs;
  const { message } = await faultOf(it.passing(it.start(), 1000));
  assertStringIncludes(message, "the daemon that was started has not answered within 30 s");
  assertEquals(it.clock.nowMs - startMs, 30_000);
  assertEquals(it.spawned.length, 1);
});

Deno.test("what answers in the daemon's place is said, and nothing is started over it", async () => {
  await using it = await place();
  const stranger = new LinkError("unproven", "it has not proved itself");
  it.found = [stranger];
  assertEquals(await faultOf(it.passing(it.start())), stranger);
  assertEquals(it.spawned, []);
  await using other = await place();
  other.found = [new Error("no such module")];
  const { fault, message } = await faultOf(other.passing(other.start()));
  assertEquals([fault, message], ["refused", "the daemon cannot be started: no such module"]);
});

Deno.test("a daemon that cannot start is not started again with every request, only after a pause that grows", async () => {
  await using it = await place();
  it.found = [NOBODY];
  it.exit(3);
  const first = await faultOf(it.passing(it.start()));
  assertEquals([await faultOf(it.start()), it.spawned.length], [first, 1]);
  it.clock.nowMs += 1499;
  assertEquals([await faultOf(it.start()), it.spawned.length], [first, 1]);
  it.clock.nowMs += 1501;
  await faultOf(it.passing(it.start()));
  assertEquals(it.spawned.length, 2);
  it.clock.nowMs += 2999;
  await faultOf(it.start());
  assertEquals(it.spawned.length, 2, "twice as long");
  it.clock.nowMs += 3001;
  it.dials = 0;
  it.found = [it.link];
  assertEquals(await it.passing(it.start()), it.link);
  it.dials = 0;
  it.found = [NOBODY];
  await faultOf(it.passing(it.start()));
  it.clock.nowMs += 3000;
  await faultOf(it.passing(it.start()));
  assertEquals(it.spawned.length, 4, "it begins anew, with the shortest pause");
});

Deno.test("a link that failed after the daemon was there is no reason to wait the next time", async () => {
  await using it = await place();
  it.found = [it.link];
  await it.passing(it.start());
  await it.passing(it.start());
  assertEquals(it.dials, 2);
});

Deno.test("while another window starts the daemon, this one looks for it and starts none", async () => {
  await using it = await place();
  await Deno.mkdir(it.paths.home, { mode: 0o700 });
  using _held = await FileLock.tryTake(it.paths.startLock);
  it.found = [NOBODY, NOBODY, it.link];
  assertEquals(await it.passing(it.start(), 100), it.link);
  assertEquals([it.spawned, it.clock.lastMs], [[], 100]);
  it.found = [NOBODY];
  const startMs = it.clock.nowMs;
  const { message } = await faultOf(it.passing(it.start(), 1000));
  assertStringIncludes(message, "the daemon that was started by another window has not answered within 30 s");
  assertEquals([it.spawned, it.clock.nowMs - startMs], [[], 30_000]);
});

Deno.test("the window whose turn comes starts the daemon, and leaves the lock to the next", async () => {
  await using it = await place();
  await Deno.mkdir(it.paths.home, { mode: 0o700 });
  const held = await FileLock.tryTake(it.paths.startLock);
  it.found = [NOBODY];
  it.exit(3);
  const work = it.start();
  while (it.clock.size === 0) await new Promise((resolve) => realTimeout(resolve, 1));
  assertEquals(it.spawned, []);
  held![Symbol.dispose]();
  await faultOf(it.passing(work, 100));
  assertEquals(it.spawned.length, 1);
  using next = await FileLock.tryTake(it.paths.startLock);
  assert(next !== undefined);
});

Deno.test("a state directory that cannot be made is said, with the setting to change", async () => {
  await using it = await place();
  await Deno.writeTextFile(`${it.dir}/home`, "");
  const { fault, message } = await faultOf(it.passing(it.start()));
  assertEquals([fault, it.dials], ["refused", 0]);
  assertStringIncludes(message, "the state directory cannot be made: ");
  assertStringIncludes(message, "EXAI_HOME (--home)");
});

Deno.test("where no lock can be had the daemon is started without one, and the log says why", async () => {
  await using it = await place();
  await Deno.mkdir(it.paths.startLock, { recursive: true });
  it.found = [NOBODY, it.link];
  assertEquals(await it.passing(it.start()), it.link);
  assertEquals(it.spawned.length, 1);
  assertStringIncludes(it.log.take()[0]!, `warning: cannot lock ${it.paths.startLock}: `);
});
