import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { ROOMS, SHIM_ROOMS } from "../tools/rooms.ts";
import {
  cycles,
  doubleNames,
  eraReaders,
  forbiddenImports,
  outOfBounds,
  outsideWorldUses,
  ownerComparisons,
  reachable,
  roomOf,
  seesAll,
  settingsPastConfig,
  thinFiles,
  tooLong,
  unknownRooms,
  unownedMethods,
  unusedExports,
} from "./helpers/layering.ts";
import { parseSource, readSources, type Source } from "./helpers/source.ts";

const root = fromFileUrl(new URL("..", import.meta.url));
const entryPoints = [...Deno.readDirSync(root)].map(({ name }) => name).filter((name) =>
  name.endsWith(".ts")
);
const product = await readSources(root, [...entryPoints, "lib"]);
const helpers = await readSources(root, ["tools", "tests"]);

Deno.test("every folder of lib is a room of the table", () => {
  assertEquals(unknownRooms(product), [], "each room needs a row in ROOMS (tools/rooms.ts)");
});

Deno.test("a room imports only the rooms its row allows, and never another room's insides", () => {
  assertEquals(
    forbiddenImports(product),
    [],
    "pass what is needed in from lib/app, or allow the import in the room's row of ROOMS (tools/rooms.ts)",
  );
});

Deno.test("there are no import cycles", () => {
  assertEquals(cycles([...product, ...helpers]), [], "move what both sides need into a file of its own");
});

Deno.test("only the rooms of the outside world touch Deno, node:, fetch and WebSocket", () => {
  assertEquals(
    outsideWorldUses(product),
    [],
    "pass it in from a room whose row of ROOMS (tools/rooms.ts) has outsideWorld",
  );
});

Deno.test("one file decides ownership, and what keeps data of many sessions takes who asks", () => {
  assertEquals(ownerComparisons(product), []);
  assertEquals(
    unownedMethods(product),
    [],
    "take who asks as a parameter, or add the method to `except` of its class in KEEPERS (tools/rooms.ts)",
  );
  assertEquals(seesAll(product), [], "rooms that may are listed in SEES_ALL (tools/rooms.ts)");
});

Deno.test("only codecs, links, doors and the bridge look at the era of a client or server", () => {
  assertEquals(
    eraReaders(product),
    [],
    "let the codec of the era do it, or say why not in ERA_READERS (tools/rooms.ts)",
  );
});

Deno.test("only config reads variables and the command line", () => {
  assertEquals(settingsPastConfig(product), []);
});

Deno.test("the shim loads no room it does not need", () => {
  const loaded = reachable(product, "shim.ts");
  assertEquals(
    loaded.filter((path) => !SHIM_ROOMS.includes(roomOf(path) ?? "base")),
    [],
    "the rooms the shim may load are SHIM_ROOMS (tools/rooms.ts)",
  );
});

Deno.test("the shim loads zod/mini and not the whole of zod", () => {
  assertEquals(reachable(product, "shim.ts").includes("zod"), false);
});

Deno.test("files and functions stay short", () => {
  assertEquals(tooLong(product), []);
  assertEquals(tooLong(helpers), []);
});

Deno.test("a file of its own has a subject of its own", () => {
  assertEquals(thinFiles(product), []);
});

Deno.test("files, functions and rooms stay small as a whole", () => {
  assertEquals(outOfBounds(product), []);
});

Deno.test("what is exported is used elsewhere", () => {
  assertEquals(unusedExports([...product, ...helpers]), []);
});

Deno.test("no two types and no two folders of lib have one name", () => {
  assertEquals(doubleNames(product), []);
});

/** A rule that finds one fault in `files`, as a step of `test`. */
function finding(test: Deno.TestContext) {
  return (name: string, found: (sources: Source[]) => string[], files: Record<string, string>) =>
    test.step(name, () => {
      const sources = Object.entries(files).map(([path, text]) => parseSource(path, text));
      assertEquals(found(sources).length, 1, JSON.stringify(found(sources)));
    });
}

Deno.test("the rules find what they forbid", async (test) => {
  const rule = finding(test);
  await rule("an import upward", forbiddenImports, {
    "lib/base/a.ts": 'import { x } from "../wire/b.ts"; import { y } from "./c.ts";',
  });
  await rule("a type from a room upward", forbiddenImports, {
    "lib/call/a.ts": 'type X = import("../session/b.ts").X;',
  });
  await rule("a dynamic import and a re-export", (sources) => forbiddenImports(sources).slice(1), {
    "lib/call/a.ts": 'await import("../edge/b.ts"); export * from "../edge/c.ts";',
  });
  await rule("another room's insides", forbiddenImports, {
    "lib/app/a.ts": 'import "../tool/inner/b.ts"; import "../tool/b.ts"; import "npm:x@1.0.0";',
  });
  await rule("an entry point that does more than compose", forbiddenImports, {
    "shim.ts": 'import "./lib/app/shim_main.ts"; import "./lib/transport/stdio.ts";',
  });
  await rule("a cycle of three files", cycles, {
    "lib/base/a.ts": 'import "./b.ts";',
    "lib/base/b.ts": 'export * from "./c.ts";',
    "lib/base/c.ts": 'import type { A } from "./a.ts";',
  });
  await rule("fetch, but no member or field of that name", outsideWorldUses, {
    "lib/router/a.ts": "const o = { fetch: 1 }; o.fetch; interface I { fetch: 1 } await fetch(o.fetch);",
  });
  await rule("the type of a socket", outsideWorldUses, { "lib/session/a.ts": "let s: WebSocket;" });
  await rule("Deno", outsideWorldUses, { "lib/tool/a.ts": "let l: Deno.Listener = Deno.listen();" });
  await rule("a node module", outsideWorldUses, { "lib/tool/a.ts": 'import { join } from "node:path";' });
  await rule("a setting read past config", settingsPastConfig, {
    "lib/edge/a.ts": 'Deno.env.get("X"); Deno.env.toObject(); x.env;',
  });
  await rule("a comparison of owners", ownerComparisons, {
    "lib/tool/a.ts": "a.principal === undefined; if (a.principal === b) c.workspace;",
  });
  await rule("a comparison of sessions", ownerComparisons, {
    "lib/tool/a.ts": "let c: Caller; owner?.id === other; undefined === c.id; c.id > d.id; id === a;",
  });
  await rule("a comparison of sessions by a name of their ids", ownerComparisons, {
    "lib/tool/a.ts": "if (sessionId !== a) {}",
  });
  await rule("a look at the era of a caller", eraReaders, {
    "lib/router/a.ts": 'if (call.caller.era === "modern") {} const era = f(); b.era; era === undefined;',
    "lib/round_trips/a.ts": 'caller.era !== "modern";',
  });
  await rule("a look at the era of a message", eraReaders, {
    "lib/tool/a.ts": 'import { isModern } from "../wire/client_claim.ts";',
  });
  const keeper = (members: string) => (sources: Source[]) =>
    unownedMethods([parseSource("lib/observe/recent_activity.ts", members), ...sources])
      .filter((fault) => fault.startsWith("RecentActivity."));
  await rule(
    "a store that does not take who asks",
    keeper("class RecentActivity { #a(n: number) {} async b(viewer: Viewer, n: number) {} c(n: number) {} }"),
    {},
  );
  await rule(
    "an interface that is not",
    keeper("interface RecentActivity { b(id: Identity): X; c(): Y }"),
    {},
  );
  await rule("a room that shows everything", seesAll, {
    "lib/tool/a.ts": 'import { OPERATOR } from "../call/owner.ts"; show(OPERATOR);',
  });
  await rule("a room outside of the table", unknownRooms, { "lib/utils/a.ts": "" });
  await rule("an unused export", unusedExports, {
    "lib/base/a.ts": "export const a = 1, b = 2; export function c() {} a;",
    "lib/wire/a.ts": "b; c;",
  });
  await rule("two types of one name", doubleNames, {
    "lib/base/a.ts": "export class A {} type B = 1;",
    "lib/wire/a.ts": "interface A { b: B }",
  });
  await rule("two folders of one name", doubleNames, { "lib/base/x/a.ts": "", "lib/wire/x/a.ts": "" });
});

Deno.test("the rules of sizes find what they forbid", async (test) => {
  const rule = finding(test);
  await rule(
    "a thin file without a reason",
    (sources) => thinFiles(sources, { "lib/base/b.ts": "a reason" }),
    {
      "lib/base/a.ts": "a;\n",
      "lib/base/b.ts": "b;\n",
      "lib/commands/c.ts": "c;\n",
    },
  );
  await rule(
    "a reason for a file that is not thin",
    (sources) => thinFiles(sources, { "lib/base/a.ts": "a reason" }),
    {
      "lib/base/a.ts": "\n".repeat(20),
    },
  );
  const ofEqualRooms = (text: string) =>
    Object.fromEntries(Object.keys(ROOMS).map((room) => [`lib/${room}/a.ts`, text]));
  await rule("files that are long on the whole", outOfBounds, ofEqualRooms("\n".repeat(100)));
  await rule(
    "functions that are long on the whole",
    outOfBounds,
    ofEqualRooms(`function f() {${"\n".repeat(24)}}\nconst g = () => 1;\n`),
  );
  await rule("a room that holds a large part of all", outOfBounds, {
    ...ofEqualRooms("\n".repeat(10)),
    "lib/tool/b.ts": "\n".repeat(60),
  });
  await rule("a file too long", tooLong, { "lib/base/a.ts": "\n".repeat(301) });
  await rule("a function too long", tooLong, { "lib/base/a.ts": `const f = () => {${"\n".repeat(60)}};` });
});
