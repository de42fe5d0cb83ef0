import { assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../../lib/base/errors.ts";
import { PosixTrees } from "../../lib/process/posix_trees.ts";
import { askByPreload } from "../../lib/process/wrappers/npx_preload.ts";
import { askByShell } from "../../lib/process/wrappers/npx_shell.ts";
import { tempDir } from "../helpers/files.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { NpmRegistry, npxRig, tell, telling } from "../helpers/npm_registry.ts";
import { shimWindow, textOf } from "../helpers/sdk_client.ts";
import { until } from "../helpers/until.ts";
import { SteadyClock } from "../helpers/steady_clock.ts";

const ignore = Deno.build.os === "windows";

function promise(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, ignore, fn });
}

const sizeOf = async (host: Awaited<ReturnType<typeof npxRig>>["host"], pid: number) =>
  (await host.usage()).get(pid)?.processes;

promise("npx -y x is one process, which sees what it sees behind npx", async () => {
  await using behind = await npxRig({ resolves: false });
  await behind.registry.publish(telling("x", "1.0.0"));
  const env = {
    npm_config_registry: behind.registry.url,
    npm_config_cache: join(behind.dir, "cache"),
    OWN: "a\nb",
  };
  const args = ["-y", "x", "--flag", "two words", "$HOME", "*", "--", ""];
  const wrapped = await behind.start(args, { env });
  const expected = await tell(wrapped);
  assertEquals([wrapped.runs, await sizeOf(behind.host, wrapped.pid)], [undefined, 3]);

  await using it = await npxRig();
  const cwd = join(behind.dir, "work");
  const process = await it.start(args, { cwd, env: { ...env, HOME: behind.dir } });
  const told = await tell(process);
  assertEquals(await sizeOf(it.host, process.pid), 1);
  assertEquals(told.parent, Deno.pid);
  assertEquals(told.args, ["--flag", "two words", "$HOME", "*", "--", ""]);
  assertEquals({ ...told, pid: 0, parent: 0 }, { ...expected, pid: 0, parent: 0 });
  assertMatch(process.runs!, /^node .*\/node_modules\/x\/0\.js \(x 1\.0\.0\)$/);
  assertMatch(it.logged[0]!, /\(npx -y x runs as node .*0\.js \(x 1\.0\.0\)\)\n$/);
});

promise("the program is the one npx chooses", async () => {
  await using it = await npxRig();
  const script =
    '#!/bin/sh\nread line; printf \'{"jsonrpc":"2.0","id":1,"result":{"version":"sh"}}\\n\'; exec cat >/dev/null\n';
  await it.registry.publish({
    name: "shell",
    version: "1.0.0",
    bin: { shell: "run" },
    files: { run: script },
  });
  const native = {
    name: "native",
    version: "1.0.0",
    bin: { native: "sh" },
    files: { sh: await Deno.readFile("/bin/sh") },
  };
  await it.registry.publish(native);
  await it.registry.publish(telling("@scope/one", "1.0.0", ["other-name"]));
  await it.registry.publish(telling("@scope/some", "1.0.0", ["first", "some", "third"]));
  await it.write("work/node_modules/.bin/local", "");
  const cases: [args: string[], file: RegExp][] = [
    [["-y", "@scope/one"], /\.bin\/other-name$/],
    [["@scope/some@^1.0.0"], /\.bin\/some$/],
    [["-y", "-p", "@scope/some", "third"], /\.bin\/third$/],
    [["--yes", "--package=@scope/some", "--", "first", "-x"], /\.bin\/first$/],
  ];
  for (const [args, file] of cases) {
    const process = await it.start(args);
    assertMatch((await tell(process)).file, file);
    assertEquals(await sizeOf(it.host, process.pid), 1);
  }
  const exec = await it.start(["exec", "--yes", "@scope/one", "--", "-a"], { command: "npm" });
  assertEquals((await tell(exec)).args, ["-a"]);
  assertEquals((await tell(await it.start(["-y", "shell"]))).version, "sh");
  const read = 'read line; printf \'{"jsonrpc":"2.0","id":1,"result":{"version":"native"}}\\n\'; read line';
  const sh = await it.start(["-y", "native", "-c", read]);
  assertEquals((await tell(sh)).version, "native");
  assertMatch(sh.runs!, /^\/.*\/native\/sh \(native 1\.0\.0\)$/);
});

promise("a program of the project goes before one of the registry", async () => {
  await using it = await npxRig();
  await it.registry.publish(telling("x", "1.0.0"));
  const { files } = telling("x", "0.0.1");
  await it.write(
    "work/node_modules/x/package.json",
    JSON.stringify({ name: "x", version: "0.0.1", bin: "0.js" }),
  );
  await it.write("work/node_modules/x/0.js", files["0.js"]!);
  await Deno.chmod(join(it.dir, "work/node_modules/x/0.js"), 0o755);
  await Deno.mkdir(join(it.dir, "work/node_modules/.bin"));
  await Deno.symlink("../x/0.js", join(it.dir, "work/node_modules/.bin/x"));
  assertEquals((await tell(await it.start(["-y", "x"]))).version, "0.0.1");
  assertEquals((await tell(await it.start(["-y", "x"], { cwd: it.dir }))).version, "1.0.0");
});

promise(
  "a newer version is noticed after five minutes or a reload, a fixed one is never asked for again",
  async () => {
    await using it = await npxRig();
    await it.registry.publish(telling("x", "1.0.0"));
    using clock = new SteadyClock();
    const versionOf = async (spec: string) => (await tell(await it.start(["-y", spec]))).version;
    assertEquals(
      [await versionOf("x"), await versionOf("x@latest"), await versionOf("x@1.0.0")],
      Array(3).fill("1.0.0"),
    );
    const { length } = it.registry.asked;
    await it.registry.publish(telling("x", "1.1.0"));
    assertEquals([await versionOf("x"), await versionOf("x@latest")], ["1.0.0", "1.0.0"]);
    assertEquals(it.registry.asked.length, length);
    clock.pass(300_000);
    assertEquals([await versionOf("x"), await versionOf("x@latest")], ["1.1.0", "1.1.0"]);
    await it.registry.publish(telling("x", "1.2.0"));
    it.host.forgetPrograms();
    assertEquals(await versionOf("x@^1.0.0"), "1.2.0");
    assertEquals(await versionOf("x"), "1.2.0");
    assertEquals(await versionOf("x@1.0.0"), "1.0.0");
    const before = it.registry.asked.length;
    clock.pass(3_600_000);
    assertEquals(await versionOf("x@1.0.0"), "1.0.0");
    assertEquals(it.registry.asked.length, before);
  },
);

promise("windows that start a server at once install it once, whatever its arguments", async () => {
  await using it = await npxRig();
  await it.registry.publish(telling("x", "1.0.0"));
  const started = await Promise.all(["a", "b", "c"].map((name) => it.start(["-y", "x", name])));
  assertEquals(await Promise.all(started.map(async (process) => (await tell(process)).args)), [["a"], ["b"], [
    "c",
  ]]);
  assertEquals(it.registry.asked.filter((path) => path.endsWith("/-/1.0.0")).length, 1);
  const elsewhere = ["state", "cache"].map((name) => it.start(["-y", "x"], { cwd: join(it.dir, name) }));
  const places = await Promise.all(
    (await Promise.all(elsewhere)).map(async (process) => (await tell(process)).cwd),
  );
  assertEquals(places, [join(it.dir, "state"), join(it.dir, "cache")]);
  assertEquals(it.registry.asked.filter((path) => path.endsWith("/-/1.0.0")).length, 1);
});

promise("a program that crashed or was removed is looked for again", async () => {
  await using it = await npxRig();
  await it.registry.publish(telling("x", "1.0.0"));
  await it.registry.publish(telling("y", "1.0.0"));
  await tell(await it.start(["-y", "y@1.0.0"]));
  const process = await it.start(["-y", "x"]);
  await tell(process);
  await it.registry.publish(telling("x", "1.1.0"));
  await process.send({ jsonrpc: "2.0", id: 2, method: "exit" });
  assertEquals((await process.closed).code, 3);
  assertEquals((await tell(await it.start(["-y", "x"]))).version, "1.1.0");
  await Deno.remove(join(it.dir, "cache/_npx"), { recursive: true });
  assertEquals((await tell(await it.start(["-y", "y@1.0.0"]))).version, "1.0.0");
});

promise("what npx cannot find is started as it is written, and npx says why", async () => {
  await using it = await npxRig();
  const process = await it.start(["-y", "nowhere"]);
  await process.start();
  const { code, stderrTail } = await process.closed;
  assertEquals([code, process.runs], [1, undefined]);
  assertStringIncludes(stderrTail, "404");
  assertMatch(it.logged[0]!, /\(npx -y nowhere runs as it is written: it ended with code 1: .*404/);
});

promise("a form that is not known is started as it is written", async () => {
  await using it = await npxRig();
  await it.registry.publish(telling("x", "1.0.0"));
  for (
    const args of [["-y", "-p", "x", "-c", "x"], ["-y", "--loglevel=error", "--fetch-retry-factor=2", "x"]]
  ) {
    const process = await it.start(args);
    assertEquals((await tell(process)).version, "1.0.0");
    assertEquals(process.runs, undefined);
  }
  const own = await it.start(["-y", "x"], { env: { NPM_CONFIG_SCRIPT_SHELL: "/bin/sh" } });
  assertEquals([(await tell(own)).version, own.runs], ["1.0.0", undefined]);
  assertMatch(it.logged.join(""), /runs as it is written: its environment sets npm_config_script_shell/);
});

promise("a script of one's own that is named npx is not asked anything", async () => {
  await using it = await npxRig();
  await it.write("own/npx", `#!/bin/sh\necho "$@" >> ${it.dir}/started\nexec cat\n`);
  await Deno.chmod(join(it.dir, "own/npx"), 0o755);
  const process = await it.start(["-y", "x"], { command: join(it.dir, "own/npx") });
  await process.close();
  assertEquals(process.runs, undefined);
  assertEquals(await Deno.readTextFile(join(it.dir, "started")), "-y x\n");
});

promise("an installation that takes longer than a start goes on, and the next start has it", async () => {
  await using it = await npxRig();
  await it.registry.publish(telling("x", "1.0.0"));
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  it.registry.held = held;
  const error = await assertRejects(
    () => it.start(["-y", "x", "--key=secret"], { startTimeoutMs: 300 }),
    ExaiError,
  );
  assertMatch(
    error.message,
    /^server "it" cannot start: npx -y x did not install it within 0\.3 s; it goes on, so call again later, or/,
  );
  release();
  const process = await it.start(["-y", "x"]);
  assertEquals((await tell(process)).version, "1.0.0");
  assertEquals(it.registry.asked.filter((path) => path === "x").length > 0, true);
});

promise(
  "a start that is given up while its package is installed ends at once, and the next has it",
  async () => {
    await using it = await npxRig();
    await it.registry.publish(telling("x", "1.0.0"));
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    it.registry.held = held;
    const given = new AbortController();
    const starting = it.start(["-y", "x"], {}, given.signal);
    await until("it is installed", () => it.registry.asked.includes("x") || undefined);
    given.abort(new ExaiError("CANCELLED", "a person has stopped it"));
    assertStringIncludes((await assertRejects(() => starting, ExaiError)).message, "a person has stopped it");
    release();
    assertEquals((await tell(await it.start(["-y", "x"]))).version, "1.0.0");
    assertEquals(it.host.running.size, 1);
  },
);

promise("nothing that installs outlives the host", async () => {
  const it = await npxRig();
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  it.registry.held = held;
  await assertRejects(() => it.start(["-y", "x"], { startTimeoutMs: 300 }), ExaiError);
  await it.host[Symbol.asyncDispose]();
  const { stdout } = await new Deno.Command("ps", { args: ["-eo", "args"] }).output();
  const left = new TextDecoder().decode(stdout).split("\n").filter((line) =>
    line.includes("npx") && line.includes(it.dir)
  );
  assertEquals(left, []);
  release();
  await it[Symbol.asyncDispose]();
});

promise(
  "two windows behind real shims have one process, of which ps says what runs in place of npx",
  async () => {
    await using registry = new NpmRegistry();
    await registry.publish(telling("x", "1.0.0"));
    for (const resolveWrappers of [true, false]) {
      await using cache = await tempDir({});
      const env = { npm_config_registry: registry.url, npm_config_cache: cache.path };
      const entry = { command: "npx", args: ["-y", "x"], env, share: "machine" };
      await using it = await mountingDaemon({ it: entry }, { resolveWrappers });
      const open = (name: string) => shimWindow({ name, home: it.home, url: it.url, cwd: cache.path });
      await using windows = new AsyncDisposableStack();
      const told = await Promise.all(["ada", "bob"].map(async (name) => {
        const window = windows.use(await open(name));
        return JSON.parse(textOf(await window.callTool({ name: "tell", arguments: {} })));
      }));
      assertEquals(told[0].pid, told[1].pid);
      const [row] = (await it.status()).filter(({ server }) => server === "it");
      const file = join(it.home, "logs/server-it.log");
      const log = await until("its log is written", async () => {
        const text = await Deno.readTextFile(file).catch(() => "");
        return text.includes("(started)") ? text : undefined;
      });
      if (resolveWrappers) {
        assertEquals([row!.pid, told[0].parent], [told[0].pid, Deno.pid]);
        assertMatch(String(row!.runs), /^node .*0\.js \(x 1\.0\.0\)$/);
        assertStringIncludes(log, `(npx -y x runs as ${row!.runs})`);
      } else {
        assertEquals([row!.runs, row!.pid === told[0].pid, log.includes("runs as")], [
          undefined,
          false,
          false,
        ]);
      }
    }
  },
);

promise("npx says the same to the module it is asked with on Windows", async () => {
  await using it = await npxRig();
  await it.registry.publish(telling("x", "1.0.0"));
  const cwd = join(it.dir, "work");
  const env = {
    npm_config_registry: it.registry.url,
    npm_config_cache: join(it.dir, "cache"),
    NODE_OPTIONS: "--no-warnings",
  };
  const launch = await it.host.resolve({
    name: "it",
    title: "it",
    command: "npx",
    args: ["-y", "x"],
    env,
    cwd,
  });
  await using trees = new PosixTrees();
  const options = {
    trees,
    dir: join(it.dir, "state"),
    timeoutMs: 60_000,
    signal: new AbortController().signal,
  };
  const byPreload = await askByPreload(launch, options);
  const byShell = await askByShell(launch, options);
  // Set by the shell.
  for (const name of ["OLDPWD", "PWD", "SHLVL", "_"]) {
    delete (byPreload.env as Record<string, string>)[name];
    delete (byShell.env as Record<string, string>)[name];
  }
  assertEquals(byPreload, byShell);
  assertEquals(byPreload.env.NODE_OPTIONS, "--no-warnings");
  assertMatch(byPreload.file, /\/_npx\/.*\/\.bin\/x$/);
});
