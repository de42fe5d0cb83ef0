import { assertEquals, assertThrows } from "@std/assert";
import { join, toFileUrl } from "@std/path";
import { DISK_ROOT } from "./helpers/files.ts";
import type { Root } from "../lib/call/call.ts";
import { type Belonging, isSameSession, mayUse, OPERATOR, ownerKey, usable } from "../lib/call/owner.ts";
import { findWorkspace } from "../lib/workspace/find_workspace.ts";
import { Ownership, type OwnershipSource } from "../lib/session/ownership.ts";
import { HandleTable, MAX_HANDLE_CHARS } from "../lib/upstream/tasks/handle_table.ts";
import { call } from "./helpers/call.ts";
import { twoWorkspaces } from "./helpers/two_workspaces.ts";

const uri = (path: string): Root => ({ uri: toFileUrl(path).href });

Deno.test("a session's workspace is its first root, else its directory, by its real path", async () => {
  await using dirs = await twoWorkspaces();
  const { p, q, link, below } = dirs;
  const real = await Deno.realPath(p);
  assertEquals(await findWorkspace({ cwd: q, roots: [uri(link), uri(q)] }), real);
  assertEquals(await findWorkspace({ cwd: p, roots: undefined }), real);
  assertEquals(await findWorkspace({ cwd: `${p}/../p/`, roots: [] }), real);
  for (const strange of ["https://example.com/p", "file:///%zz", uri(join(p, "not-there")).uri]) {
    assertEquals(await findWorkspace({ cwd: p, roots: [{ uri: strange }] }), real, strange);
  }
  assertEquals(await findWorkspace({ cwd: below, roots: undefined }), join(real, "below"));
  // What a client opens on purpose is not replaced by the directory it happens to run in.
  assertEquals(await findWorkspace({ cwd: p, roots: [uri(DISK_ROOT)] }), undefined);
});

/** An ownership whose client has the roots that `roots` gives, and what was looked for. */
function ownership(parts: Partial<OwnershipSource> = {}) {
  const asked = { roots: 0, workspaces: [] as unknown[] };
  const own = new Ownership({
    principal: "owner",
    secret: "s",
    cwd: "/cwd",
    hasRoots: () => false,
    findWorkspace: ({ cwd, roots }) => {
      asked.workspaces.push([cwd, roots]);
      return Promise.resolve(roots?.[0]?.uri ?? cwd);
    },
    ...parts,
    roots: () => {
      asked.roots++;
      return parts.roots?.() ?? Promise.resolve(undefined);
    },
  });
  return { own, asked };
}

Deno.test("a client is asked for its roots when somebody looks, once until they change, and not for a record alone", async () => {
  let root = "/p";
  const { own, asked } = ownership({
    hasRoots: () => true,
    roots: () => Promise.resolve([{ uri: root }]),
  });
  const first = own.belonging;
  assertEquals(asked.roots, 0);
  assertEquals((await own.identity()).workspaces, ["/p"]);
  assertEquals((await first.owner()).workspace, "/p");
  assertEquals(asked.roots, 1);
  root = "/q";
  own.invalidate();
  assertEquals((await own.identity()).workspaces, ["/q", "/p"]);
  assertEquals((await first.owner()).workspace, "/p");
  assertEquals((await own.belonging.owner()).workspace, "/q");
});

Deno.test("a session is remembered to have worked in its last sixteen directories", async () => {
  let n = 0;
  const { own } = ownership({ findWorkspace: () => Promise.resolve(`/p${n}`) });
  for (; n < 30; n++) {
    own.invalidate();
    await own.identity();
  }
  own.invalidate();
  const { workspaces } = await own.identity();
  assertEquals([workspaces.length, workspaces[0], workspaces.at(-1)], [17, "/p30", "/p14"]);
});

Deno.test("a client that does not tell its roots works in its directory", async () => {
  const { own } = ownership({ hasRoots: () => true });
  assertEquals((await own.identity()).workspaces, ["/cwd"]);
});

Deno.test("what is kept of a session that is over is its directory's, or nobody else's where it had roots nobody knows", async () => {
  const plain = ownership();
  const kept = plain.own.belonging;
  plain.own.end();
  // Found out at the end, so that nothing of the session is held for it.
  assertEquals(plain.asked.workspaces, [["/cwd", undefined]]);
  assertEquals((await kept.owner()).workspace, "/cwd");
  const rooted = ownership({ hasRoots: () => true, roots: () => Promise.resolve([{ uri: "/p" }]) });
  const unknown = rooted.own.belonging;
  rooted.own.end();
  const { workspace } = await unknown.owner();
  assertEquals([workspace.startsWith("session "), rooted.asked.roots], [true, 0]);
  // A call that ends after its session.
  assertEquals((await rooted.own.belonging.owner()).workspace, workspace);
  const unused = ownership();
  unused.own.end();
  assertEquals(unused.asked.workspaces, []);
});

Deno.test("sessions without a workspace are told apart by what only their clients know, and are the same after a restart", async () => {
  const workspaceOf = async (secret: string) =>
    (await ownership({ secret, findWorkspace: undefined }).own.identity()).workspaces[0];
  const one = await workspaceOf("one");
  assertEquals(await workspaceOf("one"), one);
  assertEquals([await workspaceOf("other") === one, one.includes("one")], [false, false]);
});

Deno.test("nobody waits long for the client of another window to tell whose its calls are", async () => {
  const viewer = { principal: "owner", workspaces: ["/p"] as [string] };
  const at = (workspace: string): Belonging => ({
    owner: () => Promise.resolve({ principal: "owner", workspace }),
  });
  const [own, foreign] = [at("/p"), at("/q")];
  const silent: Belonging = { owner: () => new Promise(() => {}) };
  const found = await usable(viewer, [own, foreign, silent, own], 20);
  assertEquals([found.has(own), found.has(foreign), found.has(silent)], [true, false, false]);
  const all = await usable(OPERATOR, [own, foreign, silent], 20);
  assertEquals(all.size, 3);
});

Deno.test("names that would run together are told apart", () => {
  const viewer = { principal: "a", workspaces: ["b,c"] as [string] };
  assertEquals(mayUse(viewer, ownerKey({ principal: "a", workspace: "b,c" })), true);
  for (const [principal, workspace] of [["a,b", "c"], ["a", "b"], ['a","b', "c"], ["a", "b,c/"]]) {
    assertEquals(mayUse(viewer, ownerKey({ principal: principal!, workspace: workspace! })), false);
  }
});

Deno.test("a task nobody knows is nobody's, be it because a server's tasks are too many to be remembered", () => {
  const owners = new HandleTable();
  const { caller } = call();
  assertThrows(() => owners.checkTask(caller, "the server's own"), Error, "there is no task");
  owners.set("x".repeat(MAX_HANDLE_CHARS + 1), caller);
  assertThrows(() => owners.checkTask(caller, "the server's own"), Error, "there is no task");
  owners.set("mine", caller);
  owners.checkTask(caller, "mine");
  const crowded = new HandleTable();
  crowded.set("first", { ...caller, id: "other" });
  for (let i = 0; i < 10_000; i++) crowded.set(`task ${i}`, caller);
  const listed = crowded.filterTasks(caller, {
    result: { tasks: [{ taskId: "first" }, { taskId: "task 7" }] },
  });
  assertEquals(listed.result, { tasks: [{ taskId: "task 7" }] });
});

Deno.test("two callers are one session when they have one id, whatever else they say of themselves", () => {
  const { caller } = call();
  assertEquals(
    [isSameSession(caller, { id: caller.id }), isSameSession(caller, { ...caller, id: "other" })],
    [
      true,
      false,
    ],
  );
});
