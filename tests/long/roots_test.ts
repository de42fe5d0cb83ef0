import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes } from "@std/assert";
import { delay } from "@std/async/delay";
import { fromFileUrl, toFileUrl } from "@std/path";
import { ExaiError } from "../../lib/base/errors.ts";
import { pathOfUri } from "../../lib/base/file_uri.ts";
import type { JsonObject } from "../../lib/base/json.ts";
import { ClientRoots, type RootsHooks } from "../../lib/session/client_roots.ts";
import type { Result } from "../../lib/wire/rpc.ts";
import { tempDir } from "../helpers/files.ts";
import { mountingDaemon } from "../helpers/mounts.ts";
import { INITIALIZE, Shim } from "../helpers/shim.ts";
import { until } from "../helpers/until.ts";

const WHERE = {
  command: Deno.execPath(),
  args: ["run", "-A", "--no-check", fromFileUrl(new URL("../fixtures/where_server.ts", import.meta.url))],
};

/** What a client answers to `roots/list`; undefined: nothing yet. */
type Answer = { result: JsonObject } | { error: JsonObject } | undefined;

/** A window on the real shim whose client answers `roots/list` as it is told, and counts how often it is asked. */
async function rootsWindow(it: { home: string; url: string }, cwd: string, answer: () => Promise<Answer>) {
  const shim = await Shim.start({ home: it.home, port: Number(new URL(it.url).port), cwd });
  await shim.initialize({ ...INITIALIZE, capabilities: { roots: { listChanged: true } } });
  let asked = 0;
  const over = (async () => {
    for (;;) {
      const request = await shim.next(({ method }) => method === "roots/list").catch(() => undefined);
      if (!request) return;
      asked++;
      void answer().then((body) => body && shim.send({ jsonrpc: "2.0", id: request.id, ...body })).catch(
        () => {},
      );
    }
  })();
  return {
    shim,
    get asked() {
      return asked;
    },
    /** Process and directory of the server this window is led to. */
    async where(): Promise<{ pid: string; dir: string }> {
      const { result, error } = await shim.call("where");
      if (error) throw new Error(String((error as JsonObject).message));
      const [, pid, dir] = /^(\d+) (.*)$/.exec(
        ((result as JsonObject).content as { text: string }[])[0]!.text,
      )!;
      return { pid: pid!, dir: dir! };
    },
    warning: () =>
      shim.next(({ method, params }) =>
        method === "notifications/message" && (params as JsonObject).logger === "exai"
      ),
    async [Symbol.asyncDispose]() {
      await shim[Symbol.asyncDispose]();
      await over;
    },
  };
}

const rootsOf = (...dirs: string[]) => ({
  result: { roots: dirs.map((dir) => ({ uri: dir.includes(":") ? dir : toFileUrl(dir).href })) },
});

/** Roots that come later than the five seconds a list may take. */
const LATE: [how: string, answer: (root: string) => Promise<Answer>][] = [
  ["six seconds later", (root) => delay(6000).then(() => rootsOf(root))],
  ["nine and a half seconds later", (root) => delay(9500).then(() => rootsOf(root))],
  ["never", () => new Promise(() => {})],
];

Deno.test("a window that takes four seconds to tell its roots has its servers in them", async () => {
  await using dir = await tempDir({ "root/x": "", "cwd/x": "" });
  await using it = await mountingDaemon({ where: WHERE });
  await using client = await rootsWindow(it, `${dir.path}/cwd`, async () => {
    await delay(4000);
    return rootsOf(`${dir.path}/root`);
  });
  assertEquals((await client.where()).dir, `${dir.path}/root`);
  assertEquals(client.asked, 1);
});

Deno.test("a window whose roots come later than a list may wait is shown its servers all the same", async () => {
  await using it = await mountingDaemon({ where: WHERE });
  await Promise.all(LATE.map(async ([how, answer]) => {
    await using dir = await tempDir({ "root/x": "", "cwd/x": "" });
    await using client = await rootsWindow(it, `${dir.path}/cwd`, () => answer(`${dir.path}/root`));
    const isShown = async () => {
      const { result } = await client.shim.ask("tools/list");
      return ((result as JsonObject).tools as JsonObject[]).some(({ name }) => name === "where");
    };
    // What the server lists is known from its first start, wherever that was.
    await until(how, async () => await isShown() || undefined, 20_000);
    assertEquals((await client.where()).dir, `${dir.path}/${how === "never" ? "cwd" : "root"}`);
  }));
});

Deno.test("a window whose client fails to tell its roots once is asked again", async () => {
  await using dir = await tempDir({ "root/x": "", "cwd/x": "" });
  await using it = await mountingDaemon({ where: WHERE });
  let asked = 0;
  await using client = await rootsWindow(
    it,
    `${dir.path}/cwd`,
    () =>
      Promise.resolve(
        asked++ === 0 ? { error: { code: -32603, message: "not yet" } } : rootsOf(`${dir.path}/root`),
      ),
  );
  assertEquals((await client.where()).dir, `${dir.path}/root`);
});

Deno.test("a client that never tells its roots gets its own directory, is told so, and moves alone when it does tell", async () => {
  await using dir = await tempDir({ "root/x": "", "cwd/x": "" });
  await using it = await mountingDaemon({ where: WHERE });
  const told = Promise.withResolvers<Answer>();
  await using client = await rootsWindow(it, `${dir.path}/cwd`, () => told.promise);
  await using other = await rootsWindow(
    it,
    `${dir.path}/cwd`,
    () => Promise.resolve({ error: { code: -32601, message: "none" } }),
  );
  const theirs = await other.where();
  const before = await client.where();
  assertEquals(before, theirs);
  const { params } = await client.warning();
  assertMatch(String((params as JsonObject).data), /has not answered roots\/list within 10 s.*cwd/);
  told.resolve(rootsOf(`${dir.path}/root`));
  let now = before;
  for (const limitMs = performance.now() + 10_000; now.dir === before.dir && performance.now() < limitMs;) {
    now = await client.where();
  }
  assertEquals(now.dir, `${dir.path}/root`);
  assertEquals(await other.where(), theirs);
});

Deno.test("roots that are no directory here are passed over, and window and log are told once", async () => {
  await using dir = await tempDir({ "100% real/x": "", "cwd/x": "", "a file": "" });
  await using it = await mountingDaemon({ where: WHERE, also: WHERE });
  const uris = [
    "vscode-vfs://github/nowhere",
    "file://elsewhere.invalid/srv",
    "file:///nowhere/%FF%",
    `file://${dir.path}/a file`,
    `file://${dir.path}/100% real/`,
  ];
  await using client = await rootsWindow(it, `${dir.path}/cwd`, () => Promise.resolve(rootsOf(...uris)));
  const answer = await client.shim.call("where__where").then((a) => a.error ? client.shim.call("where") : a);
  assertStringIncludes(JSON.stringify(answer.result), `${dir.path}/100% real`);
  const told = String(((await client.warning()).params as JsonObject).data);
  for (const part of ["scheme is vscode-vfs", "another machine", "no such directory", "it is no directory"]) {
    assertStringIncludes(told, part);
  }
  assertEquals(client.shim.lines.filter((line) => line.includes("roots cannot be used")).length, 1);
});

Deno.test("a window none of whose roots is here has its servers in its own directory", async () => {
  await using dir = await tempDir({ "cwd/x": "" });
  await using it = await mountingDaemon({ where: WHERE });
  await using client = await rootsWindow(
    it,
    `${dir.path}/cwd`,
    () => Promise.resolve(rootsOf("file:///not/here%", "file:///%E0%A4%A")),
  );
  assertEquals((await client.where()).dir, `${dir.path}/cwd`);
});

for (
  const [uri, path] of [
    ["file:///home/u/100%/x", "/home/u/100%/x"],
    ["file:///a%20b/", "/a b"],
    ["file:///a b", "/a b"],
    ["file:///a%FFb", "/a%FFb"],
    ["file:///c#/who?", "/c#/who?"],
    ["file:/x//y/../z", "/x/z"],
    ["FILE://localhost/x", "/x"],
    ["/plain/", "/plain"],
    ["file:///", "/"],
    ["file://host/x", undefined],
    ["file:///a%00b", undefined],
    ["untitled:x", undefined],
    ["relative", undefined],
    ["", undefined],
  ] as const
) {
  Deno.test(`as a root, ${JSON.stringify(uri)} means ${path ?? "nothing"}`, () => {
    assertEquals(pathOfUri(uri, false).path, path);
  });
}

for (
  const [uri, path] of [
    ["file:///C:/x/", "C:\\x"],
    ["file:///c%3A/a%20b", "c:\\a b"],
    ["file://C:/x", "C:\\x"],
    ["file://C:\\x\\y", "C:\\x\\y"],
    ["file:///C:", "C:\\"],
    ["C:\\x", "C:\\x"],
    ["file://server/share", undefined],
    ["file:////server/share", undefined],
    ["file:////?/C:/x", undefined],
    ["\\\\server\\share", undefined],
  ] as const
) {
  Deno.test(`as a root on Windows, ${JSON.stringify(uri)} means ${path ?? "nothing"}`, () => {
    assertEquals(pathOfUri(uri, true).path, path);
  });
}

/** Hooks that answer from `answers` in turn and note what is told. */
function hooks(answers: (() => Promise<Result>)[]) {
  const seen: string[] = [];
  const ask: RootsHooks["ask"] = () => {
    seen.push("asked");
    return (answers.shift() ?? (() => Promise.reject(new ExaiError("CANCELLED", "over"))))();
  };
  return { seen, ask, onMissing: (why: string) => void seen.push(why), onLate: () => void seen.push("late") };
}

const A = [{ uri: "file:///a" }];
const B = [{ uri: "file:///b" }];
const answered = (roots: JsonObject[]): Promise<Result> => Promise.resolve({ result: { roots } });

Deno.test("roots that change before the client has answered are asked for again, and all who wait get the new ones", async () => {
  const first = Promise.withResolvers<Result>();
  const it = hooks([() => first.promise, () => answered(B)]);
  const roots = new ClientRoots(it);
  const waiting = [roots.get(), roots.get()];
  roots.invalidate();
  first.resolve({ result: { roots: A } });
  assertEquals(await Promise.all(waiting), [B, B]);
  assertEquals(it.seen, ["asked", "asked"]);
});

Deno.test("a client that changes its roots with every question is not asked for ever", async () => {
  let asked = 0;
  const roots: ClientRoots = new ClientRoots({
    ask: () => {
      roots.invalidate();
      return asked++ > 50 ? Promise.reject(new ExaiError("CANCELLED", "over")) : answered(A);
    },
    onMissing: () => {},
    onLate: () => {},
  });
  assertEquals(await roots.get(), A);
  assertEquals(asked, 3);
});

Deno.test("an answer that holds no roots is asked for again and never kept", async () => {
  const bad = (): Promise<Result> => Promise.resolve({ result: { roots: "none" } });
  const it = hooks([bad, bad, bad, () => answered(A)]);
  const roots = new ClientRoots(it);
  assertEquals(await roots.get(), undefined);
  assertEquals(roots.state, "late");
  assertEquals(await roots.get(), A);
  assertEquals(it.seen.at(-1), "late");
});

Deno.test("who waits for roots hears of the end of the session and starts nothing", async () => {
  const roots = new ClientRoots(hooks([]));
  const { code } = await assertRejects(() => roots.get(), ExaiError);
  assertEquals(code, "CANCELLED");
  assert(roots.state === "unasked");
});

Deno.test("of roots without measure only the first are kept, some hundred kilobytes", async () => {
  const many = Array.from({ length: 1000 }, (_, n) => ({ uri: `file:///${n}/${"x".repeat(8000)}` }));
  const roots = new ClientRoots(hooks([() => Promise.resolve({ result: { roots: many } })]));
  const kept = await roots.get();
  assertEquals(kept, many.slice(0, kept!.length));
  const { length } = JSON.stringify(kept);
  assert(length > 200_000 && length < 300_000, `${length} characters`);
});
