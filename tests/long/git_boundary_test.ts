import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "@std/path";
import { git, tempDir } from "../helpers/files.ts";
import { assertDiffShown, changedRepository, lookAt } from "../helpers/git_repository.ts";
import { withPackPrefix } from "../helpers/pack_index.ts";

const onUnix = { ignore: Deno.build.os === "windows" };
const SECRET = "content of another repository";
const HINT = "EXAI_ALLOWED_DIRS";

type Made = Awaited<ReturnType<typeof changedRepository>>;

/** Another repository, whose content is nothing for the session. */
async function otherRepository() {
  const other = await changedRepository();
  await other.write("a.txt", `${SECRET}\n`);
  await other.git("commit", "-q", "-a", "-m", SECRET);
  await other.write("a.txt", `${SECRET}, changed\n`);
  return other;
}

async function replace(path: string, target: string): Promise<void> {
  await Deno.remove(path, { recursive: true }).catch(() => {});
  await Deno.symlink(target, path);
}

/** Ways by which the parts of a repository lead into `other`. */
const WAYS: Record<string, (at: Made, other: string) => Promise<unknown>> = {
  "the file .git": async (at, other) => {
    await Deno.remove(join(at.path, ".git"), { recursive: true });
    await at.write(".git", `gitdir: ${other}/.git\n`);
  },
  "a relative path in the file .git": async (at, other) => {
    await Deno.remove(join(at.path, ".git"), { recursive: true });
    await at.write(".git", `gitdir: ../${other.split("/").at(-1)}/.git`);
  },
  "a link .git": (at, other) => replace(join(at.path, ".git"), join(other, ".git")),
  "a link to a file .git": async (at, other) => {
    await Deno.remove(join(at.path, ".git"), { recursive: true });
    await at.write("pointer", `gitdir: ${other}/.git\n`);
    await Deno.symlink("pointer", join(at.path, ".git"));
  },
  "commondir": (at, other) => at.write(".git/commondir", `${other}/.git\n`),
  "core.worktree": (at, other) => at.git("config", "core.worktree", other),
  "borrowed objects": (at, other) => at.write(".git/objects/info/alternates", `${other}/.git/objects\n`),
  "borrowed objects, quoted": async (at, other) => {
    // Read without unquoting it is a directory within.
    await Deno.mkdir(join(at.path, `.git/objects/"${other}/.git/objects"`), { recursive: true });
    await at.write(".git/objects/info/alternates", `"${other}/.git/objects"\n`);
  },
  "borrowed objects, through a store of its own": async (at, other) => {
    await at.write("store/info/alternates", `${other}/.git/objects\n`);
    await at.write(".git/objects/info/alternates", "../../store\n");
  },
  "a link HEAD": (at, other) => replace(join(at.path, ".git/HEAD"), join(other, ".git/HEAD")),
  "a link index": (at, other) => replace(join(at.path, ".git/index"), join(other, ".git/index")),
  "a link refs": (at, other) => replace(join(at.path, ".git/refs"), join(other, ".git/refs")),
  "a linked branch": (at, other) =>
    replace(join(at.path, ".git/refs/heads/work"), join(other, ".git/refs/heads/work")),
  "a link packed-refs": (at, other) => replace(join(at.path, ".git/packed-refs"), join(other, ".git/HEAD")),
  "a link objects": (at, other) => replace(join(at.path, ".git/objects"), join(other, ".git/objects")),
  "a link in objects": async (at, other) => {
    for await (const { name } of Deno.readDir(join(other, ".git/objects"))) {
      if (name.length === 2) {
        await replace(join(at.path, ".git/objects", name), join(other, ".git/objects", name));
      }
    }
  },
  "a link to one object": async (at, other) => {
    const blob = (await git(other, "rev-parse", "HEAD:a.txt")).trim();
    const way = join(".git/objects", blob.slice(0, 2), blob.slice(2));
    await Deno.mkdir(join(at.path, ".git/objects", blob.slice(0, 2)), { recursive: true });
    await Deno.symlink(join(other, way), join(at.path, way));
  },
};

Deno.test("no part of a repository leads git out of the session's directories", onUnix, async (test) => {
  await using other = await otherRepository();
  for (const [name, make] of Object.entries(WAYS)) {
    await test.step(name, async () => {
      await using at = await changedRepository();
      await make(at, other.path);
      const { shown, refusals } = await lookAt(at.path);
      assertEquals(shown.includes(SECRET), false, `${name}: ${shown}`);
      assertEquals(refusals.length, 3, shown);
      if (!/quoted|core.worktree/.test(name)) {
        for (const text of refusals) assertStringIncludes(text, HINT);
      }
    });
  }
});

Deno.test("an index of packs that names another repository's packs opens none of them", onUnix, async () => {
  await using other = await otherRepository();
  await using at = await changedRepository();
  await other.git("repack", "-a", "-d", "-q");
  await other.git("multi-pack-index", "write");
  const packs = join(at.path, ".git/objects/pack");
  const midx = await Deno.readFile(join(other.path, ".git/objects/pack/multi-pack-index"));
  const way = `../../../../${other.path.split("/").at(-1)}/.git/objects/pack/`;
  await Deno.writeFile(join(packs, "multi-pack-index"), withPackPrefix(midx, way));
  const blob = (await other.git("rev-parse", "HEAD:a.txt")).trim();
  await at.git("update-index", "--cacheinfo", `100644,${blob},a.txt`);
  assertStringIncludes(await at.git("cat-file", "-p", blob), SECRET);
  const { shown } = await lookAt(at.path);
  assertEquals(shown.includes(SECRET), false, shown);
});

Deno.test(
  "a submodule's directory leads nowhere outside, and a named pipe in it holds nothing",
  onUnix,
  async () => {
    await using other = await otherRepository();
    await using inner = await changedRepository();
    const ways: ((path: string) => Promise<unknown>)[] = [
      (path) => Deno.writeTextFile(join(path, "sub/.git"), `gitdir: ${other.path}/.git\n`),
      (path) => replace(join(path, ".git/modules/sub/HEAD"), join(other.path, ".git/HEAD")),
      (path) => replace(join(path, ".git/modules/sub/config"), join(other.path, ".git/config")),
      async (path) => {
        await Deno.remove(join(path, ".git/modules/sub/config"));
        await new Deno.Command("mkfifo", { args: [join(path, ".git/modules/sub/config")] }).output();
      },
    ];
    for (const make of ways) {
      await using at = await changedRepository();
      await at.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", inner.path, "sub");
      await make(at.path);
      const { refusals, shown } = await lookAt(at.path, { gitTimeoutMs: 2000 });
      assertEquals(refusals.length, 3, shown);
      assertEquals(shown.includes((await other.git("rev-parse", "HEAD")).trim()), false);
      assertEquals(refusals.join().includes("did not end"), false);
    }
  },
);

Deno.test("what is included is not read, and no error shows content from outside", onUnix, async () => {
  await using secret = await tempDir({ "conf": `[core]\n\tautocrlf = ${SECRET}\n`, "broken": `${SECRET}\n` });
  for (const name of ["conf", "broken"]) {
    await using at = await changedRepository();
    await at.git("config", "include.path", join(secret.path, name));
    const looked = await lookAt(at.path);
    assertEquals(looked.shown.includes(SECRET), false);
    assertDiffShown(looked, name);
  }
});

Deno.test(
  "a linked work tree needs its main repository within the session's directories",
  onUnix,
  async () => {
    await using main = await changedRepository();
    await using trees = await tempDir({});
    const tree = join(trees.path, "tree");
    await main.git("worktree", "add", "-q", tree, "-b", "side");
    await Deno.writeTextFile(join(tree, "a.txt"), "changed here\n");
    const { refusals } = await lookAt(tree);
    assertEquals(refusals.length, 3);
    for (const text of refusals) assertStringIncludes(text, HINT);
    assertDiffShown(await lookAt(tree, { allowedDirs: [main.path] }), "allowed");
    // A submodule is the same: its repository lies in the one around it.
    await main.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", main.path, "sub");
    const sub = join(main.path, "sub");
    assertStringIncludes((await lookAt(sub)).refusals.join(), HINT);
    assertEquals((await lookAt(sub, { allowedDirs: [main.path] })).refusals.join().includes(HINT), false);
  },
);

Deno.test(
  "a window in a folder of a repository sees that folder's changes; a folder it does not track is none of it",
  onUnix,
  async () => {
    await using at = await changedRepository();
    await at.write("sub/in.txt", "old in\n");
    await at.git("add", ".");
    await at.git("commit", "-q", "-m", "third");
    await at.write("sub/in.txt", "new in\n");
    await at.write("a.txt", `${SECRET}\n`);
    const sub = await lookAt(join(at.path, "sub"));
    assertEquals(sub.refusals, []);
    assertStringIncludes(sub.shown, "-old in\n+new in");
    assertEquals(sub.shown.includes(SECRET), false);
    await at.write("download/x.txt", "untracked\n");
    const download = join(at.path, "download");
    const { refusals, shown } = await lookAt(download);
    assertEquals(refusals.length, 3);
    for (const text of refusals) assertStringIncludes(text, HINT);
    assertEquals(shown.includes(SECRET), false);
    assertEquals((await lookAt(download, { allowedDirs: [at.path] })).refusals, []);
  },
);

Deno.test(
  "a named pipe in place of any file of git's is refused or ends by the deadline",
  onUnix,
  async (test) => {
    const parts = [".git", ".git/HEAD", ".git/index", ".git/config", ".git/packed-refs", ".git/commondir"]
      .concat(
        [
          ".git/refs/heads/work",
          ".git/objects/info/alternates",
          ".git/info/exclude",
          ".git/shallow",
          ".gitignore",
        ],
        [".gitattributes", "nested/.git/HEAD"],
      );
    for (const part of parts) {
      await test.step(part, async () => {
        await using at = await changedRepository();
        const path = join(at.path, part);
        await Deno.remove(path, { recursive: true }).catch(() => {});
        await at.write(`${part}.beside`, "");
        await Deno.remove(`${path}.beside`);
        await new Deno.Command("mkfifo", { args: [path] }).output();
        const started = performance.now();
        const { refusals } = await lookAt(at.path, { gitTimeoutMs: 400 });
        assertEquals(performance.now() - started < 8000, true, "took too long");
        // Which commands read attributes is git's affair.
        if (!part.startsWith(".gita") && !part.startsWith("nested")) assertEquals(refusals.length > 0, true);
      });
    }
  },
);

Deno.test("special files in the work tree are never opened", onUnix, async () => {
  await using at = await changedRepository();
  await new Deno.Command("mkfifo", { args: [join(at.path, "pipe"), join(at.path, "b.pipe")] }).output();
  await Deno.symlink("/etc/shadow", join(at.path, "shadow"));
  await Deno.symlink("/dev/zero", join(at.path, "zero"));
  await Deno.symlink("/etc/passwd", join(at.path, "passwd"));
  const looked = await lookAt(at.path, { gitTimeoutMs: 5000 });
  assertDiffShown(looked, "special");
  assertEquals(looked.shown.includes("root:"), false);
  // In place of a file that git tracks there is nothing to compare; git names it.
  await Deno.remove(join(at.path, "b.txt"));
  await Deno.rename(join(at.path, "b.pipe"), join(at.path, "b.txt"));
  const { refusals } = await lookAt(at.path, { gitTimeoutMs: 5000 });
  assertStringIncludes(refusals.join(), "b.txt");
});

const asRoot = { ignore: Deno.build.os === "windows" || Deno.uid() !== 0 };

Deno.test("a repository of another user is refused with git's reason", asRoot, async () => {
  await using at = await changedRepository();
  await Deno.chown(join(at.path, ".git"), 65534, 65534);
  const { refusals } = await lookAt(at.path);
  assertEquals(refusals.length, 3);
  for (const text of refusals) assertStringIncludes(text, "safe.directory");
});

Deno.test(
  "split and sparse indexes, attributes for line ends and sha256 are understood",
  onUnix,
  async () => {
    await using at = await changedRepository();
    await at.git("update-index", "--split-index");
    assertDiffShown(await lookAt(at.path), "split");
    await using crlf = await changedRepository();
    await crlf.git("config", "core.autocrlf", "true");
    await crlf.write("b.txt", "untouched\r\n");
    const looked = await lookAt(crlf.path);
    assertDiffShown(looked, "crlf");
    assertEquals(looked.shown.includes("DIFF b.txt"), false);
    await using sha = await tempDir({ "a.txt": "old\n" });
    await git(sha.path, "init", "-q", "-b", "main", "--object-format=sha256");
    await git(sha.path, "add", ".");
    await git(sha.path, "commit", "-q", "-m", "first");
    await sha.write("a.txt", "new\n");
    assertStringIncludes((await lookAt(sha.path)).shown, "-old\n+new");
  },
);
