import { assertEquals, assertStringIncludes } from "@std/assert";
import { PublicNames } from "../lib/router/public_names.ts";
import { SqlitePublicNames } from "../lib/state/saved_names.ts";
import { tempDir } from "./helpers/files.ts";
import { until } from "./helpers/until.ts";

const echo = (server: string) => ({ server, name: "echo", naming: "own" }) as const;
const mount = (...names: string[]) => names.map((name) => ({ name, identity: name }));

/** A daemon on the names in the file at `path`, with the servers `a` and `b`, in this order. */
function namesIn(path: string, servers: string[] = ["a", "b"]) {
  const notes: string[] = [];
  const store = new SqlitePublicNames(path, { onQuarantine: (note) => notes.push(note) });
  const names = new PublicNames({ store });
  names.configure(mount(...servers));
  return { store, names, notes, [Symbol.dispose]: () => store[Symbol.dispose]() };
}

const both = (names: PublicNames) => names.assign("tools", [echo("a"), echo("b")]);

/** `b` was mounted first, so that it has the name. */
function begin(path: string): void {
  using first = namesIn(path, ["b"]);
  first.names.assign("tools", [echo("b")]);
}

Deno.test("the next daemon gives the names that the last one gave", async () => {
  await using dir = await tempDir({});
  const path = `${dir.path}/names.db`;
  begin(path);
  for (let daemon = 0; daemon < 3; daemon++) {
    using it = namesIn(path);
    assertEquals(both(it.names), ["a__echo", "echo"]);
  }
});

Deno.test("a damaged file of names is put aside; the names of this daemon stay and are written to a new one", async () => {
  await using dir = await tempDir({});
  const path = `${dir.path}/names.db`;
  await Deno.writeTextFile(path, "not a database, but a text that is as long as one would be".repeat(100));
  {
    using it = namesIn(path, ["b"]);
    assertStringIncludes(it.notes.join(), "was put aside");
    it.names.assign("tools", [echo("b")]);
    it.names.configure(mount("a", "b"));
    assertEquals(both(it.names), ["a__echo", "echo"]);
  }
  using next = namesIn(path);
  assertEquals(both(next.names), ["a__echo", "echo"]);
  const files = (await Array.fromAsync(Deno.readDir(dir.path))).map(({ name }) => name);
  assertEquals(files.filter((name) => name.includes(".damaged-")).length, 1);
});

Deno.test("names that cannot be written are kept in memory, and the fault is told", async () => {
  await using dir = await tempDir({});
  // Below a file there is no directory to write to.
  await Deno.writeTextFile(`${dir.path}/file`, "");
  using it = namesIn(`${dir.path}/file/names.db`, ["b"]);
  assertStringIncludes(it.store.fault ?? "", "the names of tools");
  it.names.assign("tools", [echo("b")]);
  it.names.configure(mount("a", "b"));
  assertEquals(both(it.names), ["a__echo", "echo"]);
});

Deno.test("once the file can be written, it has the names that were given before", async () => {
  await using dir = await tempDir({});
  const path = `${dir.path}/later/names.db`;
  await Deno.writeTextFile(`${dir.path}/later`, "");
  {
    using store = new SqlitePublicNames(path, { retryMs: 5 });
    const names = new PublicNames({ store });
    names.configure(mount("b"));
    names.assign("tools", [echo("b")]);
    await Deno.remove(`${dir.path}/later`);
    // The store may have made it already.
    await Deno.mkdir(`${dir.path}/later`, { recursive: true });
    await until("the file", () => store.fault === undefined || undefined);
  }
  using next = namesIn(path);
  assertEquals(both(next.names), ["a__echo", "echo"]);
});
