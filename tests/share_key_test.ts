import { call } from "./helpers/call.ts";
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import type { JsonObject } from "../lib/base/json.ts";
import type { ServerConfig } from "../lib/config/server_config.ts";
import type { Caller } from "../lib/call/call.ts";
import {
  isDirectoryBound,
  ownCapabilities,
  processGroupKey,
  sharedCapabilities,
  shareKey,
} from "../lib/upstream/share_key.ts";
import { decideShare, refusalAdvice, type Scope } from "../lib/upstream/sharing/decide_share.ts";

const [ADA, BOB] = ["ada", "bob"].map((id) => ({ ...call().caller, id })) as [Caller, Caller];
const STDIO = {
  kind: "stdio",
  share: "auto",
  cwdFree: false,
  command: "node",
  args: ["x.js"],
  env: {},
  cwd: "/w",
};
const HTTP = { kind: "http", share: "auto", cwdFree: false, url: "https://h/mcp", headers: {} };
const configOf = (parts: object, base: object = STDIO) => ({ ...base, ...parts }) as never as ServerConfig;

Deno.test("a process for all windows serves no other user of the machine, unless somebody wrote so", () => {
  const keyOf = (parts: object, caller: Partial<Caller>) => {
    const session = { caller: { ...ADA, ...caller }, workspace: "/w", roots: undefined, isRootless: false };
    return shareKey(configOf(parts), session, "machine");
  };
  const [own, other] = [{ id: "bob" }, { id: "eve", principal: "another user" }];
  const github = { args: ["-y", "@modelcontextprotocol/server-github"], command: "npx" };
  assertEquals(keyOf(github, {}), keyOf(github, own));
  assertNotEquals(keyOf(github, {}), keyOf(github, other));
  assertEquals(keyOf({ ...github, share: "machine" }, {}), keyOf({ ...github, share: "machine" }, other));
  const memory = { args: ["-y", "@modelcontextprotocol/server-memory"], command: "npx" };
  assertEquals(keyOf(memory, {}), keyOf(memory, other), "two would overwrite each other's file");
});

Deno.test("a window of an editor is one of its user's, whatever another user says", () => {
  const keyOf = (principal: string) => {
    const caller = { ...ADA, principal, window: { key: "pid 1" } };
    return shareKey(configOf({}), { caller, workspace: "/w", roots: undefined, isRootless: false }, "window");
  };
  assertNotEquals(keyOf(""), keyOf("another user"));
});

Deno.test("what the user wrote decides, then what is known, then how the server is reached", () => {
  const decided = (parts: object, base = STDIO as object) => {
    const { scope, canIsolate: mayMove, why } = decideShare(configOf(parts, base));
    assertMatch(why, /\w+ \w+ \w+/);
    return [scope, mayMove];
  };
  assertEquals(decided({}), ["project", true]);
  assertEquals(decided({}, HTTP), ["machine", true]);
  assertEquals(decided({ args: ["playwright-mcp"] }), ["session", false]);
  assertEquals(decided({ url: "https://h/playwright" }, HTTP), ["session", false]);
  assertEquals(decided({ args: ["playwright-mcp"], share: "machine" }), ["machine", true]);
  assertEquals([decided({ share: "project" }), decided({ share: "session" })], [["project", true], [
    "session",
    false,
  ]]);
  const written = configOf({ share: "session" });
  assertMatch(decideShare(written).why, /session in mcp\.json/);
  assert(decideShare(written) === decideShare(written));
});

Deno.test("a shared process may have copies unless its entry, or what is known of it, says exclusive", () => {
  const memory = { args: ["-y", "@modelcontextprotocol/server-memory"], command: "npx" };
  const mayHaveCopies = (parts: object, base = STDIO as object) =>
    decideShare(configOf(parts, base)).canIsolate;
  for (const share of ["auto", "machine", "project"]) {
    assertEquals([mayHaveCopies({ share }), mayHaveCopies({ share, exclusive: true })], [true, false], share);
    assertEquals(mayHaveCopies({ ...memory, share }), false, share);
    assertEquals(mayHaveCopies({ ...memory, share, exclusive: false }), true, share);
  }
  assertEquals([mayHaveCopies({}, HTTP), mayHaveCopies({ exclusive: true }, HTTP)], [true, false]);
});

Deno.test("a window whose question was refused is told what it can do", () => {
  assertMatch(refusalAdvice(true), /call again.* take turns.*processes of their own/);
  assertMatch(
    refusalAdvice(false),
    /call again when no other window's call runs.*"session" or "exclusive": false/,
  );
});

Deno.test("a process of several windows is told what any of them may be able to, one of a window what it is", () => {
  const union = { sampling: { tools: {}, context: {} }, elicitation: { form: {}, url: {} } };
  assertEquals([sharedCapabilities(false), sharedCapabilities(true)], [union, { roots: {}, ...union }]);
  const told = (capabilities: JsonObject, roots: Parameters<typeof ownCapabilities>[1] = "own") =>
    ownCapabilities({ ...ADA, capabilities }, roots);
  const own = {
    roots: { listChanged: true },
    sampling: {},
    elicitation: { url: {} },
    tasks: {},
    extensions: {},
  };
  assertEquals(told({ ...own, experimental: { x: {} } }), own);
  assertEquals(told({ sampling: {}, roots: true, odd: {} }), { sampling: {} });
  assertEquals([told(own, "none").roots, told({}, [{ uri: "file:///w" }]).roots as unknown], [undefined, {}]);
});

Deno.test("two spellings of elicitation by form are one, and what is experimental counts nowhere", () => {
  const told = (elicitation: JsonObject) => ownCapabilities({ ...ADA, capabilities: { elicitation } }, "own");
  assertEquals(told({}), told({ form: {} }));
  const groups = [{}, { elicitation: {} }, { elicitation: { form: {} }, experimental: { a: {} } }].map(
    (capabilities) =>
      processGroupKey(configOf({}), {
        caller: { ...ADA, capabilities },
        workspace: "/w",
        roots: undefined,
        isRootless: false,
      }),
  );
  assertEquals(new Set(groups).size, 1);
});

Deno.test("a directory matters to a process of one window, and to one of a directory that does not say otherwise", () => {
  const placed = (scope: Scope, cwdFree: boolean) => isDirectoryBound(configOf({ cwdFree }), scope);
  assertEquals([placed("session", true), placed("session", false)], [true, true]);
  assertEquals([placed("project", true), placed("project", false)], [false, true]);
  assertEquals([placed("machine", true), placed("machine", false)], [false, false]);
});

Deno.test("two windows share a process when all that it gets and where it is are the same", () => {
  const key = (parts: object = {}, scope: Scope = "project", tenant: object = {}, base: object = STDIO) =>
    shareKey(configOf(parts, base), {
      caller: ADA,
      workspace: "/w",
      roots: undefined,
      isRootless: false,
      ...tenant,
    }, scope);
  const one = key({ env: { a: "1", b: null } });
  assertEquals(key({ env: { b: null, a: "1" } }), one);
  assertEquals(
    key({ env: { a: "1", b: null } }, "project", { caller: { ...BOB, capabilities: { roots: {} } } }),
    one,
  );
  for (
    const other of [
      key({ env: { a: "1" } }),
      key({ command: "deno" }),
      key({ args: [] }),
      key({ cwd: "/x" }),
      key({}, "project", { workspace: "/x" }),
      key({}, "project", { roots: [{ uri: "file:///v" }] }),
      key({}, "project", { isRootless: true }),
      key({}, "project", { workspace: undefined }),
      key({}, "project", { caller: { ...ADA, principal: "another user" } }),
      key({}, "session"),
      key({}, "machine"),
    ]
  ) assertNotEquals(other, key());
  const nowhere = (principal: string) =>
    key({}, "project", { workspace: undefined, caller: { ...BOB, principal } });
  assertNotEquals(nowhere("one user"), nowhere("another user"));
  assertNotEquals(key({}, "session"), key({}, "session", { caller: BOB }));
  for (const roots of [[], [{ uri: "file:///w", name: "w" }]]) {
    assertEquals(key({}, "project", { roots }), key());
  }
  const elsewhere = { caller: BOB, workspace: "/x", roots: [] };
  assertEquals(key({ cwd: "/x" }, "machine", elsewhere), key({}, "machine"));
  assertEquals(key({ cwdFree: true, cwd: "/x" }, "project", elsewhere), key({ cwdFree: true }));
  const url = (parts: object, scope: Scope = "machine", tenant = {}) => key(parts, scope, tenant, HTTP);
  assertEquals(url({}, "machine", elsewhere), url({}));
  for (const parts of [{ url: "https://h/2" }, { headers: { a: "1" } }, { kind: "sse" }]) {
    assertNotEquals(url(parts), url({}));
  }
  assertEquals(url({ headers: { a: "1", b: "2" } }), url({ headers: { b: "2", a: "1" } }));
  assertNotEquals(url({}, "project"), url({}, "project", elsewhere));
});
