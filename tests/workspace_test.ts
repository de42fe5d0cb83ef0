import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import { ExaiError } from "../lib/base/errors.ts";
import type { Caller } from "../lib/call/call.ts";
import { sessionWorkspaces } from "../lib/workspace/session_workspace.ts";
import { MAX_FILE_BYTES, type Workspace } from "../lib/workspace/workspace.ts";
import { git, tempDir } from "./helpers/files.ts";

const signal = new AbortController().signal;

function caller(cwd: string | undefined, roots?: string[], namedDirs: Caller["namedDirs"] = "read"): Caller {
  return {
    cwd,
    namedDirs,
    roots: () => Promise.resolve(roots?.map((uri) => ({ uri }))),
  } as unknown as Caller;
}

function open(
  cwd: string | undefined,
  more: { roots?: string[]; allowed?: string[]; denied?: string[]; gitDir?: string } = {},
) {
  const openFor = sessionWorkspaces({
    allowedDirs: more.allowed ?? [],
    deniedDirs: more.denied ?? [],
    gitDir: more.gitDir,
  });
  return openFor(caller(cwd, more.roots));
}

async function text(workspace: Workspace, path: string): Promise<string> {
  const bytes = await workspace.read(await workspace.find(path), { maxBytes: MAX_FILE_BYTES });
  return new TextDecoder().decode(bytes);
}

async function refused(work: Promise<unknown>, code: string, ...words: string[]): Promise<void> {
  const error = await assertRejects(() => work, ExaiError);
  assertEquals(error.code, code, error.message);
  for (const word of words) assertStringIncludes(error.message, word);
}

Deno.test("files in the working directory are read, by relative path, absolute path and file URI", async () => {
  await using dir = await tempDir({ "src/a.ts": "A" });
  const workspace = open(dir.path);
  const absolute = join(dir.path, "src", "a.ts");
  for (const path of ["src/a.ts", "./src/../src/a.ts", absolute, toFileUrl(absolute).href]) {
    const entry = await workspace.find(path);
    assertEquals([entry.shownAs, entry.kind, entry.sizeBytes], ["src/a.ts", "file", 1]);
    assertEquals(await text(workspace, path), "A");
  }
  assertEquals((await workspace.find(".")).kind, "directory");
});

Deno.test("nothing outside the session's directories is read, and no symlink leads out", async () => {
  await using outside = await tempDir({ "secret.txt": "S" });
  await using dir = await tempDir({ "a.ts": "A" });
  await Deno.symlink("/etc/passwd", join(dir.path, "passwd"));
  await Deno.symlink(outside.path, join(dir.path, "dir"));
  await Deno.symlink(join(dir.path, "a.ts"), join(dir.path, "inside.ts"));
  const workspace = open(dir.path);
  const ways = [
    "/etc/passwd",
    "passwd",
    "../../../../../../etc/passwd",
    "dir/secret.txt",
    outside.path,
    "/",
    "..",
  ];
  for (const way of ways) await refused(workspace.find(way), "FORBIDDEN", "EXAI_ALLOWED_DIRS", dir.path);
  await refused(workspace.find("/etc/no such file"), "FORBIDDEN", "outside");
  await refused(workspace.find("no such file"), "RESOURCE_NOT_FOUND", "there is no file");
  await refused(workspace.find("a\0b"), "INVALID_PARAMS", "NUL");
  assertEquals(await text(workspace, "inside.ts"), "A");
  // A directory whose name only begins like the allowed one is another directory.
  await using sibling = await tempDir({});
  await refused(open(dir.path).find(sibling.path), "FORBIDDEN");
  await refused(open(dir.path).find(`${dir.path}x/a`), "FORBIDDEN");
});

Deno.test("roots and EXAI_ALLOWED_DIRS are read too, under names that tell them apart", async () => {
  await using first = await tempDir({ "a.ts": "1" });
  await using second = await tempDir({ "a.ts": "2" });
  await using third = await tempDir({ "a.ts": "3" });
  const workspace = open(first.path, {
    roots: [toFileUrl(second.path).href, "https://example.com/x", "file://elsewhere/x"],
    allowed: [third.path, "/no/such/directory"],
  });
  const names: string[] = [];
  for (const { path } of [first, second, third]) {
    names.push((await workspace.find(join(path, "a.ts"))).shownAs);
  }
  assertEquals([names[0], new Set(names).size], ["a.ts", 3]);
  assertEquals(await text(workspace, join(third.path, "a.ts")), "3");
  await refused(open(undefined).find("a.ts"), "INVALID_PARAMS", "relative");
  await refused(open(undefined).find(join(first.path, "a.ts")), "FORBIDDEN", "no working directory");
});

Deno.test("a working directory that is a symlink gives what it leads to", async () => {
  await using real = await tempDir({ "a.ts": "A" });
  await using links = await tempDir({});
  const cwd = join(links.path, "link");
  await Deno.symlink(real.path, cwd);
  const workspace = open(cwd);
  assertEquals((await workspace.find("a.ts")).shownAs, "a.ts");
  assertEquals(await text(workspace, join(cwd, "a.ts")), "A");
});

Deno.test("the top of the disk is nobody's working directory, and the daemon's own state is nobody's file", async () => {
  await refused(open("/").find("/etc/passwd"), "FORBIDDEN");
  await refused(open("/", { roots: ["file:///"] }).find("etc/passwd"), "FORBIDDEN");
  await using dir = await tempDir({ "state/token": "T", "a.ts": "A" });
  const workspace = open(dir.path, { denied: [join(dir.path, "state")] });
  await refused(workspace.find("state/token"), "FORBIDDEN", "own state");
  const { files } = await workspace.walk(await workspace.find("."), { maxFiles: 10, signal });
  assertEquals(files.map(({ shownAs }) => shownAs), ["a.ts"]);
});

Deno.test("a file that is too large, no file at all, or swapped under our hands is refused", async () => {
  await using dir = await tempDir({ "big.txt": "x".repeat(11), "a.ts": "A" });
  const workspace = open(dir.path);
  const big = await workspace.find("big.txt");
  await refused(workspace.read(big, { maxBytes: 10 }), "TOO_LARGE", "big.txt has 11 bytes", "10");
  const a = await workspace.find("a.ts");
  await Deno.remove(a.path);
  await Deno.symlink("/etc/passwd", a.path);
  await refused(workspace.read(a, { maxBytes: MAX_FILE_BYTES }), "FORBIDDEN", "replaced");
  if (Deno.build.os !== "windows") {
    await new Deno.Command("mkfifo", { args: [join(dir.path, "pipe")] }).output();
    await refused(workspace.find("pipe"), "INVALID_PARAMS", "neither a file nor a directory");
  }
});

Deno.test("a directory gives the files worth reading, newest first, without builds, secrets and what git ignores", async (test) => {
  const tree = {
    "old.ts": "1",
    "sub/new.ts": "2",
    "node_modules/x/index.js": "n",
    ".git_not/x.ts": "3",
    "dist/out.js": "d",
    "logo.png": "p",
    ".env": "KEY=1",
    ".env.example": "KEY=",
    "server.pem": "s",
    "id_rsa": "s",
  };
  const wanted = [".env.example", ".git_not/x.ts", "old.ts", "sub/new.ts"];
  const list = async (path: string, maxFiles = 100) => {
    const workspace = open(path);
    return await workspace.walk(await workspace.find("."), { maxFiles, signal });
  };
  await test.step("without git", async () => {
    await using dir = await tempDir(tree);
    await Deno.utime(join(dir.path, "old.ts"), new Date(1000), new Date(1000));
    const { files, more } = await list(dir.path);
    assertEquals(files.map(({ shownAs }) => shownAs).toSorted(), wanted);
    assertEquals([files.at(-1)!.shownAs, more], ["old.ts", false]);
    const few = await list(dir.path, 2);
    assertEquals([few.files.length, few.more], [2, true]);
  });
  await test.step("with git", async () => {
    await using dir = await tempDir({ ...tree, ".gitignore": "sub/\n", "tracked.ts": "t" });
    await git(dir.path, "init", "-q");
    const { files } = await list(dir.path);
    const names = files.map(({ shownAs }) => shownAs).toSorted();
    assertEquals(names, [".env.example", ".git_not/x.ts", ".gitignore", "old.ts", "tracked.ts"]);
  });
});

Deno.test("the private git directory lies where it is to lie, while the repository is looked at", async () => {
  await using dir = await tempDir({ "a.ts": "A" });
  await using home = await tempDir({});
  await git(dir.path, "init", "-q");
  const gitDir = join(home.path, "git");
  const workspace = open(dir.path, { gitDir });
  {
    await using _opened = await workspace.openRepository(await workspace.find("."), signal);
    assertEquals((await Array.fromAsync(Deno.readDir(gitDir))).length, 1);
  }
  assertEquals((await Array.fromAsync(Deno.readDir(gitDir))).length, 0);
});

Deno.test("git runs without a shell and starts no program that the repository names", async () => {
  await using dir = await tempDir({ "a.ts": "A" });
  await git(dir.path, "init", "-q");
  const trap = join(dir.path, "trap.sh");
  await Deno.writeTextFile(trap, `#!/bin/sh\ntouch ${dir.path}/sprung\n`, { mode: 0o755 });
  await git(dir.path, "config", "core.fsmonitor", trap);
  const workspace = open(dir.path);
  const here = await workspace.find(".");
  await using opened = await workspace.openRepository(here, signal);
  const repository = opened!;
  const status = await repository.run(["status", "--porcelain", "-z"], { signal, maxBytes: 1000 });
  assert(status.ok && status.stdout.includes("a.ts"));
  await refused(workspace.find("sprung"), "RESOURCE_NOT_FOUND");
  const failed = await repository.run(["rev-parse", "$(touch sprung)"], { signal, maxBytes: 1000 });
  assertEquals(failed.ok, false);
  await refused(workspace.find("sprung"), "RESOURCE_NOT_FOUND");
  const cut = await repository.run(["help", "-a"], { signal, maxBytes: 10 });
  assertEquals([cut.ok, cut.cut, cut.stdout.length], [true, true, 10]);
});
