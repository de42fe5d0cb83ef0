import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { join } from "@std/path";
import { AuthorizationServer, misused } from "../helpers/authorization.ts";
import { LoginRig } from "../helpers/login_rig.ts";
import { until } from "../helpers/until.ts";

/** Ignored where a shim cannot be signalled as these tests do. */
const ignore = Deno.build.os === "windows";

Deno.test("windows whose client can ask are all asked at once for one login, and their calls go on", {
  ignore,
}, async () => {
  await using as = await AuthorizationServer.start();
  await using rig = await LoginRig.start({ servers: { files: as.url("both") } });
  const person = { account: "carol" };
  const [ada, bob] = await Promise.all([rig.window({ person }), rig.window({ person })]);
  const silent = await rig.window();
  await Promise.all([ada, bob, silent].map((one) => one.tools()));
  assertMatch(await silent.said("files__login"), /exai-daemon auth login files/);
  for (const said of await Promise.all([ada, bob].map((one) => one.said("files__login")))) {
    assertMatch(said, /^Done/);
  }
  const told = await Promise.all([ada, bob].map((one) => one.told("files__whoami")));
  assertEquals(told.map(({ account }) => account), ["carol", "carol"]);
  await silent.shows("files__whoami");
  const { tokenRequests, registrations } = await as.record();
  assertEquals([tokenRequests.length, registrations.length], [1, 1]);
});

Deno.test(
  "a call that needs a wider scope has it added to those there are, and goes on",
  { ignore },
  async () => {
    await using as = await AuthorizationServer.start();
    await using rig = await LoginRig.start({ servers: { files: as.url("both") } });
    const ada = await rig.window({ person: { account: "ada" } });
    await ada.said("files__login");
    assertEquals((await ada.told("files__whoami")).scopes.includes("files:write"), false);
    const { scopes } = await ada.told("files__write");
    assert(scopes.includes("files:read") && scopes.includes("files:write"), scopes.join());
    const wide = await ada.told("files__remove");
    for (const scope of ["files:read", "files:write", "files:admin"]) {
      assert(
        wide.scopes.includes(scope),
        scope,
      );
    }
    assertEquals((await as.record()).logins.length, 3);
    assert((await ada.tools()).includes("files__whoami"));
  },
);

Deno.test(
  "a wider scope is had where a registration holds its client to the scopes it named",
  { ignore },
  async () => {
    await using as = await AuthorizationServer.start({ isScopeRegistered: true });
    await using rig = await LoginRig.start({ servers: { files: as.url("both") } });
    const ada = await rig.window({ person: {} });
    await ada.said("files__login");
    await ada.told("files__whoami");
    assert((await ada.told("files__write")).scopes.includes("files:write"));
  },
);

Deno.test("an authorization server that is away loses nobody's login", { ignore }, async () => {
  await using as = await AuthorizationServer.start({ accessTokenSeconds: 1 });
  await using rig = await LoginRig.start({ servers: { files: as.url("both") } });
  const ada = await rig.window();
  await ada.tools();
  await ada.signIn("files");
  await ada.shows("files__whoami");
  for (const tokenFault of [{ status: 503 }, "break"] as const) {
    await as.set({ tokenFault });
    const why = await until("a refusal", async () => {
      const said = await ada.said("files__whoami");
      return said.startsWith("{") ? undefined : said;
    });
    assertMatch(why, /authorization server|cannot be reached/);
    assert(!/auth login/.test(why), `it is no fault of the login: ${why}`);
    await as.set({ tokenFault: null });
    await until("an answer", async () => (await ada.said("files__whoami")).startsWith("{") || undefined);
  }
  assertEquals((await as.record()).logins.length, 1);
});

Deno.test("a login that was ended is asked for again, once, everywhere the same", { ignore }, async () => {
  await using as = await AuthorizationServer.start({ accessTokenSeconds: 2 });
  await using rig = await LoginRig.start({ servers: { files: as.url("both") } });
  const windows = await Promise.all([1, 2, 3].map(() => rig.window()));
  await windows[0]!.tools();
  await windows[0]!.signIn("files");
  for (const one of windows) await one.shows("files__whoami");
  await as.endLogins();
  for (const one of windows) {
    await until(
      "a login that is needed",
      async () => /auth login files/.test(await one.said("files__whoami")) || undefined,
    );
    await one.shows("files__login");
  }
  assertEquals(misused(await as.record()).twice, []);
  await windows[1]!.signIn("files", { account: "bob" });
  for (const one of windows) {
    await one.shows("files__whoami");
    assertEquals((await one.told("files__whoami")).account, "bob");
  }
});

Deno.test(
  "a login is shown, ended at the server and kept over a restart, by command",
  { ignore },
  async () => {
    await using as = await AuthorizationServer.start();
    await using rig = await LoginRig.start({
      servers: { files: as.url("both"), other: as.url("legacy", "other") },
    });
    const ada = await rig.window();
    await ada.tools();
    await ada.signIn("files", { account: "ada" });
    await ada.shows("files__whoami");
    const status = await rig.run("auth", "status");
    assertMatch(status.stdout, /files.*signed in/i);
    assertMatch(status.stdout, /other.*(needs a login|not signed in)/i);
    await rig.restart();
    assertEquals((await ada.told("files__whoami")).account, "ada");
    const { code, stdout, stderr } = await rig.run("auth", "logout", "files");
    assertEquals(code, 0, stdout + stderr);
    await ada.shows("files__login");
    assertNotEquals((await as.record()).revocations, 0);
    const vault = await Deno.readFile(join(rig.home, "vault.jwe"));
    assert(vault.length > 0);
  },
);
