import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ExaiError } from "../lib/base/errors.ts";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { whyNoWorkspace } from "../lib/config/shared_directories.ts";
import { join, toFileUrl } from "@std/path";
import { userHome } from "../lib/config/paths.ts";
import { DISK_ROOT, tempDir } from "./helpers/files.ts";
import { Window } from "./helpers/instance.ts";
import { mountedUpstreams } from "./helpers/mounted.ts";

type Entry =
  & { command?: string; args?: string[]; env?: Record<string, string>; cwd?: string }
  & Partial<ServerConfig>;
type Place = { cwd?: string; roots?: { uri: string; name?: string }[]; isSilent?: boolean };

/** What a server with `entry` is started with for a window in `place`, or why it is not. */
async function started(entry: Entry, { cwd, roots, isSilent }: Place) {
  await using it = mountedUpstreams({ config: entry as never });
  const window = new Window("ada", roots || isSilent ? { roots: {} } : {}, {
    cwd,
    roots: () => Promise.resolve(roots),
    areRootsOverdue: isSilent,
  });
  const fault = await it.mounted.target(window.call()).then(() => undefined, ExaiError.from);
  const config = it.configs[0] as Extract<ServerConfig, { kind: "stdio" }> | undefined;
  return { fault, config, reason: fault?.details?.reason };
}

const HOME = userHome();

Deno.test("a server that uses the workspace does not start in the root of the disk or a home, and says what to set", async () => {
  await using dir = await tempDir({});
  await Deno.symlink("/", `${dir.path}/root`);
  await Deno.symlink(HOME, `${dir.path}/home`);
  const entries: Entry[] = [
    { args: ["${workspaceFolder}"] },
    { args: ["${workspaceRoot}/x"] },
    { env: { DIR: "${cwd}" } },
    { args: ["--dir=${CLAUDE_PROJECT_DIR}"], share: "machine" },
    { args: ["${CLAUDE_PROJECT_DIR:-.}"] },
    { args: ["${env:PWD}"] },
    { args: ["."] },
    { args: ["./data"] },
    { args: ["--repository=."] },
    { args: ["-y", "file:./server"] },
    { args: ["run", "-v", "./data:/data", "image"] },
    { command: "./server" },
    { cwd: "sub" },
    { cwd: ".", share: "machine" },
    { args: ["."], share: "session" },
  ];
  const places = [
    "/",
    "//",
    HOME,
    `${HOME}/`,
    "/home",
    "/root",
    `${dir.path}/root`,
    `${dir.path}/home/.`,
    undefined,
  ];
  for (const entry of entries) {
    for (const cwd of places) {
      const { fault, config, reason } = await started(entry, { cwd });
      const what = `${JSON.stringify(entry)} in ${cwd}`;
      assertEquals(
        [config, fault?.code, reason],
        [undefined, "UPSTREAM_UNAVAILABLE", "workspace_required"],
        what,
      );
      for (const part of ['server "shared"', "mcp.json", "open a folder", '"cwd"', '"share"']) {
        assertStringIncludes(fault!.message, part, what);
      }
    }
    const { fault, config } = await started(entry, { cwd: dir.path });
    assertEquals([fault, config !== undefined], [undefined, true], JSON.stringify(entry));
  }
});

Deno.test("a root is no workspace either where it is the root of the disk, also when the window has a directory", async () => {
  await using dir = await tempDir({});
  const { reason } = await started({ args: ["${workspaceFolder}"] }, {
    cwd: dir.path,
    roots: [{ uri: toFileUrl(DISK_ROOT).href }],
  });
  assertEquals(reason, "workspace_required");
});

Deno.test("servers that do not use the workspace start in whatever directory the window has", async () => {
  const entries: Entry[] = [
    { args: ["-y", "some-server"] },
    { args: ["--log=..."] },
    { args: ["."], cwd: "/tmp" },
    { args: ["./x"], share: "machine" },
    { args: ["./x"], cwdFree: true },
    { args: ["${CLAUDE_PROJECT_DIR:-/srv}"] },
    { args: ["https://example.com/./x"] },
  ];
  for (const entry of entries) {
    for (const cwd of ["/", HOME]) {
      const { fault, config } = await started(entry, { cwd });
      assertEquals([fault, config!.cwd], [undefined, entry.cwd ?? cwd], JSON.stringify(entry));
    }
  }
  // A value that is there for want of a workspace goes before the root of the disk.
  const { config } = await started({ args: ["${CLAUDE_PROJECT_DIR:-/srv}"] }, { cwd: "/" });
  assertEquals(config!.args, ["/srv"]);
});

Deno.test("of two roots ${workspaceFolder} is the first, and ${workspaceFolder:name} the one of that name or path", async () => {
  await using dir = await tempDir({ "web/x": "", "api/x": "", "docs/x": "" });
  const roots = [
    { uri: toFileUrl(join(dir.path, "web")).href, name: "front" },
    { uri: toFileUrl(join(dir.path, "api")).href },
    { uri: toFileUrl(join(dir.path, "docs")).href, name: "manual" },
  ];
  const args = [
    "${workspaceFolder}",
    "${workspaceFolder:front}",
    "${workspaceFolder:web}",
    "${workspaceFolder:manual}",
  ];
  const { config } = await started({ args: [...args, "${workspaceFolderBasename:front}"] }, { roots });
  assertEquals(config!.args, [...["web", "web", "web", "docs"].map((name) => join(dir.path, name)), "web"]);
  const { fault, reason } = await started({ args: ["${workspaceFolder:nope}"] }, { roots });
  assertEquals(reason, "no_such_root");
  assertStringIncludes(fault!.message, '"front", "api", "manual"');
  const own = await started({ args: ["${workspaceFolder:web}"] }, { cwd: join(dir.path, "web") });
  assertEquals(own.config!.args, [join(dir.path, "web")]);
});

Deno.test("a server that uses the workspace does not start for a window that has not told its roots, others do", async () => {
  await using dir = await tempDir({});
  const place = { cwd: dir.path, isSilent: true };
  const { fault, reason } = await started({ args: ["${workspaceFolder}"] }, place);
  assertEquals([reason, fault!.retryAfterMs], ["roots_pending", 1000]);
  assertStringIncludes(fault!.message, "call again");
  assertEquals((await started({ args: ["-y"] }, place)).config!.cwd, dir.path);
});

Deno.test("home directories, what holds them, disk roots and Windows itself are no workspaces", () => {
  const posix = { homes: ["/home/ada", "/srv/homes/ada"], onWindows: false, foldsCase: false };
  for (const dir of ["/", "/home", "/home/ada", "/home/ada/", "/srv/homes", "/srv", "/root", "/Users"]) {
    assert(whyNoWorkspace(dir, posix), dir);
  }
  for (const dir of ["/home/ada/shop", "/home/adam", "/root/shop", "/tmp/x", "/srv2"]) {
    assertEquals(whyNoWorkspace(dir, posix), undefined, dir);
  }
  assert(whyNoWorkspace("/users/ADA", { homes: ["/Users/ada"], onWindows: false, foldsCase: true }));
  const windows = { homes: ["C:\\Users\\Ada"], systemRoot: "C:\\WINDOWS", onWindows: true, foldsCase: true };
  for (const dir of ["C:\\", "d:\\", "C:/", "c:\\users", "C:\\Users\\ada", "c:\\windows\\System32"]) {
    assert(whyNoWorkspace(dir, windows), dir);
  }
  for (const dir of ["C:\\Users\\Ada\\shop", "D:\\shop", "C:\\Users\\Adam\\x", "C:\\WindowsStuff"]) {
    assertEquals(whyNoWorkspace(dir, windows), undefined, dir);
  }
});
