import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { readCmdShim } from "../lib/process/cmd_shim.ts";
import { adviceOnScript, type Executable, resolveCommand, searchedDirs } from "../lib/process/executable.ts";
import {
  type Environment,
  inheritedFrom,
  type Platform,
  valueOf,
  withVariables,
} from "../lib/process/environment.ts";
import { processTable, treeOf, treesIn, treeUsage } from "../lib/process/process_table.ts";
import { searchPath } from "../lib/process/search_path.ts";
import { signalGroup } from "../lib/process/process_trees.ts";

const isPosix = Deno.build.os !== "windows";

/** Resolves `command` on a system that has `files` only. */
function resolved(
  command: string,
  platform: Platform,
  { files, env, cwd }: { files: Record<string, string>; env?: Environment; cwd?: string },
  args: string[] = ["x"],
): Promise<Executable | undefined> {
  const known = new Map(Object.entries(files));
  return resolveCommand(command, args, {
    cwd: cwd ?? (platform === "windows" ? "C:\\w" : "/w"),
    env: env ?? { PATH: platform === "windows" ? "C:\\a;C:\\b" : "/a:/b" },
    platform,
    files: {
      isExecutable: (path) => Promise.resolve(known.has(path)),
      readText: (path) =>
        known.get(path) === "?" ? Promise.reject(new Error("no")) : Promise.resolve(known.get(path)!),
    },
  });
}

const fileOf = async (...args: Parameters<typeof resolved>) => (await resolved(...args))?.file;

Deno.test("on POSIX a bare command is the first in the PATH, any other is relative to the directory", async () => {
  const files = {
    "/b/prog": "",
    "/a/both": "",
    "/b/both": "",
    "/w/prog": "",
    "/w/bin/prog": "",
    "/abs/prog": "",
  };
  assertEquals(await resolved("prog", "posix", { files }), { file: "/b/prog", args: ["x"] });
  assertEquals(await fileOf("both", "posix", { files }), "/a/both");
  assertEquals(await fileOf("bin/prog", "posix", { files }), "/w/bin/prog");
  assertEquals(await fileOf("./prog", "posix", { files }), "/w/prog");
  assertEquals(await fileOf("/abs/prog", "posix", { files }), "/abs/prog");
  assertEquals(await fileOf("back\\slash", "posix", { files: { "/b/back\\slash": "" } }), "/b/back\\slash");
  assertEquals(await fileOf("prog", "posix", { files: { "/w/prog": "" }, env: { PATH: ".:w:" } }), undefined);
  assertEquals(await fileOf("run.cmd", "posix", { files: { "/a/run.cmd": "" } }), "/a/run.cmd");
  assertEquals(await fileOf("prog", "posix", { files, env: {} }), undefined);
  assertEquals([searchedDirs({ PATH: "/a:rel:/b" }, "posix"), searchedDirs({}, "posix")], [["/a", "/b"], []]);
  assertEquals(searchedDirs({ Path: "C:\\a;rel;D:\\b" }, "windows"), ["C:\\a", "D:\\b"]);
});

Deno.test("on Windows the extensions of PATHEXT are tried, all of a directory before the next", async () => {
  const files = { "C:\\b\\prog.exe": "", "C:\\a\\prog.cmd": "", "C:\\a\\own.py": "", "C:\\a\\bare": "" };
  assertEquals((await resolved("prog", "windows", { files }))?.args[5], '""C:\\a\\prog.cmd" "x""');
  assertEquals(await fileOf("prog.exe", "windows", { files }), "C:\\b\\prog.exe");
  assertEquals(await fileOf("PROG.EXE", "windows", { files: { "C:\\a\\PROG.EXE": "" } }), "C:\\a\\PROG.EXE");
  assertEquals(
    await fileOf("prog.exe", "windows", { files: { "C:\\a\\prog.exe.com": "" } }),
    "C:\\a\\prog.exe.com",
  );
  assertEquals(await fileOf("bare", "windows", { files }), undefined);
  const env = { PATH: "C:\\a", PATHEXT: ";.PY;.CMD" };
  assertEquals(await fileOf("own", "windows", { files, env }), undefined, "Windows starts no .py file");
  assertEquals(await fileOf("own.py", "windows", { files, env }), undefined);
  assertStringIncludes(
    adviceOnScript("C:\\a\\own.PY")!,
    'no .py file by itself: write "python" into command',
  );
  assertEquals([adviceOnScript("own"), adviceOnScript("own.exe")], [undefined, undefined]);
  for (const ext of [".com", ".exe"]) {
    assertEquals(await fileOf("it", "windows", { files: { [`C:\\a\\it${ext}`]: "" } }), `C:\\a\\it${ext}`);
  }
  const empty = { PATH: "C:\\a", PATHEXT: "" };
  assertEquals(
    await fileOf("it", "windows", { files: { "C:\\a\\it.exe": "" }, env: empty }),
    "C:\\a\\it.exe",
  );
  assertEquals(
    await fileOf("bin/it", "windows", { files: { "C:\\w\\bin\\it.exe": "" } }),
    "C:\\w\\bin\\it.exe",
  );
});

Deno.test("a batch file that starts no Node script, or whose Node is not found, is run by the shell", async () => {
  const shim = '@node "%~dp0\\it.js" %*';
  const shell = async (files: Record<string, string>, env?: Environment) =>
    (await resolved("it.cmd", "windows", { files, env }))?.file;
  assertEquals(await shell({ "C:\\a\\it.cmd": shim, "C:\\a\\it.js": "" }), "cmd.exe");
  assertEquals(await shell({ "C:\\a\\it.cmd": shim, "C:\\b\\node.exe": "" }), "cmd.exe");
  assertEquals(await shell({ "C:\\a\\it.cmd": "?" }), "cmd.exe");
  assertEquals(
    await shell({ "C:\\a\\it.cmd": shim }, { PATH: "C:\\a", COMSPEC: "C:\\cmd.exe" }),
    "C:\\cmd.exe",
  );
  assertEquals(await shell({ "C:\\a\\it.cmd": shim }, { PATH: "C:\\a", COMSPEC: "" }), "cmd.exe");
  const all = { "C:\\a\\it.cmd": shim, "C:\\a\\it.js": "", "C:\\b\\node.exe": "" };
  assertEquals(await resolved("it.cmd", "windows", { files: all }), {
    file: "C:\\b\\node.exe",
    args: ["C:\\a\\it.js", "x"],
  });
  const beside = { ...all, "C:\\a\\node.exe": "" };
  assertEquals(await fileOf("it.cmd", "windows", { files: beside }), "C:\\a\\node.exe");
  assertEquals(await fileOf("it.BAT", "windows", { files: { "C:\\a\\it.BAT": "" } }), "cmd.exe");
  assertEquals(
    await fileOf("it.cmd.exe", "windows", { files: { "C:\\a\\it.cmd.exe": "" } }),
    "C:\\a\\it.cmd.exe",
  );
});

Deno.test("what is handed to a batch file is one argument each, whatever is in it", async () => {
  const line = async (...args: string[]) =>
    (await resolved("C:\\r.bat", "windows", { files: { "C:\\r.bat": "" } }, args))!.args[5]!.slice(11, -1);
  assertEquals(await line("a\\"), ' "a\\\\"');
  assertEquals(await line('a\\"b'), ' "a\\\\""b"');
  assertEquals(await line('\\\\a"'), ' "\\\\a"""');
  assertEquals(await line("%", ""), ' "%%cd:~,%" ""');
  for (const bad of ["\r", "\n", "\0"]) await assertRejects(() => line(`a${bad}`), Error, "line end");
});

Deno.test("a batch file is read for the script it starts, as the tools write them", () => {
  const of = (text: string) => readCmdShim(text, "C:\\d");
  assertEquals(of('@node "%~dp0\\a.js" %*'), "C:\\d\\a.js");
  assertEquals(of('@node "%dp0%\\x\\a.cjs"  %*'), "C:\\d\\x\\a.cjs");
  assertEquals(of('@NODE "%~dp0a.mjs" %*'), "C:\\d\\a.mjs");
  assertEquals(of('node "%~dp0\\a.js" %*\r\nnode "%~dp0\\b.js" %*'), "C:\\d\\b.js");
  assertEquals(of('@deno "%~dp0\\a.js" %*'), undefined);
  assertEquals(of('@node "%~dp0\\a.py" %*'), undefined);
  assertEquals(of('@node "%~dp0\\a.js" --own'), undefined);
  assertEquals(of('SET "CLI=%~dp0\\a.js"\nnode "%CLI%" %*'), "C:\\d\\a.js");
  assertEquals(of(' set Cli=%~dp0\\a.js \r\nset B=%~dp0\\b.js\nnode "%cli%"  %*'), "C:\\d\\a.js");
  assertEquals(of('SET "CLI=%~dp0\\a.js"\nnode "%CLI%" %*\nnode "%OTHER%" %*'), undefined);
  assertEquals(of('ECHO SET "CLI=%~dp0\\a.js"\nnode "%CLI%" %*'), undefined);
  assertEquals(of('SET "CLI=%~dp0\\a.js" & x\nnode "%CLI%" %*'), undefined);
  assertEquals(of("node"), undefined);
});

Deno.test("of the daemon's variables only those every program needs are passed on", () => {
  const posix =
    "HOME LOGNAME SHELL TERM USER LANG LANGUAGE TZ TMPDIR __CF_USER_TEXT_ENCODING XDG_CACHE_HOME XDG_CONFIG_DIRS " +
    "XDG_CONFIG_HOME XDG_DATA_DIRS XDG_DATA_HOME XDG_RUNTIME_DIR XDG_STATE_HOME HTTP_PROXY HTTPS_PROXY ALL_PROXY " +
    "NO_PROXY http_proxy https_proxy all_proxy no_proxy NODE_EXTRA_CA_CERTS SSL_CERT_DIR SSL_CERT_FILE " +
    "REQUESTS_CA_BUNDLE CURL_CA_BUNDLE DISPLAY WAYLAND_DISPLAY XAUTHORITY XDG_SESSION_TYPE DBUS_SESSION_BUS_ADDRESS " +
    "SSH_AUTH_SOCK LC_ALL LC_TIME";
  const windows =
    "APPDATA HOMEDRIVE HOMEPATH LOCALAPPDATA PROCESSOR_ARCHITECTURE SYSTEMDRIVE SYSTEMROOT TEMP USERNAME USERPROFILE " +
    "PROGRAMFILES PROGRAMFILES(X86) PROGRAMW6432 PROGRAMDATA COMMONPROGRAMFILES ALLUSERSPROFILE PUBLIC COMSPEC PATHEXT " +
    "WINDIR TMP OS NUMBER_OF_PROCESSORS USERDOMAIN COMPUTERNAME PSMODULEPATH HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY " +
    "NODE_EXTRA_CA_CERTS SSL_CERT_DIR SSL_CERT_FILE";
  for (const [platform, names] of [["posix", posix], ["windows", windows]] as const) {
    const env = Object.fromEntries(names.split(" ").map((name) => [name, `its ${name}`]));
    const others = { EXAI_WS_TOKEN: "t", PATH: "/p", home: "h", XLC_ALL: "x", "": "e" };
    assertEquals(inheritedFrom({ ...env, ...others }, platform), env);
  }
  assertEquals(inheritedFrom({ Appdata: "a", lc_all: "x", LC_ALL: "y" }, "windows"), { Appdata: "a" });
  assertEquals(inheritedFrom({ HOME: "() { :; }", USER: undefined, TERM: "x()" }, "posix"), { TERM: "x()" });
});

Deno.test("variables of the configuration are set, or taken out, whatever their case on Windows", () => {
  const base = { A: "1", b: "2" };
  assertEquals(withVariables(base, { A: "3", a: "4", b: null }, "posix"), { A: "3", a: "4" });
  assertEquals(withVariables(base, { B: "3", a: null, c: null }, "windows"), { B: "3" });
  assertEquals(base, { A: "1", b: "2" });
  assertEquals([valueOf({ Path: "x" }, "PATH", "windows"), valueOf({ Path: "x" }, "PATH", "posix")], [
    "x",
    undefined,
  ]);
  assertEquals([valueOf({}, "toString", "posix"), valueOf({}, "PATH", "windows")], [undefined, undefined]);
});

Deno.test("a tree is a process, what it has started, and who is left of their groups", () => {
  const row = (pid: number, ppid: number, pgid: number) => ({ pid, ppid, pgid, startedAt: "" });
  const table = [
    row(5, 4, 5),
    row(4, 1, 2),
    row(2, 1, 2),
    row(3, 2, 9),
    row(7, 3, 7),
    row(8, 1, 7),
    row(9, 1, 9),
  ];
  const pidsOf = (...roots: number[]) => treeOf(roots, table).map(({ pid }) => pid).sort();
  assertEquals([pidsOf(2), pidsOf(3), pidsOf(8), pidsOf(77)], [[2, 3, 4, 5, 7], [3, 7], [8], []]);
  assertEquals(pidsOf(3, 4), [3, 4, 5, 7]);
  assertEquals(pidsOf(7), [7, 8]);
});

Deno.test("the trees of many roots are found by one look through the table", () => {
  let looks = 0;
  const rows = Array.from({ length: 300 }, (_, at) => ({
    pid: at + 1,
    get ppid() {
      looks++;
      return at < 100 ? 0 : at - 99;
    },
    pgid: at + 1,
    startedAt: "",
  }));
  const treeFrom = treesIn(rows);
  for (let root = 1; root <= 100; root++) {
    assertEquals(treeFrom([root]).map(({ pid }) => pid), [root, root + 100, root + 200]);
  }
  assertEquals(looks, rows.length);
});

Deno.test("no signal goes to all processes, nor to our own group", () => {
  const sent: [number, unknown][] = [];
  const { kill } = globalThis.process;
  globalThis.process.kill = (pid, signal) => (sent.push([pid, signal]), true);
  try {
    assertEquals([NaN, -1, 0, 1].map((pgid) => signalGroup(pgid, 0)), [false, false, false, false]);
    assertEquals([signalGroup(2, "SIGTERM"), sent], [true, [[-2, "SIGTERM"]]]);
    globalThis.process.kill = () => {
      throw new Error("ESRCH");
    };
    assertEquals(signalGroup(2, 0), false);
  } finally {
    globalThis.process.kill = kill;
  }
});

Deno.test({
  name: "where programs are often found is looked at after the PATH, where it is there",
  ignore: !isPosix,
  fn: async () => {
    const home = await Deno.makeTempDir();
    const dirs = [
      ".local/bin",
      ".volta/bin",
      ".bun/bin",
      ".deno/bin",
      ".cargo/bin",
      ".asdf/shims",
      ".local/share/mise/shims",
    ].map((dir) => join(home, dir));
    for (const dir of [...dirs, join(home, "nvm/versions/node/v18.1.0/bin")]) {
      await Deno.mkdir(dir, { recursive: true });
    }
    await Deno.mkdir(join(home, "nvm/versions/node/v20.0.0"), { recursive: true });
    const system = [
      "/opt/homebrew/bin",
      "/home/linuxbrew/.linuxbrew/bin",
      "/usr/local/bin",
      "/usr/bin",
      "/bin",
      "/usr/sbin",
      "/sbin",
    ]
      .filter((dir) => {
        try {
          return Deno.statSync(dir).isDirectory;
        } catch {
          return false;
        }
      });
    const pathOf = async (login: Environment, own: Environment) => (await searchPath(login, own)).split(":");
    assertEquals(await pathOf({}, { HOME: home }), [...dirs, ...system]);
    assertEquals(await pathOf({}, {}), system);
    assertEquals(await pathOf({ PATH: "/l::/x" }, { Path: "/x:/o" }), ["/l", "/x", "/o", ...system]);
    const newest = join(home, "nvm/versions/node/v20.0.0/bin");
    assertEquals((await pathOf({ NVM_DIR: join(home, "nvm") }, {})).includes(newest), false);
    await Deno.mkdir(newest);
    assertEquals(await pathOf({ NVM_DIR: join(home, "nvm") }, { PATH: "/o" }), ["/o", newest, ...system]);
    assertEquals((await pathOf({ HOME: "/other" }, { HOME: home })).includes(dirs[0]!), false);
    await Deno.writeTextFile(join(home, "file"), "");
    await Deno.remove(dirs[1]!);
    await Deno.symlink(join(home, "file"), dirs[1]!);
    assertEquals((await pathOf({}, { HOME: home })).includes(dirs[1]!), false);
    await Deno.remove(home, { recursive: true });
  },
});

Deno.test({
  name:
    "the table of processes tells of each its parent, its group, and what tells it from a later one of its number",
  ignore: !isPosix,
  fn: async () => {
    const child = new Deno.Command("cat", { stdin: "piped", stdout: "null" }).spawn();
    const table = await processTable();
    const row = table.find(({ pid }) => pid === child.pid)!;
    const own = table.find(({ pid }) => pid === Deno.pid)!;
    assertEquals([row.ppid, own.ppid, row.pgid], [Deno.pid, Deno.ppid, own.pgid]);
    assertEquals([row.startedAt === own.startedAt, row.startedAt !== "", own.startedAt !== ""], [
      false,
      true,
      true,
    ]);
    const usage = await treeUsage([child.pid]);
    const { memoryBytes, processes } = usage.get(child.pid)!;
    assertEquals([usage.size, processes, memoryBytes > 100_000 && memoryBytes < 100_000_000], [1, 1, true]);
    await child.stdin.close();
    await child.status;
    assertEquals(
      await treeUsage([child.pid]),
      new Map([[child.pid, { memoryBytes: 0, privateBytes: 0, processes: 0 }]]),
    );
  },
});
