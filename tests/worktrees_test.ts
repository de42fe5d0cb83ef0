import { assertEquals, assertStringIncludes } from "@std/assert";
import { concerns, knownPlaceOf } from "../lib/upstream/audience.ts";
import type { ProcessRecord } from "../lib/upstream/process_records.ts";
import { repositoryOf } from "../lib/upstream/sharing/repository.ts";
import { git, tempDir } from "./helpers/files.ts";
import { Window } from "./helpers/instance.ts";
import { mountedUpstreams } from "./helpers/mounted.ts";

/** A repository with a commit, and working trees of it: where sub-agents have theirs, and beside it. */
async function repository() {
  const dir = await tempDir({ "repo/sub/x": "" });
  const repo = `${dir.path}/repo`;
  await git(repo, "init", "-q");
  await git(repo, "add", ".");
  await git(repo, "commit", "-qm", "first");
  const agent = `${repo}/.claude/worktrees/agent`;
  const beside = `${dir.path}/beside`;
  await git(repo, "worktree", "add", "-q", "--detach", agent);
  await git(repo, "worktree", "add", "-q", "--detach", beside);
  return { ...dir, repo, agent, beside };
}

const SUPABASE = { command: "npx", args: ["-y", "@supabase/mcp-server-supabase"] };
const POSTGRES = {
  command: "npx",
  args: ["-y", "@modelcontextprotocol/server-postgres", "postgres://db/shop"],
};

/** The directories of the processes that windows in `cwds` are served by. */
async function servedIn(config: Record<string, unknown>, cwds: string[]) {
  await using it = mountedUpstreams({ config: config as never });
  for (const [i, cwd] of cwds.entries()) {
    const roots = i % 2 === 0 ? undefined : [{ uri: `file://${cwd}` }];
    const window = new Window(`${i}`, roots ? { roots: {} } : {}, {
      cwd,
      roots: () => Promise.resolve(roots),
    });
    await it.mounted.target(window.call());
  }
  const why = Array.from(it.mounted.slots, (slot) => slot.why).join("; ");
  return { dirs: it.configs.map((config) => (config as { cwd?: string }).cwd), why };
}

Deno.test("what happens to a process of a repository concerns the windows in all its working trees, and no others", async () => {
  await using it = await repository();
  for (const [config, all] of [[SUPABASE, true], [{ command: "no-known-server" }, false]] as const) {
    await using server = mountedUpstreams({ config: config as never });
    await server.mounted.target(new Window("ada", {}, { cwd: it.agent }).call());
    const [{ audience }] = [...server.mounted.records] as [ProcessRecord];
    const isTold = async (cwd: string) => {
      const { caller } = new Window("bob", {}, { cwd });
      return concerns(audience, caller, await knownPlaceOf(caller, undefined));
    };
    const told = await Promise.all([it.agent, it.repo, it.beside, it.path].map(isTold));
    assertEquals(told, [true, all, all, false]);
  }
});

Deno.test("windows in several working trees of a repository share a server that does not care for the directory", async () => {
  await using it = await repository();
  const trees = [it.agent, it.repo, it.beside];
  for (const config of [SUPABASE, { ...POSTGRES, share: "project" }]) {
    const { dirs, why } = await servedIn(config, trees);
    assertEquals(dirs, [it.repo], JSON.stringify(config));
    assertStringIncludes(why, "all working trees of a repository share it");
  }
  // Two projects share nothing all the same.
  await using other = await repository();
  assertEquals((await servedIn(SUPABASE, [it.agent, other.agent])).dirs, [it.repo, other.repo]);
});

Deno.test("servers that work in the working tree stay apart by working tree, and so do servers nobody knows", async () => {
  await using it = await repository();
  const trees = [it.repo, it.agent, it.beside];
  const configs = [
    { command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "${workspaceFolder}"] },
    { command: "uvx", args: ["mcp-server-git"] },
    { ...SUPABASE, env: { DIR: "${workspaceFolder}" } },
    { ...SUPABASE, cwd: "sub" },
    { command: "my-own-server", args: [] },
  ];
  for (const config of configs) {
    assertEquals((await servedIn(config, trees)).dirs.length, 3, JSON.stringify(config));
  }
});

Deno.test("a working tree belongs to a repository that names it in return, and to no other", async () => {
  await using it = await repository();
  assertEquals(await repositoryOf(it.repo), it.repo);
  assertEquals(await repositoryOf(it.agent), it.repo);
  assertEquals(await repositoryOf(it.beside), it.repo);
  assertEquals(await repositoryOf(`${it.repo}/sub`), `${it.repo}/sub`);
  // As git writes them with worktree.useRelativePaths.
  await Deno.writeTextFile(`${it.beside}/.git`, "gitdir: ../repo/.git/worktrees/beside\n");
  await Deno.writeTextFile(`${it.repo}/.git/worktrees/beside/gitdir`, "../../../../beside/.git\n");
  assertEquals(await repositoryOf(it.beside), it.repo);
  await git(it.path, "clone", "-q", "--bare", it.repo, `${it.path}/bare.git`);
  await git(`${it.path}/bare.git`, "worktree", "add", "-q", "--detach", `${it.path}/of-bare`);
  assertEquals(await repositoryOf(`${it.path}/of-bare`), `${it.path}/bare.git`);

  const forged: [name: string, make: (dir: string) => Promise<void>][] = [
    ["a copied pointer", (dir) => Deno.copyFile(`${it.agent}/.git`, `${dir}/.git`)],
    ["a link to a pointer", (dir) => Deno.symlink(`${it.agent}/.git`, `${dir}/.git`)],
    ["the common directory itself", (dir) => Deno.writeTextFile(`${dir}/.git`, `gitdir: ${it.repo}/.git\n`)],
    ["nothing that is there", (dir) => Deno.writeTextFile(`${dir}/.git`, "gitdir: /no/.git/worktrees/x\n")],
    ["no pointer", (dir) => Deno.writeTextFile(`${dir}/.git`, "x".repeat(100_000))],
  ];
  for (const [name, make] of forged) {
    const dir = `${it.path}/${name}`;
    await Deno.mkdir(dir);
    await make(dir);
    assertEquals(await repositoryOf(dir), dir, name);
  }
  // One that a removed working tree has left.
  await Deno.rename(it.agent, `${it.path}/moved`);
  assertEquals(await repositoryOf(`${it.path}/moved`), `${it.path}/moved`);
});
