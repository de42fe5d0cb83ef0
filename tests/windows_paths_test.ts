import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import { foreignOnWindows } from "../lib/base/file_uri.ts";
import type { Caller } from "../lib/call/call.ts";
import { parseEnvFile, readRegularFile } from "../lib/config/regular_file.ts";
import { FILES } from "../lib/process/launch.ts";
import { sessionWorkspaces } from "../lib/workspace/session_workspace.ts";
import { tempDir } from "./helpers/files.ts";

/** Tests of what only Windows has; `deno task windows` runs them elsewhere. */
const onWindows = { ignore: Deno.build.os !== "windows" };

Deno.test("on Windows a path that names a machine or a device is known by its text, in every spelling", () => {
  const machines = [
    "\\\\host\\share\\x",
    "//host/share",
    "\\/host/x",
    "/\\host\\x",
    "\\\\host@SSL@443\\dav\\x",
  ];
  for (const path of machines) assertEquals(foreignOnWindows(path, true), "another machine", path);
  const devices = [
    "\\\\.\\pipe\\x",
    "//./C:/x",
    "\\\\?\\UNC\\host\\share",
    "\\\\?\\C:\\x",
    "\\??\\UNC\\host\\x",
    "C:\\work\\CON",
    "nul",
    "aux.txt",
    "src/COM1:",
    "lpt\u00b9.log",
    "conin$",
    "prn .md",
  ];
  for (const path of devices) assertEquals(foreignOnWindows(path, true), "a device", path);
  const own = [
    "C:\\work\\a.ts",
    "C:/work",
    "src\\console.ts",
    "\\work",
    "nullable.ts",
    "com10.txt",
    "a//b",
    "x\\\\y",
  ];
  for (const path of own) assertEquals(foreignOnWindows(path, true), undefined, path);
  for (const path of [...machines, ...devices]) assertEquals(foreignOnWindows(path, false), undefined, path);
});

function workspaceOf(cwd: string, allowedDirs: string[] = []) {
  const caller = { cwd, namedDirs: "read", roots: () => Promise.resolve(undefined) } as unknown as Caller;
  return sessionWorkspaces({ allowedDirs, deniedDirs: [], gitDir: undefined })(caller);
}

Deno.test({
  name: "a file argument never has another machine asked, and a file with a letter of any alphabet is read",
  ...onWindows,
  async fn() {
    await using dir = await tempDir({ "ünd Ω/a b.txt": "text" });
    const workspace = workspaceOf(dir.path);
    for (
      const path of [
        "\\\\stranger.invalid\\share\\x",
        "//stranger.invalid/x",
        "\\\\.\\pipe\\x",
        "NUL",
        "con.txt",
      ]
    ) {
      const thrown = await assertRejects(() => workspace.find(path), ExaiError);
      assertEquals(thrown.code, "FORBIDDEN");
      assertStringIncludes(thrown.message, "which no tool reads");
    }
    const file = join(dir.path, "ünd Ω", "a b.txt");
    for (const path of [file, "ünd Ω/a b.txt", toFileUrl(file).href, file.replaceAll("\\", "/")]) {
      assertEquals((await workspace.find(path)).shownAs, "ünd Ω/a b.txt");
    }
  },
});

Deno.test("a text file is read in the encodings that Windows writes", async () => {
  const utf16 = new Uint8Array([
    0xFF,
    0xFE,
    ...new Uint8Array(new Uint16Array([..."KEY=ü"].map((c) => c.charCodeAt(0))).buffer),
  ]);
  await using dir = await tempDir({ bom: "\uFEFFKEY=ü\r\nNEXT=1\r\n", utf16, plain: "KEY=ü" });
  const read = async (name: string) => parseEnvFile(await readRegularFile(join(dir.path, name)));
  assertEquals(await read("bom"), { KEY: "ü", NEXT: "1" });
  assertEquals(await read("utf16"), { KEY: "ü" });
  assertEquals(await read("plain"), { KEY: "ü" });
});

Deno.test({
  name: "a program of the Microsoft Store is found, though nothing can be looked up behind its link",
  ...onWindows,
  async fn() {
    await using dir = await tempDir({ "python.exe": "" });
    const path = join(dir.path, "python.exe");
    const { stat } = Deno;
    // What Windows says to whoever looks behind an app execution alias.
    Deno.stat = () => Promise.reject(new Error("The file cannot be accessed by the system. (os error 1920)"));
    try {
      assertEquals(await FILES.isExecutable(path), true);
      assertEquals(await FILES.isExecutable(join(dir.path, "none.exe")), false);
    } finally {
      Deno.stat = stat;
    }
    assertEquals(await FILES.isExecutable(dir.path), false);
  },
});
