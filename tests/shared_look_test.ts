import { assertEquals } from "@std/assert";
import type { Caller } from "../lib/call/call.ts";
import { locationOf, realPathOf, workspaceOf } from "../lib/upstream/sharing/working_directory.ts";
import { call } from "./helpers/call.ts";
import { FakeTimers } from "./helpers/fake_timers.ts";

/** A file system whose looks are done when the test says, with the time that passes meanwhile. */
class HeldFiles extends FakeTimers {
  /** Looks that were begun, with what ends each. */
  readonly looks: { path: string; end(value: unknown): void }[] = [];
  readonly #stat = Deno.stat;
  readonly #realPath = Deno.realPath;

  constructor() {
    super();
    const look = (path: string | URL) => {
      const { promise, resolve } = Promise.withResolvers<never>();
      this.looks.push({ path: String(path), end: (value) => resolve(value as never) });
      return promise;
    };
    Object.assign(Deno, { stat: look, realPath: look });
  }

  override [Symbol.dispose](): void {
    Object.assign(Deno, { stat: this.#stat, realPath: this.#realPath });
    super[Symbol.dispose]();
  }
}

const callerIn = (cwd: string): Caller => ({ ...call().caller, cwd });

Deno.test("windows that look for one directory together get the same answer, however long it takes", async () => {
  using files = new HeldFiles();
  const one = realPathOf("/slow/link");
  files.pass(9000);
  const other = locationOf("/slow/link/", [{ uri: "file:///slow/link" }]);
  assertEquals(files.looks.map(({ path }) => path), ["/slow/link"]);
  files.looks[0]!.end("/real");
  assertEquals([await one, await other], ["/real", { workspace: "/real", rootPaths: ["/real"] }]);
  const later = realPathOf("/slow/link");
  assertEquals(files.looks.length, 2, "what is done is looked at anew");
  files.looks[1]!.end("/elsewhere");
  assertEquals(await later, "/elsewhere");
  assertEquals(files.size, 0);
});

Deno.test("a directory that hangs is waited for once, and looked at again after a minute", async () => {
  using files = new HeldFiles();
  const first = realPathOf("/hangs");
  files.pass(10_000);
  assertEquals(await first, "/hangs");
  const next = realPathOf("/hangs");
  files.pass(0);
  assertEquals([await next, files.looks.length], ["/hangs", 1]);
  files.pass(50_001);
  const again = realPathOf("/hangs");
  assertEquals(files.looks.length, 2);
  // The look that was given up says nothing any more.
  files.looks[0]!.end("/late");
  files.looks[1]!.end("/real");
  assertEquals(await again, "/real");
});

Deno.test("roots that hang are waited for together, and a root that answers in nine seconds is one", async () => {
  using files = new HeldFiles();
  const roots = ["/hangs/1", "/hangs/2", "/slow"].map((path) => ({ uri: `file://${path}` }));
  const chosen = workspaceOf(callerIn("/cwd"), roots);
  assertEquals(files.looks.map(({ path }) => path), ["/hangs/1", "/hangs/2", "/slow"]);
  files.pass(9000);
  files.looks[2]!.end({ isDirectory: true });
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  files.pass(1000);
  assertEquals(await chosen, "/slow");
});
