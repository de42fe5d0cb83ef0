import { assert, assertEquals } from "@std/assert";
import { MIB, SECOND_MS } from "../../lib/base/units.ts";
import { residentBytesOf } from "../helpers/proc.ts";
import { BrandWindow, SERVER_NAMES, tenServers } from "../helpers/ten_servers.ts";

const WINDOWS = 40;
const AGENTS = 30;
const ROUNDS = 3;
/** Shims started at once. */
const AT_ONCE = 5;
/** Windows that use browsers, and their agents, which use none. */
const BROWSING = 4;

const OWN_SERVERS = ["playwright", "puppeteer", "sequential-thinking"];
const SHARED_SERVERS = SERVER_NAMES.filter((name) => !OWN_SERVERS.includes(name));

/** Memory the daemon may hold beyond what it holds without a window. */
const MAX_GROWTH = 200 * MIB;

// deno-lint-ignore no-console
const report = (text: string) => console.log(text);

Deno.test({
  name:
    "forty windows and thirty agents of two brands in five projects share the servers of machine and projects, and nothing is crossed",
  ignore: Deno.build.os !== "linux",
  timeout: 600_000,
  fn: async () => {
    await using it = await tenServers(5);
    const emptyBytes = await residentBytesOf(it.pid);
    await using windows = new AsyncDisposableStack();
    const open: BrandWindow[] = [];
    const startMs = performance.now();
    for (let first = 0; first < WINDOWS + AGENTS; first += AT_ONCE) {
      const some = Array.from({ length: AT_ONCE }, (_, i) => first + i).map((n) => {
        const place = n % it.projects.length;
        const kind = n < WINDOWS ? "window" : "agent";
        return BrandWindow.open(it, {
          who: `${place}/${kind} ${n}`,
          project: it.projects[place]!,
          brand: n % 2 === 0 ? "claude-code" : "codex-mcp-client",
        });
      });
      for (const window of await Promise.all(some)) open.push(windows.use(window));
    }
    report(`${open.length} sessions in ${((performance.now() - startMs) / SECOND_MS).toFixed(0)} s`);
    const callsMs = performance.now();
    for (let round = 0; round < ROUNDS; round++) {
      for (const server of SHARED_SERVERS) await Promise.all(open.map((window) => window.use(server)));
      const browsing = open.slice(0, BROWSING);
      for (const server of OWN_SERVERS) await Promise.all(browsing.map((window) => window.use(server)));
    }
    const calls = ROUNDS * (SHARED_SERVERS.length * open.length + OWN_SERVERS.length * BROWSING);
    report(
      `${calls} calls in ${((performance.now() - callsMs) / SECOND_MS).toFixed(1)} s, all answered right`,
    );
    const own = Object.fromEntries(OWN_SERVERS.map((name) => [name, BROWSING]));
    const shared = Object.fromEntries(SHARED_SERVERS.map((name) => [name, name === "filesystem" ? 5 : 1]));
    assertEquals(await it.running(), { ...own, ...shared });
    const { stubs } = await it.processes();
    assertEquals(stubs, 5 + 6 + BROWSING * OWN_SERVERS.length);
    const fullBytes = await residentBytesOf(it.pid);
    report(
      `${stubs} server processes; the daemon holds ${(emptyBytes / MIB).toFixed(0)} MiB without a window, ` +
        `${(fullBytes / MIB).toFixed(0)} MiB with ${open.length} sessions`,
    );
    assert(fullBytes - emptyBytes < MAX_GROWTH, `the daemon has grown by ${fullBytes - emptyBytes} bytes`);
  },
});
