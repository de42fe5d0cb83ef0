import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { join } from "@std/path";
import { MINUTE_MS, SECOND_MS } from "../../lib/base/units.ts";
import { AuthorizationServer, misused, refreshes } from "../helpers/authorization.ts";
import { LoginWindow } from "../helpers/login_rig.ts";
import { killDaemon } from "../helpers/program.ts";
import { until } from "../helpers/until.ts";

const WINDOWS = 40;
const AGENTS = 30;
const PROJECTS = 5;
/** Shims started at once. */
const AT_ONCE = 5;
const ERAS = ["legacy", "modern"] as const;
const TOKEN_SECONDS = 5;
/** How long a refresh takes, so that kills come into the middle of some. */
const TOKEN_DELAY_MS = 200;
/** Between two kills, ms. */
const MIN_LIFE_MS = 6 * SECOND_MS;
const MAX_LIFE_MS = 25 * SECOND_MS;
/** Between two calls of one session, ms. */
const PAUSE_MS = 2 * SECOND_MS;

const durationMs = Number(Deno.env.get("LOGIN_SOAK_SECONDS") ?? 600) * SECOND_MS;

// deno-lint-ignore no-console
const report = (text: string) => console.log(text);

/** What the calls of all sessions came to. */
class Tally {
  answered = 0;
  /** Errors by their text, without what differs each time. */
  readonly errors = new Map<string, number>();

  add(text: string, account: string): void {
    if (text.startsWith("{")) {
      assertEquals(JSON.parse(text).account, account);
      this.answered++;
      return;
    }
    const kind = text.replaceAll(/\d+/g, "N").slice(0, 200);
    this.errors.set(kind, (this.errors.get(kind) ?? 0) + 1);
  }
}

/** Uses both servers until `signal` says stop. */
async function keepUsing(one: LoginWindow, tally: Tally, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    for (const era of ERAS) tally.add(await one.said(`${era}__whoami`), `person of ${era}`);
    await delay(PAUSE_MS * (0.5 + Math.random()));
  }
}

/** The daemon that serves `home` now; undefined while there is none. */
async function daemonOf(home: string): Promise<{ url: string; pid: number } | undefined> {
  return await Deno.readTextFile(join(home, "daemon.json")).then(JSON.parse, () => undefined);
}

/** Kills the daemon at random, every second time in the middle of a refresh where there is one. */
async function keepKilling(home: string, as: AuthorizationServer, signal: AbortSignal) {
  const kills = { all: 0, inRefresh: 0 };
  while (!signal.aborted) {
    await delay(MIN_LIFE_MS + Math.random() * (MAX_LIFE_MS - MIN_LIFE_MS), { signal }).catch(() => {});
    if (signal.aborted) break;
    if (kills.all % 2 === 0) {
      const isUnderWay = async () => (await as.record()).underWay > 0 || undefined;
      await until("a refresh that is under way", isUnderWay, 2 * TOKEN_SECONDS * SECOND_MS).catch(() => {});
    }
    const daemon = await daemonOf(home);
    if (!daemon) continue;
    if ((await as.record()).underWay > 0) kills.inRefresh++;
    await killDaemon(daemon).catch(() => {});
    kills.all++;
  }
  return kills;
}

Deno.test({
  name: "forty windows and thirty agents keep one login while tokens end and the daemon is killed at random",
  ignore: Deno.build.os !== "linux",
  timeout: durationMs + 8 * MINUTE_MS,
  fn: async () => {
    await using as = await AuthorizationServer.start({
      accessTokenSeconds: TOKEN_SECONDS,
      tokenDelayMs: TOKEN_DELAY_MS,
    });
    const home = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-soak-" }));
    await Deno.chmod(home, 0o700);
    const entries = ERAS.map((era) => [era, { url: as.url(era), prefix: `${era}__` }]);
    await Deno.writeTextFile(
      join(home, "mcp.json"),
      JSON.stringify({ mcpServers: Object.fromEntries(entries) }),
    );
    const projects = Array.from({ length: PROJECTS }, (_, i) => join(home, `project-${i}`));
    for (const project of projects) await Deno.mkdir(project);
    await using sessions = new AsyncDisposableStack();
    sessions.defer(async () => {
      const daemon = await daemonOf(home);
      if (daemon) await killDaemon(daemon);
      await Deno.remove(home, { recursive: true });
    });
    const env = { EXAI_WS_AUTOSTART: "true", EXAI_RECONNECT_MAX: "1s" };
    const open: LoginWindow[] = [];
    for (let first = 0; first < WINDOWS + AGENTS; first += AT_ONCE) {
      const some = Array.from({ length: AT_ONCE }, (_, i) => {
        const cwd = projects[(first + i) % PROJECTS]!;
        return LoginWindow.open({ home, port: 0 }, { cwd, env });
      });
      for (const one of await Promise.all(some)) open.push(sessions.use(one));
    }
    for (const era of ERAS) {
      await open[0]!.shows(`${era}__login`);
      await open[0]!.signIn(era, { account: `person of ${era}` });
    }
    await Promise.all(open.map(async (one) => {
      for (const era of ERAS) await one.shows(`${era}__whoami`);
    }));
    // Requests before the login have no token.
    const { refused } = await as.record();
    report(`${open.length} sessions, ${ERAS.length} logins; refused by then: ${JSON.stringify(refused)}`);

    const over = AbortSignal.timeout(durationMs);
    const tally = new Tally();
    const [kills] = await Promise.all([
      keepKilling(home, as, over),
      ...open.map((one) => keepUsing(one, tally, over)),
    ]);
    await Promise.all(open.map(async (one) => {
      for (const era of ERAS) {
        const answers = async () => (await one.said(`${era}__whoami`)).startsWith("{") || undefined;
        await until(`${era} answers`, answers, 2 * MINUTE_MS);
      }
    }));
    const record = await as.record();
    const { twice, atOnce } = misused(record);
    report(
      `${durationMs / SECOND_MS} s: ${kills.all} kills, ${kills.inRefresh} of them within a refresh; ` +
        `${
          refreshes(record).length
        } refreshes, ${twice.length} tokens sent twice, ${atOnce.length} at once; ` +
        `${tally.answered} calls answered; errors: ${JSON.stringify(Object.fromEntries(tally.errors))}; ` +
        `refused: ${JSON.stringify(record.refused)}`,
    );
    assertEquals({ twice, atOnce }, { twice: [], atOnce: [] });
    assertEquals([record.logins.length, record.replays, record.crossed], [ERAS.length, 0, 0]);
    assert(refreshes(record).every(({ status }) => status === 200));
    const asked = [...tally.errors.keys()].filter((text) => /login|sign in/i.test(text));
    assertEquals(asked, [], "nobody was asked to sign in again");
  },
});
