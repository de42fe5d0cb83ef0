import { assert, assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { SqliteSharingEvidence } from "../lib/state/saved_evidence.ts";
import { readEvidence, type StoredEvidence } from "../lib/upstream/evidence_store.ts";
import { decideShare, learnSharing } from "../lib/upstream/sharing/decide_share.ts";
import { ServerEvidence } from "../lib/upstream/sharing/evidence.ts";
import {
  mentionsAny,
  mentionsRelativePath,
  possiblePaths,
  textsIn,
  textsOf,
} from "../lib/upstream/sharing/mentioned_paths.ts";
import { areAllReadOnly, directoryHint, userStateHint } from "../lib/upstream/sharing/tool_hints.ts";
import { tempDir } from "./helpers/files.ts";

const CONFIG = { kind: "stdio", share: "auto", cwdFree: false, command: "x", args: [], env: {} };
const configOf = (more: object = {}) => ({ ...CONFIG, ...more }) as never as ServerConfig;
const INSPECTOR = { files: () => Promise.resolve(undefined), watchOpens: () => undefined };

/** Evidence of a server that was called so often, in so many directories. */
function evidenceOf({ calls = 20, directories = 2, watched = 4, runs = 0 } = {}) {
  const evidence = new ServerEvidence(configOf(), undefined);
  for (let i = 0; i < calls; i++) evidence.called();
  for (let i = 0; i < watched; i++) evidence.watched(undefined);
  for (let i = 0; i < Math.max(runs, directories); i++) evidence.observed(`/w${i % directories}`, true);
  return evidence;
}

Deno.test("enough calls from two directories, or in two runs, with nothing against it share a server by the machine", () => {
  const shared = (...of: Parameters<typeof evidenceOf>) => evidenceOf(...of).decision?.share;
  assertEquals(shared(), "machine");
  assertEquals(shared({ directories: 1, runs: 2 }), "machine");
  assertEquals(shared({ calls: 19 }), "project");
  assertEquals(shared({ directories: 1 }), "project");
  assertEquals(shared({ watched: 3 }), "project");
  assertEquals(evidenceOf({ calls: 0, directories: 0, watched: 0 }).decision, undefined);
  assertEquals(
    evidenceOf({ directories: 3, calls: 34 }).decision?.why,
    "learned: 34 calls from 3 directories, asked nothing, opened nothing below its directory",
  );
  assertMatch(evidenceOf({ directories: 1, runs: 2 }).decision!.why, /20 calls from 1 directory in 2 runs/);
});

Deno.test("a sign against sharing wins over any number of calls, and one of a user's state over all", () => {
  const evidence = evidenceOf();
  evidence.addSign("roots", "asked for roots");
  for (let i = 0; i < 1000; i++) evidence.called();
  assertEquals(evidence.decision, {
    share: "project",
    why: "learned: asked for roots; 1020 calls from 2 directories",
  });
  evidence.addSign("roots", "something else");
  evidence.addSign("paths", "was called with a relative path");
  assertMatch(evidence.decision!.why, /^learned: asked for roots, was called with a relative path; /);
  evidence.addSign("state", "its tool session works on a state of one user");
  assertEquals(evidence.decision?.share, "session");
});

Deno.test("what other programs may have done once is no sign, twice it is", () => {
  const evidence = evidenceOf();
  evidence.watched("notes.txt");
  evidence.wroteBetweenCalls();
  assertEquals(evidence.decision?.share, "machine");
  evidence.watched("notes.txt");
  evidence.wroteBetweenCalls();
  assertMatch(
    evidence.decision!.why,
    /learned: opened notes\.txt of its directory, wrote to the disk between calls/,
  );
});

Deno.test("other tools in another directory are a sign; later ones in the same are not", () => {
  const evidence = evidenceOf();
  const tools = (...names: string[]) => names.map((name) => ({ name }));
  evidence.listed("/a", tools("one"));
  evidence.listed("/b", tools("one"));
  evidence.listed("/a", tools("one", "two"));
  assertEquals(evidence.decision?.share, "machine");
  evidence.listed("/c", tools("three"));
  assertMatch(evidence.decision!.why, /offered other tools in another directory/);
  const reading = evidenceOf();
  reading.listed("/a", [{ name: "say", annotations: { readOnlyHint: true } }]);
  assertMatch(reading.decision!.why, /, its tools only read$/);
});

Deno.test("nothing is learned against what the user wrote, the table or a URL says", () => {
  const learns = (more: object) =>
    learnSharing(configOf(more), { store: undefined, inspector: INSPECTOR }) !== undefined;
  assert(learns({}));
  for (
    const more of [
      { share: "project" },
      { share: "machine" },
      { cwdFree: true },
      { command: "npx", args: ["-y", "@upstash/context7-mcp"] },
      { command: "npx", args: ["-y", "my-browser-mcp"] },
      { kind: "http", url: "https://h/mcp", headers: {} },
    ]
  ) assertEquals(learns(more), false, JSON.stringify(more));
});

Deno.test("a server whose entry names the workspace is never shared by more than one directory", () => {
  const config = configOf({ args: ["${workspaceFolder}"] });
  const sharing = learnSharing(config, { store: undefined, inspector: INSPECTOR });
  assert(sharing);
  assertMatch(decideShare(config).why, /^learned: its entry names the workspace/);
  assertEquals(decideShare(config).scope, "project");
});

Deno.test("what tools are called, and what they take, hints at a state of one user or at a directory", () => {
  const tools = (...names: string[]) => names.map((name) => ({ name }));
  assertMatch(userStateHint(tools("openFile", "close-file"))!, /openFile and close-file keep something open/);
  assertMatch(userStateHint(tools("db_connect", "db_disconnect"))!, /db_connect and db_disconnect/);
  assertMatch(userStateHint(tools("a", "browser_navigate"))!, /browser_navigate works on a state/);
  assertMatch(userStateHint(tools("new_session"))!, /new_session/);
  for (const names of [["open_issue"], ["close", "start"], ["obsession", "tabular", "reopened"], []]) {
    assertEquals(userStateHint(tools(...names)), undefined, names.join());
  }
  const readOnly = { name: "list_sessions", annotations: { readOnlyHint: true } };
  assertEquals(userStateHint([readOnly]), undefined);
  assertEquals(areAllReadOnly([readOnly]), true);
  assertEquals([areAllReadOnly([]), areAllReadOnly([readOnly, { name: "x" }])], [false, false]);
  const taking = (...names: string[]): JsonObject[] => [{
    name: "t",
    inputSchema: { type: "object", properties: Object.fromEntries(names.map((name) => [name, {}])) },
  }];
  for (
    const name of ["cwd", "working_directory", "workingDir", "projectRoot", "repo_path", "workspace", "root"]
  ) {
    assertEquals(directoryHint(taking("q", name)), `its tool t takes ${name}`);
  }
  for (const name of ["path", "project", "directory_name", "repository"]) {
    assertEquals(directoryHint(taking(name)), undefined, name);
  }
  assertEquals(directoryHint([{ name: "t", inputSchema: null }, { name: "u" }]), undefined);
});

Deno.test("a call names a directory by a path below it, and no other, whether it is parsed or not", () => {
  const mentions = (value: unknown) => {
    const [parsed, text] = [textsOf(value), textsIn(JSON.stringify(value, null, 2))].map((
      texts,
    ) => [...texts]);
    assertEquals(text, parsed);
    return mentionsAny(parsed!, ["/home/me/p"]);
  };
  for (
    const value of [
      "/home/me/p",
      { a: [{ b: "see /home/me/p/x.ts:3" }] },
      ["file:///home/me/p/"],
      '{"cwd":"/home/me/p"}',
    ]
  ) assert(mentions(value), JSON.stringify(value));
  for (const value of ["/home/me/pq", "/home/me/p-2/x", "/home/me", 5, null, {}]) {
    assertEquals(mentions(value), false, JSON.stringify(value));
  }
  assertEquals(mentionsAny(["/home/me/p"], []), false);
  assert(mentionsAny([...textsIn('{"a\\"b" : "\\/home\\/me/\\u0070"}')], ["/home/me/p"]));
  assertEquals(mentionsAny([...textsIn('{"/home/me/p":1}')], ["/home/me/p"]), false);
  assert([".", "..", "./x", "../x", ".\\x"].every((text) => mentionsRelativePath([text])));
  assert([".x", "...", "a/./b", "x", ".env"].every((text) => !mentionsRelativePath([text])));
  assertEquals(
    possiblePaths(["src/x.ts", "README.md", "word", "a b.c", "/x/y", "u:p/x"]),
    [
      "src/x.ts",
      "README.md",
    ],
  );
  assertEquals(possiblePaths(["a.b", "c.d", "e.f", "g.h", "i.j"]).length, 4);
});

Deno.test("a large or deep value of a call is looked at in part only", () => {
  const directory = ["/home/me/p"];
  const mentions = (value: unknown) => {
    const [parsed, text] = [textsOf(value), textsIn(JSON.stringify(value))].map((texts) =>
      mentionsAny([...texts], directory)
    );
    assertEquals(text, parsed);
    return parsed;
  };
  assertEquals(mentions(["x".repeat(70_000), directory[0]]), false);
  assertEquals(mentions([...Array(100_000).fill(1), directory[0]]), false);
  assertEquals(mentions(`${directory[0]}/a ${"x".repeat(70_000)}`), true);
  let deep: unknown = directory[0];
  for (let i = 0; i < 10_000; i++) deep = [deep];
  assertEquals(mentionsAny([...textsOf(deep)], directory), false);
});

Deno.test("what was learned is kept by configuration, of the latest ones, and anything else in its place is left aside", async () => {
  await using dir = await tempDir({});
  const evidence = (calls: number): StoredEvidence => ({
    calls,
    watchedCalls: 0,
    runs: 1,
    directories: ["d"],
    signs: { roots: "asked for roots" },
  });
  {
    using store = new SqliteSharingEvidence(`${dir.path}/sharing.db`, { maxConfigurations: 2 });
    for (const [i, config] of ["a", "b", "c"].entries()) store.set(config, evidence(i));
    store.set("c", evidence(3));
    assertEquals([store.get("c"), store.get("none"), store.fault], [evidence(3), undefined, undefined]);
    assertEquals(["a", "b", "c"].filter((config) => store.get(config)).length, 2);
  }
  using again = new SqliteSharingEvidence(`${dir.path}/sharing.db`);
  assertEquals(again.get("c"), evidence(3));
  for (const text of ["", "{", "[]", "{}", '{"calls":1}', JSON.stringify({ ...evidence(1), signs: 1 })]) {
    assertEquals(readEvidence(text), undefined, text);
  }
  assertEquals(readEvidence(JSON.stringify(evidence(1))), evidence(1));
});

Deno.test("what was learned goes on from what was kept, and belongs to command, arguments, environment and directory", async () => {
  await using dir = await tempDir({});
  using store = new SqliteSharingEvidence(`${dir.path}/sharing.db`);
  const first = new ServerEvidence(configOf(), store);
  first.called();
  first.addSign("files", "holds /w/x open");
  const next = new ServerEvidence(configOf({ name: "other", idleStopMs: 1 }), store);
  assertEquals(next.decision, first.decision);
  for (const more of [{ command: "y" }, { args: ["a"] }, { env: { A: "1" } }, { cwd: "/v" }]) {
    assertEquals(new ServerEvidence(configOf(more), store).decision, undefined, JSON.stringify(more));
  }
});
