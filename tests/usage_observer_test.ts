import { assert, assertEquals, assertMatch } from "@std/assert";
import { userHome } from "../lib/config/paths.ts";
import { watchOpens } from "../lib/process/directory_watch.ts";
import { type TreeFiles, treeFiles } from "../lib/process/held_files.ts";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { ServerEvidence } from "../lib/upstream/sharing/evidence.ts";
import { type ProcessInspector, UsageObserver } from "../lib/upstream/sharing/usage_observer.ts";
import { call } from "./helpers/call.ts";
import { tempDir } from "./helpers/files.ts";

const CONFIG = { kind: "stdio", command: "x", args: [], env: {} } as never as ServerConfig;

/** A process that is observed in `workspace`, whose files are as `files` says by the time of the n-th look. */
function observed(
  workspace: string | undefined,
  files: (look: number) => TreeFiles | undefined = () => ({ files: [], writtenBytes: 0 }),
  more: Partial<ProcessInspector> = {},
) {
  const evidence = new ServerEvidence(CONFIG, undefined);
  let looks = 0;
  const looked: (() => void)[] = [];
  const inspector: ProcessInspector = {
    files: () => {
      const seen = files(++looks);
      // Once what is seen was taken in.
      setTimeout(() => looked.shift()?.());
      return Promise.resolve(seen);
    },
    watchOpens: () => undefined,
    ...more,
  };
  const observer = new UsageObserver(evidence, { workspace, inspector });
  const server = { pid: 1, lists: { known: () => Promise.resolve(undefined) } };
  const answer = (args: unknown = {}, content: unknown = "", cwd?: string) => {
    observer.begins();
    const one = call({ params: { name: "t", arguments: args } as never });
    observer.answered({ ...one, caller: { ...one.caller, cwd } }, { result: { content } as never }, server);
  };
  return {
    evidence,
    observer,
    answer,
    looks: () => looks,
    /** Answers a call, and resolves when the process was looked at after it. */
    async lookedAfterCall(): Promise<void> {
      const look = new Promise<void>((resolve) => looked.push(resolve));
      answer();
      await look;
    },
  };
}

/** The calls after which a process is looked at. */
const LOOKED_AT = [1, 2, 4, 8, 16, 20, 32];

/** Answers so many calls, one after another. */
async function callTimes(it: ReturnType<typeof observed>, calls: number): Promise<void> {
  for (let n = 1; n <= calls; n++) {
    if (LOOKED_AT.includes(n)) await it.lookedAfterCall();
    else it.answer();
  }
}

Deno.test("a process is looked at after few of its calls, and later not more than once a minute", async () => {
  const it = observed("/w");
  await callTimes(it, 200);
  assertEquals(it.looks(), LOOKED_AT.length);
  assertMatch(it.evidence.decision!.why, /: 200 calls from 1 directory, asked/);
});

Deno.test("calls that come faster than a process can be looked at put its looks off, and cost none", async () => {
  const it = observed("/w");
  for (let n = 1; n <= 20; n++) it.answer();
  while (it.looks() < 1) await new Promise((resolve) => setTimeout(resolve));
  assertEquals(it.looks(), 1);
  for (let look = 2; look <= 6; look++) await it.lookedAfterCall();
  assertEquals(it.looks(), 6);
});

Deno.test("calls that were begun before its directory was known are made up for by later ones that are watched", async () => {
  await using dir = await tempDir({ "sub/x": "" });
  let watches = 0;
  const it = observed(dir.path, undefined, {
    watchOpens: () => {
      watches++;
      return { opened: () => undefined, isListed: false, [Symbol.dispose]: () => {} };
    },
  });
  for (let n = 1; n <= 8; n++) it.answer();
  while (it.looks() < 1) await new Promise((resolve) => setTimeout(resolve));
  assertEquals(watches, 0);
  for (let n = 9; n <= 15; n++) it.answer();
  assertEquals(watches, 3);
});

Deno.test("a process that something speaks against is not looked at any more", async () => {
  const it = observed("/w", () => ({ files: [{ path: "/w/x", isWritable: false }], writtenBytes: 0 }));
  await it.lookedAfterCall();
  assertMatch(it.evidence.decision!.why, /holds \/w\/x open/);
  for (let n = 2; n <= 32; n++) {
    it.answer();
    await new Promise((resolve) => setTimeout(resolve));
  }
  assertEquals(it.looks(), 1);
});

for (
  const [path, isWritable, sign] of [
    ["/w/x", false, /holds \/w\/x open/],
    ["/w", false, /holds \/w open/],
    ["/wx/y", false, undefined],
    ["/v/state.db", true, /keeps \/v\/state\.db open for writing/],
    ["/v/state.db", false, undefined],
    ["/home/me/.cache/deno/x_v2", true, undefined],
    ["/home/me/.npm/_logs/x", true, undefined],
    ["/home/me/server.log", true, undefined],
    ["/home/me/logs/x", true, undefined],
    ["/home/me/.local/share/uv/tools/.lock", true, undefined],
  ] as [string, boolean, RegExp | undefined][]
) {
  const how = isWritable ? "for writing" : "for reading";
  Deno.test(`a file ${path} held open ${how} is ${sign ? "a" : "no"} sign against sharing`, async () => {
    const it = observed("/w", () => ({ files: [{ path, isWritable }], writtenBytes: 0 }));
    await it.lookedAfterCall();
    assertMatch(it.evidence.decision!.why, sign ?? /nothing below its directory$/);
  });
}

Deno.test("what a process writes to the disk once it has settled is a sign, what it writes before is none", async () => {
  const written = [
    [(look: number) => look * 100, true],
    [(look: number) => Math.min(look, 3) * 100, false],
  ] as const;
  for (const [bytes, sign] of written) {
    const it = observed("/w", (look) => ({ files: [], writtenBytes: bytes(look) }));
    await callTimes(it, 16);
    assertEquals(/wrote to the disk/.test(it.evidence.decision!.why), sign);
  }
});

for (
  const [what, args, answer, cwd, sign] of [
    ["an argument below the directory", { a: "/w/x" }, "", undefined, true],
    ["an answer below the directory", {}, [{ text: "in /w/x" }], undefined, true],
    ["an argument below the window's directory", { a: "/v/x" }, "", "/v", true],
    ["a relative path", { a: "./x" }, "", undefined, true],
    ["another path", { a: "/v/x" }, "/u", undefined, false],
    ["a path below the home of the user", { a: `${userHome()}/x` }, "", userHome(), false],
    ["a path below the root", { a: "/x" }, "", "/", false],
  ] as [string, unknown, unknown, string | undefined, boolean][]
) {
  Deno.test(`${what} in a call is ${sign ? "a" : "no"} sign against sharing`, () => {
    const it = observed("/w");
    it.answer(args, answer, cwd);
    assertEquals(/learned:/.test(it.evidence.decision!.why), sign);
  });
}

Deno.test("an argument that is a file of the directory is a sign, one that is not is none", async () => {
  await using dir = await tempDir({ "src/a.ts": "x" });
  for (const [path, sign] of [["src/a.ts", true], ["src/b.ts", false]] as const) {
    const it = observed(dir.path);
    const look = it.lookedAfterCall();
    await look;
    it.answer({ path });
    while (it.looks() < (sign ? 1 : 2)) await new Promise((resolve) => setTimeout(resolve));
    while (sign && !/learned:/.test(it.evidence.decision!.why)) {
      await new Promise((resolve) => setTimeout(resolve));
    }
    assertEquals(/was called with a path of its directory/.test(it.evidence.decision!.why), sign);
  }
});

Deno.test("a directory that holds everything says nothing of a server, nor does a process whose files are not seen", async () => {
  for (const workspace of [undefined, "/", userHome()]) {
    const it = observed(
      workspace,
      () => ({ files: [{ path: `${userHome()}/x`, isWritable: false }], writtenBytes: 0 }),
    );
    await it.lookedAfterCall();
    assertMatch(it.evidence.decision!.why, /1 call, asked nothing/);
  }
  const unseen = observed("/w", () => undefined);
  await unseen.lookedAfterCall();
  assertMatch(unseen.evidence.decision!.why, /1 call, asked nothing/);
});

Deno.test("each watch of a directory ends with its call, or with its process", async () => {
  await using dir = await tempDir({ "sub/x": "", "node_modules/y": "" });
  let open = 0;
  const watched: (readonly string[])[] = [];
  const it = observed(dir.path, undefined, {
    watchOpens: (directories) => {
      open++;
      watched.push(directories);
      return { opened: () => undefined, isListed: false, [Symbol.dispose]: () => void open-- };
    },
  });
  await it.lookedAfterCall();
  assertEquals([open, watched.length], [0, 0]);
  it.observer.begins();
  assertEquals(open, 1);
  it.observer.begins();
  assertEquals([open, watched], [1, [[dir.path, `${dir.path}/sub`]]]);
  it.answer();
  assertEquals(open, 0);
  it.answer();
  it.observer.begins();
  assertEquals([open, watched.length], [1, 2]);
  it.observer.ended();
  assertEquals(open, 0);
  it.evidence.addSign("roots", "asked for roots");
  it.observer.begins();
  assertEquals([open, watched.length], [0, 2]);
});

Deno.test({
  name: "on Linux, what a process holds open and what is opened in a directory is seen",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using dir = await tempDir({ "x.txt": "x", "sub/y.txt": "y" });
    const script = `import sys
one = open("x.txt"); two = open("sub/y.txt", "a"); sys.stdin.read()`;
    const child = new Deno.Command("python3", {
      args: ["-c", `print("up", flush=True)\n${script}`],
      cwd: dir.path,
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    using watch = watchOpens([dir.path])!;
    assertEquals(watch.opened(), undefined);
    let held: TreeFiles["files"] = [];
    const path = await Deno.realPath(dir.path);
    while (held.length < 2) {
      held = (await treeFiles(child.pid))!.files.filter((file) => file.path.startsWith(path));
    }
    assertEquals(held, [
      { path: `${path}/x.txt`, isWritable: false },
      { path: `${path}/sub/y.txt`, isWritable: true },
    ]);
    // Only what lies in the directory itself.
    assert(["x.txt", undefined].includes(watch.opened()));
    await Deno.readTextFile(`${dir.path}/sub/y.txt`);
    watch.opened();
    await Deno.readTextFile(`${dir.path}/x.txt`);
    assertEquals([watch.opened(), watch.opened()], ["x.txt", undefined]);
    await child.stdin.close();
    await child.stdout.cancel();
    await child.status;
    assertEquals(await treeFiles(child.pid), undefined);
  },
});
