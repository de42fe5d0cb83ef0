import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { join } from "@std/path";
import { type Executable, resolveCommand } from "../lib/process/executable.ts";
import { inheritedFrom, withVariables } from "../lib/process/environment.ts";
import { loginEnvironment } from "../lib/process/login_shell.ts";
import { searchPath } from "../lib/process/search_path.ts";

const NODE_DIR = "C:\\Program Files\\nodejs";
const NPM_DIR = "C:\\Users\\me\\AppData\\Roaming\\npm";

/** What Node's installer puts beside node.exe. */
const NPX_CMD = String.raw`:: Created by npm, please don't edit manually.
@ECHO OFF
SETLOCAL
SET "NODE_EXE=%~dp0\node.exe"
IF NOT EXIST "%NODE_EXE%" (
  SET "NODE_EXE=node"
)
SET "NPM_PREFIX_JS=%~dp0\node_modules\npm\bin\npm-prefix.js"
SET "NPX_CLI_JS=%~dp0\node_modules\npm\bin\npx-cli.js"
FOR /F "delims=" %%F IN ('CALL "%NODE_EXE%" "%NPM_PREFIX_JS%"') DO (
  SET "NPM_PREFIX_NPX_CLI_JS=%%F\node_modules\npm\bin\npx-cli.js"
)
IF EXIST "%NPM_PREFIX_NPX_CLI_JS%" (
  SET "NPX_CLI_JS=%NPM_PREFIX_NPX_CLI_JS%"
)
"%NODE_EXE%" "%NPX_CLI_JS%" %*`;

/** What npm writes for a program it installs. */
const NPM_SHIM = String.raw`@ECHO off
GOTO start
:find_dp0
SET dp0=%~dp0
EXIT /b
:start
SETLOCAL
CALL :find_dp0
IF EXIST "%dp0%\node.exe" (
  SET "_prog=%dp0%\node.exe"
) ELSE (
  SET "_prog=node"
  SET PATHEXT=%PATHEXT:;.JS;=;%
)
endLocal & goto #_undefined_# 2>NUL || title %COMSPEC% & "%_prog%"  "%dp0%\node_modules\mcp-thing\dist\index.mjs" %*`;

/** What pnpm writes. */
const PNPM_SHIM = String.raw`@SETLOCAL
@IF EXIST "%~dp0\node.exe" (
  "%~dp0\node.exe"  "%~dp0\..\thing\cli.js" %*
) ELSE (
  node  "%~dp0\..\thing\cli.js" %*
)`;

/** Resolves as on a Windows machine that has `files`. */
function onWindows(
  command: string,
  args: string[],
  files: Record<string, string>,
): Promise<Executable | undefined> {
  const known = new Map(Object.entries(files).map(([path, text]) => [path.toLowerCase(), text]));
  return resolveCommand(command, args, {
    cwd: "C:\\work",
    env: { Path: `${NODE_DIR};${NPM_DIR};relative\\dir`, COMSPEC: "C:\\Windows\\System32\\cmd.exe" },
    platform: "windows",
    files: {
      isExecutable: (path) => Promise.resolve(known.has(path.toLowerCase())),
      readText: (path) => Promise.resolve(known.get(path.toLowerCase()) ?? ""),
    },
  });
}

const NODE = { [`${NODE_DIR}\\node.exe`]: "" };

Deno.test("npx on Windows is started as the Node script it stands for, without a shell", async () => {
  const script = `${NODE_DIR}\\node_modules\\npm\\bin\\npx-cli.js`;
  const files = { ...NODE, [`${NODE_DIR}\\npx.cmd`]: NPX_CMD, [script]: "" };
  const expected = { file: `${NODE_DIR}\\node.exe`, args: [script, "-y", "a b & c"] };
  assertEquals(await onWindows("npx", ["-y", "a b & c"], files), expected);
  assertEquals(await onWindows("npx.cmd", ["-y", "a b & c"], files), expected);
});

Deno.test("what npm and pnpm install on Windows is started as the Node script it stands for", async () => {
  const npm = `${NPM_DIR}\\node_modules\\mcp-thing\\dist\\index.mjs`;
  const pnpm = "C:\\Users\\me\\AppData\\Roaming\\thing\\cli.js";
  const files = {
    ...NODE,
    [`${NPM_DIR}\\mcp-thing.cmd`]: NPM_SHIM,
    [npm]: "",
    [`${NPM_DIR}\\thing.cmd`]: PNPM_SHIM,
    [pnpm]: "",
  };
  assertEquals(await onWindows("mcp-thing", [], files), { file: `${NODE_DIR}\\node.exe`, args: [npm] });
  assertEquals(await onWindows("thing", ["x"], files), { file: `${NODE_DIR}\\node.exe`, args: [pnpm, "x"] });
});

Deno.test("any other batch file gets its arguments quoted, so that none becomes a command", async () => {
  const files = { "C:\\tools\\run.bat": "@echo %1" };
  const hostile = ["a&calc", 'say "hi"', "100%PATH%", "back\\", "^|<>"];
  const found = await onWindows("C:\\tools\\run.bat", hostile, files);
  assertEquals(found?.file, "C:\\Windows\\System32\\cmd.exe");
  assertEquals([found?.verbatim, found?.args.slice(0, 5)], [true, ["/d", "/e:ON", "/v:OFF", "/s", "/c"]]);
  assertEquals(
    found?.args[5],
    '""C:\\tools\\run.bat" "a&calc" "say ""hi""" "100%%cd:~,%PATH%%cd:~,%" "back\\\\" "^|<>""',
  );
  await assertRejects(() => onWindows("C:\\tools\\run.bat", ["a\r\ncalc"], files), Error, "line end");
});

Deno.test("programs are found on Windows by PATHEXT, whatever the case of PATH, and never in the project", async () => {
  const files = { ...NODE, "C:\\work\\evil.exe": "", "C:\\work\\bin\\tool.exe": "" };
  assertEquals(
    (await onWindows("NODE", [], files))?.file.toLowerCase(),
    `${NODE_DIR}\\node.exe`.toLowerCase(),
  );
  assertEquals((await onWindows("node.exe", [], files))?.file, `${NODE_DIR}\\node.exe`);
  assertEquals(await onWindows("evil", [], files), undefined);
  assertEquals((await onWindows(".\\bin\\tool", [], files))?.file, "C:\\work\\bin\\tool.exe");
});

Deno.test("variables on Windows know no case", () => {
  const base = inheritedFrom({ SystemRoot: "C:\\Windows", Secret: "x", "ProgramFiles(x86)": "y" }, "windows");
  assertEquals(base, { SystemRoot: "C:\\Windows", "ProgramFiles(x86)": "y" });
  assertEquals(withVariables(base, { SYSTEMROOT: "D:\\", "PROGRAMFILES(X86)": null }, "windows"), {
    SYSTEMROOT: "D:\\",
  });
});

/** Writes a shell that does what a profile would before it runs what it is told. */
async function withShell(profile: string, use: (shell: string, dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.makeTempDir();
  const shell = join(dir, "shell");
  await Deno.writeTextFile(shell, `#!/bin/sh\n${profile}\neval "$2"\n`, { mode: 0o755 });
  try {
    await use(shell, dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

const isPosix = Deno.build.os !== "windows";

Deno.test({
  name: "the environment of a login shell is found among whatever its profile prints",
  ignore: !isPosix,
  fn: async () => {
    const profile =
      'echo "Welcome! PATH=/lie"\nexport NVM=1 MULTI="a\nPATH=/lie"\nexport PATH="/from/profile:$PATH"';
    await withShell(profile, async (SHELL) => {
      const env = await loginEnvironment({ SHELL, PATH: "/bin", HOME: "/", TERM: "xterm" });
      assertEquals([env?.PATH, env?.NVM, env?.MULTI], ["/from/profile:/bin", "1", "a\nPATH=/lie"]);
      assertEquals([env?.TERM, env?.EXAI_RESOLVING_ENVIRONMENT], [undefined, undefined]);
    });
  },
});

Deno.test({
  name: "a profile that hangs, fails or is missing does not keep servers from starting",
  ignore: !isPosix,
  fn: async () => {
    await withShell("sleep 1000", async (SHELL) => {
      assertEquals(await loginEnvironment({ SHELL, PATH: "/bin:/usr/bin" }, { timeoutMs: 100 }), undefined);
    });
    await withShell("exit 1", async (SHELL) => {
      assertEquals(await loginEnvironment({ SHELL, PATH: "/bin" }), undefined);
    });
    assertEquals(await loginEnvironment({ SHELL: "/no/such/shell" }), undefined);
  },
});

Deno.test({
  name: "the real login shells of this machine answer",
  ignore: !isPosix,
  fn: async () => {
    for (const SHELL of ["/bin/sh", "/bin/bash", "/bin/zsh", "/bin/dash"]) {
      if (!await Deno.stat(SHELL).catch(() => undefined)) continue;
      const env = await loginEnvironment({ SHELL, HOME: "/", PATH: "/usr/bin:/bin", MARKER: SHELL });
      assertEquals(env?.MARKER, SHELL);
      assertMatch(env?.PATH ?? "", /\/bin/);
    }
  },
});

Deno.test({
  name: "PATH is the login shell's, then the daemon's own, then where programs are often found, each once",
  ignore: !isPosix,
  fn: async () => {
    const HOME = await Deno.makeTempDir();
    const newest = join(HOME, ".nvm/versions/node/v20.10.0/bin");
    for (const dir of [".local/bin", ".nvm/versions/node/v9.0.0/bin", newest]) {
      await Deno.mkdir(dir.startsWith("/") ? dir : join(HOME, dir), { recursive: true });
    }
    const path = await searchPath({ PATH: "/login:/both" }, { PATH: "/both:/own", HOME });
    await Deno.remove(HOME, { recursive: true });
    assertEquals(path.split(":").slice(0, 5), ["/login", "/both", "/own", newest, join(HOME, ".local/bin")]);
    assertEquals(path.split(":").length, new Set(path.split(":")).size);
  },
});
