import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { AuthorizationServer, misused, refreshes, type ServerEra } from "../helpers/authorization.ts";
import { LoginRig } from "../helpers/login_rig.ts";
import { until } from "../helpers/until.ts";

/** Ignored where a shim cannot be signalled as these tests do. */
const ignore = Deno.build.os === "windows";

Deno.test("one login serves every window, in either era, and each is told", { ignore }, async () => {
  await using as = await AuthorizationServer.start();
  const eras: ServerEra[] = ["legacy", "modern"];
  await using rig = await LoginRig.start({
    servers: Object.fromEntries(eras.map((era) => [era, as.url(era)])),
  });
  const windows = await Promise.all([1, 2, 3].map(() => rig.window()));
  for (const one of windows) {
    const names = await one.tools();
    for (const era of eras) {
      assert(names.includes(`${era}__login`), names.join());
      assert(!names.includes(`${era}__whoami`));
    }
  }
  for (const era of eras) {
    const { status, page } = await windows[0]!.signIn(era, { account: "bob" });
    assertEquals(status, 200);
    assertStringIncludes(page, era);
    for (const one of windows) {
      await one.shim.next(({ method }) => method === "notifications/tools/list_changed");
      const names = await one.shows(`${era}__whoami`);
      assert(!names.includes(`${era}__login`), names.join());
      assertEquals((await one.told(`${era}__whoami`)).account, "bob");
    }
  }
  const record = await as.record();
  assertEquals(record.logins.length, eras.length);
  assertEquals(record.replays, 0);
  assertEquals(record.refused["other resource"], undefined);
});

Deno.test(
  "tokens that live for seconds are renewed once for all windows, and a refresh survives a daemon that is killed",
  { ignore, timeout: 120_000 },
  async () => {
    await using as = await AuthorizationServer.start({ accessTokenSeconds: 2 });
    await using rig = await LoginRig.start({ servers: { files: as.url("both") } });
    const windows = await Promise.all(Array.from({ length: 4 }, () => rig.window()));
    await windows[0]!.tools();
    await windows[0]!.signIn("files");
    for (const one of windows) await one.shows("files__whoami");
    const useAll = () => Promise.all(windows.map((one) => one.told("files__whoami")));
    await until("three refreshes", async () => {
      await useAll();
      return refreshes(await as.record()).length >= 3 ? true : undefined;
    });
    await as.set({ tokenDelayMs: 1500, accessTokenSeconds: 6 });
    const stopped = new AbortController();
    const using = (async () => {
      // What the daemon that is killed was asked last has no answer.
      while (!stopped.signal.aborted) await useAll().catch(() => {});
    })();
    await until("a refresh that is under way", async () => (await as.record()).underWay > 0 || undefined);
    stopped.abort();
    await rig.restart();
    await using;
    await as.set({ tokenDelayMs: 0 });
    for (let i = 0; i < 3; i++) await useAll();
    const record = await as.record();
    assertEquals(misused(record), { twice: [], atOnce: [] });
    assertEquals([record.logins.length, record.replays, record.registrations.length], [1, 0, 1]);
  },
);

Deno.test(
  "each directory has its own account, and neither is ever used for the other",
  { ignore },
  async () => {
    await using as = await AuthorizationServer.start();
    const dirs = await Promise.all(
      ["work", "home"].map(async () =>
        await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-login-dir-" }))
      ),
    );
    await using rig = await LoginRig.start({
      servers: {
        files: {
          url: as.url("both"),
          prefix: "files__",
          accounts: [{ name: "work", directories: [dirs[0]!] }, { name: "home" }],
        },
      },
    });
    const [work, home] = await Promise.all(dirs.map((cwd) => rig.window({ cwd })));
    await Promise.all([work!.tools(), home!.tools()]);
    assertMatch(await home!.said("files__login"), /account "?home"?/);
    await work!.signIn("files", { account: "w" });
    await work!.shows("files__whoami");
    assert((await home!.tools()).includes("files__login"));
    await home!.signIn("files", { account: "h" });
    await home!.shows("files__whoami");
    for (let i = 0; i < 3; i++) {
      const told = await Promise.all([work!, home!].map((one) => one.told("files__whoami")));
      assertEquals(told.map(({ account }) => account), ["w", "h"]);
    }
    assertEquals((await as.record()).crossed, 0);
    for (const dir of dirs) await Deno.remove(dir, { recursive: true });
  },
);
