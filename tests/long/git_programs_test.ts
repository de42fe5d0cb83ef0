import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { tempDir } from "../helpers/files.ts";
import {
  assertDiffShown,
  changedRepository,
  lookAt,
  precommitStep,
  trap,
} from "../helpers/git_repository.ts";
import { startDaemon } from "../helpers/program.ts";
import { ToolWindow } from "../helpers/tool_window.ts";

const onUnix = { ignore: Deno.build.os === "windows" };

type Made = Awaited<ReturnType<typeof changedRepository>>;

/** Ways a repository names the program `run`; `springs` is a command by which the user's own git starts it. */
const WAYS: Record<string, { make(at: Made, run: string): Promise<unknown>; springs?: string[] }> = {
  "a clean filter in .git/config": {
    async make(at, run) {
      await at.write(".gitattributes", "* filter=x\n");
      await at.git("config", "filter.x.clean", run);
    },
    springs: ["diff"],
  },
  "a required process filter, selected by info/attributes": {
    async make(at, run) {
      await at.write(".git/info/attributes", "* filter=x\n");
      await at.git("config", "filter.x.process", run);
      await at.git("config", "filter.x.smudge", run);
      await at.git("config", "filter.x.required", "true");
    },
  },
  "a filter in an included file, selected by core.attributesFile": {
    async make(at, run) {
      await at.write("conf", `[filter "x"]\n\tclean = ${run}\n`);
      await at.write("attr", "* filter=x\n");
      await at.git("config", "core.attributesFile", join(at.path, "attr"));
      await at.git("config", "include.path", "../conf");
    },
    springs: ["diff"],
  },
  "a filter in a file included for this directory": {
    async make(at, run) {
      await at.write(".git/conf", `[filter "x"]\n\tclean = ${run}\n`);
      await at.write(".gitattributes", "* filter=x\n");
      await at.git("config", `includeIf.gitdir:${at.path}/.path`, "conf");
    },
    springs: ["diff"],
  },
  "a filter in config.worktree": {
    async make(at, run) {
      await at.write(".gitattributes", "* filter=x\n");
      await at.git("config", "extensions.worktreeConfig", "true");
      await at.git("config", "--worktree", "filter.x.clean", run);
    },
    springs: ["diff"],
  },
  "filters with odd names": {
    async make(at, run) {
      await at.write(".gitattributes", 'a.txt filter=a.b=c\\"d\nb.txt filter=ä]\n');
      for (const name of ['a.b=c\\"d', "ä]"]) await at.git("config", `filter.${name}.clean`, run);
      await Deno.utime(join(at.path, "b.txt"), new Date(), new Date());
    },
    springs: ["diff"],
  },
  "a text converter and diff drivers": {
    async make(at, run) {
      await at.write(".gitattributes", "* diff=x merge=x\n");
      for (const key of ["diff.x.textconv", "diff.x.command", "diff.external", "merge.x.driver"]) {
        await at.git("config", key, run);
      }
    },
    springs: ["diff"],
  },
  "a monitor": { make: (at, run) => at.git("config", "core.fsmonitor", run), springs: ["diff"] },
  "hooks": {
    async make(at, run) {
      await Deno.symlink(run, join(at.path, ".git/hooks/post-index-change"));
      await Deno.mkdir(join(at.path, ".hooks"));
      await Deno.symlink(run, join(at.path, ".hooks/post-index-change"));
      await at.git("config", "core.hooksPath", join(at.path, ".hooks"));
      // The content is what was added: only the index's times are out of date.
      await Deno.utime(join(at.path, "b.txt"), new Date(1000), new Date(1000));
    },
    springs: ["diff"],
  },
  "everything else that is a command": {
    async make(at, run) {
      const keys = "core.pager pager.diff core.editor core.sshCommand core.gitProxy core.askPass " +
        "core.alternateRefsCommand credential.helper gpg.program gpg.ssh.program alias.diff alias.ls-files " +
        "interactive.diffFilter trailer.x.command trailer.x.cmd sequence.editor diff.tool difftool.x.cmd " +
        "uploadpack.packObjectsHook remote.origin.uploadpack remote.origin.receivepack remote.origin.vcs";
      for (const key of keys.split(" ")) await at.git("config", key, run);
      for (const key of ["log.showSignature", "fetch.recurseSubmodules"]) await at.git("config", key, "true");
    },
  },
};

Deno.test("no program that a repository names is run, whichever way it names it", onUnix, async (test) => {
  for (const [name, { make, springs }] of Object.entries(WAYS)) {
    await test.step(name, async () => {
      await using at = await changedRepository();
      await using set = await trap();
      await make(at, set.program);
      const looked = await lookAt(at.path);
      assertEquals(await set.sprung(), [], name);
      assertDiffShown(looked, name);
      // The trap is one: git without our care starts it.
      if (springs) {
        await at.git(...springs).catch(() => {});
        assertEquals((await set.sprung()).length > 0, true, `${name} springs no trap`);
      }
    });
  }
});

Deno.test(
  "objects that a partial clone lacks are not fetched, and the error says so",
  onUnix,
  async (test) => {
    const remotes: Record<string, string[][]> = {
      "by a command for a remote": [["remote.origin.url", "ext::$TRAP %S"], ["protocol.ext.allow", "always"]],
      "by ssh": [["remote.origin.url", "ssh://nowhere.invalid/x"], ["core.sshCommand", "$TRAP"]],
      "by a program at the other end": [["remote.origin.url", "file://$DIR"], [
        "remote.origin.uploadpack",
        "$TRAP",
      ]],
    };
    for (const [name, settings] of Object.entries(remotes)) {
      await test.step(name, async () => {
        await using at = await changedRepository();
        await using set = await trap();
        const blob = (await at.git("rev-parse", "HEAD:a.txt")).trim();
        await Deno.remove(join(at.path, ".git/objects", blob.slice(0, 2), blob.slice(2)));
        const more = [["core.repositoryformatversion", "1"], ["extensions.partialClone", "origin"], [
          "remote.origin.promisor",
          "true",
        ]];
        for (const [key, value] of [...settings, ...more]) {
          await at.git("config", key!, value!.replace("$TRAP", set.program).replace("$DIR", at.path));
        }
        const { refusals } = await lookAt(at.path);
        assertEquals(await set.sprung(), []);
        assertEquals(
          refusals.some((text) => text.includes("nothing is fetched here")),
          true,
          refusals.join("\n"),
        );
        await at.git("diff").catch(() => {});
        assertEquals((await set.sprung()).length > 0, true, "no trap");
      });
    }
  },
);

Deno.test("a submodule's own settings run nothing, and its commit is shown by name", onUnix, async () => {
  await using inner = await changedRepository();
  await using at = await changedRepository();
  await using set = await trap();
  await at.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", inner.path, "sub");
  await at.git("config", "diff.submodule", "log");
  await at.git("config", "status.submoduleSummary", "true");
  await at.write(".git/modules/sub/info/attributes", "* filter=x\n");
  const config = join(at.path, ".git/modules/sub/config");
  await Deno.writeTextFile(
    config,
    `[filter "x"]\n\tclean = ${set.program}\n[core]\n\tfsmonitor = ${set.program}\n`,
    {
      append: true,
    },
  );
  await at.write("sub/a.txt", "changed within\n");
  const looked = await lookAt(at.path);
  assertEquals(await set.sprung(), []);
  assertDiffShown(looked, "submodule");
  assertEquals(looked.shown.includes("+Subproject commit "), true);
  await at.git("status");
  assertEquals((await set.sprung()).length > 0, true, "no trap");
});

Deno.test("a bare repository that was committed as files is no repository", onUnix, async () => {
  await using at = await changedRepository();
  await using set = await trap();
  await at.git("init", "-q", "--bare", "bare");
  const bare = join(at.path, "bare");
  await Deno.writeTextFile(join(bare, "config"), `[core]\n\tfsmonitor = ${set.program}\n\tworktree = ..\n`);
  const { shown } = await lookAt(bare);
  assertEquals(await set.sprung(), []);
  // It is a directory of the repository around it.
  assertEquals(shown.includes("changed here"), false);
  await Deno.remove(join(at.path, ".git"), { recursive: true });
  const { refusals } = await lookAt(bare);
  assertEquals(refusals.length, 3);
  assertEquals(refusals.every((text) => text.includes("no git work tree")), true, refusals.join("\n"));
});

Deno.test("neither the daemon's environment nor the user's own filters run anything", onUnix, async () => {
  await using at = await changedRepository();
  await using other = await changedRepository();
  await using set = await trap();
  await using ignored = await tempDir({ "ignored": "hidden.txt\n" });
  await using user = await tempDir({
    "git/config":
      `[filter "lfs"]\n\tprocess = ${set.program}\n\tclean = ${set.program}\n\trequired = true\n` +
      `[core]\n\texcludesFile = ${ignored.path}/ignored\n\tfsmonitor = ${set.program}\n[diff]\n\texternal = ${set.program}\n`,
  });
  await at.write(".gitattributes", "* filter=lfs\n");
  await at.write("hidden.txt", "x");
  const env = {
    XDG_CONFIG_HOME: user.path,
    GIT_DIR: join(other.path, ".git"),
    GIT_WORK_TREE: other.path,
    GIT_INDEX_FILE: join(other.path, ".git/index"),
    GIT_EXTERNAL_DIFF: set.program,
    GIT_SSH_COMMAND: set.program,
    GIT_PAGER: set.program,
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "core.fsmonitor",
    GIT_CONFIG_VALUE_0: set.program,
    GIT_CONFIG_PARAMETERS: `'core.fsmonitor=${set.program}'`,
    GIT_TRACE: join(at.path, "trace"),
  };
  await using daemon = await startDaemon({ env });
  await using client = await ToolWindow.open(daemon.url, at.path);
  const answer = await client.call("precommit", precommitStep({ next_step_required: true, total_steps: 2 }));
  assertEquals(answer.isError, false, JSON.stringify(answer));
  const changes = (answer.content as JsonObject).changes as JsonObject;
  assertEquals(changes.repository, at.path);
  const names = (changes.files as JsonObject[]).map(({ path }) => path);
  assertEquals(names.toSorted(), [".gitattributes", "a.txt"]);
  assertEquals(await set.sprung(), []);
});
