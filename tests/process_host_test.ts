import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import { loginEnvironment } from "../lib/process/login_shell.ts";
import { ProcessHost, type ProcessHostOptions, type ServerCommand } from "../lib/process/process_host.ts";
import { SteadyClock } from "./helpers/steady_clock.ts";

const ignore = Deno.build.os === "windows";

function commandOf(command: string, more: Partial<ServerCommand> = {}): ServerCommand {
  return { name: "shop", title: "Shop", command, args: [], env: {}, ...more };
}

/** A host whose login shell is a script that `shell` says, with a directory of its own. */
async function hostOf(shell: string, options: Partial<ProcessHostOptions> = {}) {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  const write = (name: string, text: string) => Deno.writeTextFile(join(dir, name), text, { mode: 0o755 });
  await write("shell", `#!/bin/sh\necho asked >> ${dir}/asked\n${shell}\neval "$2"\n`);
  const { env, ...more } = options;
  const host = new ProcessHost({
    env: { SHELL: join(dir, "shell"), HOME: dir, PATH: "/usr/bin:/bin", ...env },
    ...more,
  });
  return {
    host,
    dir,
    write,
    asked: async () => (await Deno.readTextFile(join(dir, "asked"))).trim().split("\n").length,
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      await Deno.remove(dir, { recursive: true });
    },
  };
}

const refusalOf = (host: ProcessHost, command: ServerCommand) =>
  assertRejects(() => host.resolve(command), ExaiError) as Promise<ExaiError>;

Deno.test({
  name: "a program is started with what the login shell sets and the configuration adds, in its directory",
  ignore,
  fn: async () => {
    await using it = await hostOf("export LANG=from_profile TZ=profile SECRET=x", { env: { TZ: "own" } });
    const launch = await it.host.resolve(commandOf("cat", { args: ["-u"], env: { OWN: "1", TZ: "ours" } }));
    assertMatch(launch.file, /\/cat$/);
    assertEquals([launch.args, launch.cwd], [["-u"], it.dir]);
    assertEquals([launch.env.LANG, launch.env.TZ, launch.env.OWN, launch.env.SECRET], [
      "from_profile",
      "ours",
      "1",
      undefined,
    ]);
    assertEquals((await it.host.resolve(commandOf("cat", { cwd: "/" }))).cwd, "/");
    assertEquals((await it.host.resolve(commandOf("cat"))).env.TZ, "own");
    assertEquals(await it.asked(), 1);
  },
});

Deno.test({
  name: "a start that is given up while it is not known what to start ends at once, and starts nothing",
  ignore,
  fn: async () => {
    await using it = await hostOf('while [ ! -e "$HOME/go" ]; do sleep 0.02; done');
    const given = new AbortController();
    const starting = it.host.spawn(commandOf("cat"), given.signal);
    const why = new ExaiError("CANCELLED", "a person has stopped it");
    given.abort(why);
    assertEquals(await assertRejects(() => starting), why);
    const next = it.host.spawn(commandOf("cat"), new AbortController().signal);
    await it.write("go", "");
    const process = await next;
    assertEquals([...it.host.running], [process]);
  },
});

Deno.test({
  name: "without a home a program starts at the root",
  ignore,
  fn: async () => {
    await using it = await hostOf("", { env: { HOME: undefined } });
    assertEquals((await it.host.resolve(commandOf("cat"))).cwd, "/");
    await using other = await hostOf("", { env: { HOME: undefined, USERPROFILE: "/usr" } });
    assertEquals((await other.host.resolve(commandOf("cat"))).cwd, "/usr");
  },
});

Deno.test({
  name: "what cannot be started says so by name, and a directory that is not there is its caller's fault",
  ignore,
  fn: async () => {
    await using it = await hostOf("");
    for (const cwd of [join(it.dir, "none"), "relative", join(it.dir, "shell")]) {
      const error = await refusalOf(it.host, commandOf("cat", { cwd }));
      assertEquals([error.code, error.details], ["UPSTREAM_UNAVAILABLE", {
        server: "Shop",
        fault: "caller",
      }]);
      assertMatch(
        error.message,
        /^server "Shop" cannot start: its directory .* does not exist; correct cwd in mcp\.json/,
      );
    }
    const missing = await refusalOf(it.host, commandOf("no-such-program"));
    assertEquals(missing.details, { server: "Shop", missing: "program" });
    assertMatch(
      missing.message,
      /^server "Shop" cannot start: command "no-such-program": no directory of the PATH has it/,
    );
    assertMatch(
      missing.message,
      /it; install it, or write its full path as command in mcp.json \(searched: [^)]*\/usr\/bin, [^)]*\)/,
    );
    const path = await refusalOf(it.host, commandOf("./none"));
    assertMatch(path.message, /command "\.\/none": there is no such program; correct command in mcp\.json$/);
    const line = await refusalOf(it.host, commandOf("npx -y it"));
    assertMatch(line.message, /; write only the program into command and the rest into args, one a string$/);
    await Deno.writeTextFile(join(it.dir, "plain"), "");
    await Deno.mkdir(join(it.dir, "folder"));
    for (const name of ["./plain", "./folder"]) {
      assertMatch((await refusalOf(it.host, commandOf(name))).message, /there is no such program/);
    }
    await it.write("broken", "#!/no/such/interpreter\n");
    const broken = await assertRejects(() => it.host.spawn(commandOf("./broken")), ExaiError);
    assertMatch(broken.message, /^server "Shop" cannot start: .*\/broken cannot be run: /);
    assert(broken.cause !== undefined);
  },
});

Deno.test({
  name: "a program that is not found is looked for again once the login shell may say something else",
  ignore,
  fn: async () => {
    await using it = await hostOf('test -f "$HOME/late/it" && PATH="$HOME/late:$PATH"; export PATH');
    using clock = new SteadyClock();
    await refusalOf(it.host, commandOf("it"));
    await Deno.mkdir(join(it.dir, "late"));
    await it.write("late/it", "#!/bin/sh\n");
    clock.pass(10_000);
    await refusalOf(it.host, commandOf("it"));
    assertEquals(await it.asked(), 1);
    clock.pass(1);
    assertEquals((await it.host.resolve(commandOf("it"))).file, join(it.dir, "late/it"));
    assertEquals(await it.asked(), 2);
  },
});

Deno.test({
  name: "a process that was started is known until it has ended, and its log goes under its name",
  ignore,
  fn: async () => {
    const logged: string[] = [];
    await using it = await hostOf("", { log: (name, text) => void logged.push(`${name}: ${text}`) });
    const process = await it.host.spawn(commandOf("cat"));
    assertEquals([...it.host.running], [process]);
    assertEquals([...(await it.host.usage()).keys()], [process.pid]);
    await process.close();
    await process.closed;
    assertEquals([it.host.running.size, (await it.host.usage()).size], [0, 0]);
    assertMatch(logged[0]!, /^shop: .*\(started\)/);
    const error = await assertRejects(() => process.send({ jsonrpc: "2.0", method: "x" }), ExaiError);
    assertEquals(error.details, { server: "Shop" });
  },
});

/** What `loginEnvironment` finds with a shell that does this; `$1` and `$2` are what it is told to do. */
async function asked(script: string, env: Record<string, string> = {}, name = "shell") {
  const dir = await Deno.realPath(await Deno.makeTempDir());
  const SHELL = join(dir, name);
  await Deno.writeTextFile(SHELL, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  try {
    return await loginEnvironment({ SHELL, PATH: "/usr/bin:/bin", HOME: dir, ...env }, { timeoutMs: 5000 });
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

Deno.test({
  name: "a login shell is asked as one that is interactive, at home, and knows that nobody is there",
  ignore,
  fn: async () => {
    const told =
      'export FLAGS="$1" WHERE="$(pwd -P)" SEEN="$TERM $EXAI_RESOLVING_ENVIRONMENT" HAS="$HOME"; eval "$2"';
    const env = await asked(told, { A: "1" });
    assertEquals([env?.FLAGS, env?.SEEN, env?.A], ["-ilc", "dumb 1", "1"]);
    assertEquals(env?.WHERE, env?.HAS);
    for (const name of ["TERM", "SHLVL", "PWD", "OLDPWD", "_", "EXAI_RESOLVING_ENVIRONMENT"]) {
      assertEquals(Object.hasOwn(env!, name), false, name);
    }
    for (const name of ["csh", "tcsh"]) {
      const plain = 'case "$2" in *"2>"*) export PLAIN=no;; *) export PLAIN=yes;; esac';
      const c = await asked(`export FLAGS="$1"; ${plain}; eval "$2"`, {}, name);
      assertEquals([c?.FLAGS, c?.PLAIN], ["-ic", "yes"]);
    }
    assertEquals((await asked('export FLAGS="$1"; eval "$2"', {}, "mycsh"))?.FLAGS, "-ilc");
  },
});

Deno.test({
  name: "a login shell that prints without end, half of it, or nothing does not tell",
  ignore,
  fn: async () => {
    assertEquals(await asked("while :; do echo 0123456789012345678901234567890123456789; done"), undefined);
    assertEquals(await asked("printf _exai_environment_begins_or_ends_; echo A=1"), undefined);
    assertEquals(await asked("exit 0"), undefined);
    const mark = "printf %s _exai_environment_begins_or_ends_";
    assertEquals(await asked(`${mark}; printf 'A=1\\nB=x=y\\n=odd\\nno\\n'; ${mark}`), { A: "1", B: "x=y" });
    assertEquals(await asked(`${mark}; printf 'A=1\\nB=2\\0C=3\\0'; ${mark}; sleep 60 &`), {
      A: "1\nB=2",
      C: "3",
    });
  },
});
