// What the daemon does with connections and lists when an account is signed in to or out of, by whatever process.

import { assert, assertEquals, assertMatch } from "@std/assert";
import { SignIns } from "../lib/app/sign_ins.ts";
import { DaemonEvents } from "../lib/app/daemon_events.ts";
import { ExaiError } from "../lib/base/errors.ts";
import { MINUTE_MS } from "../lib/base/units.ts";
import { Accounts } from "../lib/auth/accounts.ts";
import type { ServerConfig, UrlServerConfig } from "../lib/config/server_config.ts";
import { Router } from "../lib/router/router.ts";
import { stateOfStopped } from "../lib/upstream/server_state.ts";
import { Upstream, Window } from "./helpers/instance.ts";
import { lists, namesOf, toolsResult } from "./helpers/mounted.ts";
import { failure, later, loginOf, Rig, signInAs } from "./helpers/oauth_rig.ts";
import { mountedServer } from "./helpers/shared_server.ts";
import { twoWorkspaces } from "./helpers/two_workspaces.ts";
import { until } from "./helpers/until.ts";

const NEVER = new AbortController().signal;
const REFUSAL = { status: 401, challenge: null, sent: {} } as const;

/** A server of the daemon that is at `url`, with what is known of its sign-ins. */
function mounting(rig: Rig, url = rig.auth.url) {
  const connected: string[] = [];
  const changed: (readonly string[] | "health")[] = [];
  const config = { kind: "http", name: "far", url, headers: {}, share: "auto" } as Partial<ServerConfig>;
  const state = { isRefusing: false };
  const mount = mountedServer(config, (bound) => {
    if (state.isRefusing) return Promise.reject(new ExaiError("LOGIN_REQUIRED", "nobody is signed in"));
    const { url } = bound as UrlServerConfig;
    connected.push(url);
    signIns.authorizationOf(bound as UrlServerConfig);
    const upstream = new Upstream();
    upstream.answer = ({ method }) => method === "tools/list" ? toolsResult("probe") : { result: {} };
    return Promise.resolve(upstream);
  });
  const servers = [mount.mounted];
  const events = new DaemonEvents();
  events.on("serversChanged", (names) => void changed.push(names));
  events.on("healthChanged", () => void changed.push("health"));
  const signIns = new SignIns({
    accounts: rig.accounts,
    events,
    servers: () => servers,
    readLists: () => Promise.resolve(),
  });
  return { ...mount, state, servers, signIns, connected, changed };
}

Deno.test("an account that another process has signed in to may be somebody else's: its lists are read anew", async () => {
  await using rig = new Rig();
  await using it = mounting(rig);
  const ada = new Window("ada");
  await it.mounted.list("tools", lists(ada));
  await failure(() => rig.account.refused(REFUSAL, NEVER));
  assertEquals(it.signIns.notes(), ["server far needs a login: exai-daemon auth login far"]);
  await until("the end of the connection", () => [...it.mounted.slots].length === 0 || undefined);
  assertEquals(it.mounted.lists.areThere, true);
  it.state.isRefusing = true;
  await failure(() => it.mounted.target(ada.call({ method: "tools/call", params: { name: "probe" } })));
  const states = () => Array.from(it.mounted.records, (record) => stateOfStopped(record).is);
  assertEquals(states(), ["needs a login"]);
  await loginOf(new Accounts({ store: rig.store }).of(rig.config));
  it.changed.length = 0;
  assert(await rig.account.refused(REFUSAL, NEVER));
  assertEquals([it.signIns.notes(), it.mounted.lists.areThere, states()], [[], false, []]);
  assertEquals(it.changed, [["far"], "health"]);
  const [shown] = it.signIns.shown(it.servers);
  const told = await shown!.target(ada.call({ method: "tools/call", params: { name: "far__login" } }));
  assertMatch(JSON.stringify(told), /Done: .* has worked/);
});

Deno.test("a window whose client does not tell its roots is shown how to sign in at once", async () => {
  await using rig = new Rig();
  await using it = mounting(rig);
  await failure(() => rig.account.refused(REFUSAL, NEVER));
  const shown = it.signIns.shown(it.servers);
  const router = new Router({
    servers: () => shown,
    serverInfo: { name: "exai", version: "1" },
    policies: [],
    policiesFor: () => [],
    queryPoliciesFor: () => [],
    listDeadlineMs: 50,
  });
  const roots = () => new Promise<never>(() => {});
  const { result } = await router.target(lists(new Window("ada", { roots: {} }, { roots })));
  assertEquals(namesOf(result!.tools), ["far__login"]);
});

Deno.test("an address that depends on the window is an account of its own: a refusal there ends no other connection", async () => {
  await using rig = new Rig();
  await using dirs = await twoWorkspaces();
  await using it = mounting(rig, `${rig.auth.url}?in=\${workspaceFolderBasename}`);
  for (const dir of [dirs.p, dirs.q]) {
    await it.mounted.list("tools", lists(new Window(dir, {}, { cwd: dir })));
  }
  const [atP, atQ] = ["p", "q"].map((dir) => `${rig.auth.url}?in=${dir}`) as [string, string];
  const running = () => Array.from(it.mounted.slots, ({ url, started }) => started && url).sort();
  await until("both connections", () => String(running()) === String([atP, atQ]) || undefined);
  const account = rig.accounts.of({ ...rig.config, url: atP });
  await failure(() => account.refused(REFUSAL, NEVER));
  assertEquals(running(), [atQ]);
  assertEquals(await it.signIns.accounts("far"), [], "which there are is not known");
});

Deno.test("a server whose entry names another address now needs no login for the one before", async () => {
  await using rig = new Rig();
  await using it = mounting(rig);
  it.signIns.authorizationOf(it.mounted.config as UrlServerConfig);
  await failure(() => rig.account.refused(REFUSAL, NEVER));
  assertEquals(it.signIns.notes().length, 1);
  await using next = mounting(rig, "http://127.0.0.1:1/mcp");
  it.servers.splice(0, 1, next.mounted);
  assertEquals(it.signIns.notes(), []);
});

Deno.test("accounts of addresses that nobody uses any more are dropped, the one used least recently first", async () => {
  await using rig = new Rig();
  await using it = mounting(rig);
  await failure(() => rig.account.refused(REFUSAL, NEVER));
  const at = (i: number) => rig.accounts.of({ ...rig.config, url: `${rig.auth.url}?in=${i}` });
  const first = at(0);
  for (let i = 1; i < 1000; i++) at(i % 10 === 0 ? 0 : i);
  assert(rig.accounts.all.length < 300, String(rig.accounts.all.length));
  assertEquals([at(0) === first, rig.accounts.of(rig.config) === rig.account], [true, false]);
  assertEquals(it.signIns.notes(), []);
});

Deno.test("a connection ends when somebody else signs in, and goes on when the same person does once more", async () => {
  await using rig = new Rig();
  await using it = mounting(rig);
  await signInAs(rig.auth, rig.account, "ada");
  const ada = new Window("ada");
  const listed = async () => {
    await it.mounted.list("tools", lists(ada));
    return it.connected.length;
  };
  assertEquals(await listed(), 1);
  for (
    const [sub, connections] of [["ada", 1], ["bob", 2], ["bob", 2], [undefined, 3], ["bob", 4]] as const
  ) {
    await signInAs(rig.auth, rig.account, sub);
    assertEquals(it.mounted.lists.areThere, false, "the same person may be shown more");
    assertEquals(await listed(), connections, sub);
  }
  await rig.account.logout();
  assertEquals(it.mounted.lists.areThere, false, "nobody is shown what nobody may use");
});

Deno.test("a login that is waited for ends by another login, and not by a token that may be used again", async () => {
  await using rig = new Rig({ rotates: true, lifetimeS: 50 });
  await using it = mounting(rig);
  await rig.login();
  rig.auth.script.open = () => Promise.resolve(new Response("no", { status: 401 }));
  await rig.call().catch(() => {});
  await failure(() => rig.call());
  rig.auth.script.open = undefined;
  const login = await it.signIns.begin({ server: "far", account: undefined }, "browser");
  let isDone = false;
  const done = login.done.then(() => isDone = true);
  await later(2 * MINUTE_MS, () => rig.call());
  assertEquals([rig.events.at(-1), isDone, it.signIns.notes()], ["signed in", false, []]);
  await loginOf(new Accounts({ store: rig.store }).of(rig.config));
  await rig.account.status();
  await done;
  await it.signIns[Symbol.asyncDispose]();
});
