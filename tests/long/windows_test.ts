import { assert, assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { KIB, MIB, SECOND_MS } from "../../lib/base/units.ts";
import { childrenOf, openFilesOf, processesWith, residentBytesOf } from "../helpers/proc.ts";
import { startDaemon } from "../helpers/program.ts";
import { shimWindow } from "../helpers/sdk_client.ts";
import { callAll, threeServers, type ToolCall } from "../helpers/three_servers.ts";

const WINDOWS = 200;
const OVERALL_MS = 120 * SECOND_MS;
const MAX_AT_ONCE = 10;
/** After so many windows the daemon is left alone for a moment and looked at. The first time it is warm. */
const ROUND = 50;
const SAMPLE_EVERY = 10;

/** Growth beyond which the daemon is taken to keep something of each window. */
const MAX_HEAP_GROWTH_PER_WINDOW = 40 * KIB;
const MAX_RESIDENT_GROWTH = 48 * MIB;

interface Sample {
  windows: number;
  residentBytes: number;
  heapBytes: number;
  openFiles: number;
  children: number;
  zombies: number;
}

/** One call of each server, with what only the right answer holds. */
function callsOf(who: string, dir: string): ToolCall[] {
  return [
    ["echo", { message: who }, who],
    ["search_nodes", { query: "nobody" }, "entities"],
    ["list_allowed_directories", {}, dir],
  ];
}

// Its connections are not kept: they would count as open files of the daemon.
const asking = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });

async function status(url: string, path: string): Promise<Record<string, unknown>> {
  return await (await fetch(new URL(path, url.replace(/^ws/, "http")), { client: asking })).json();
}

async function take(url: string, pid: number, windows: number): Promise<Sample> {
  const { memory } = await status(url, "/health") as { memory: { heap_used_bytes: number } };
  const children = await childrenOf(pid);
  return {
    windows,
    residentBytes: await residentBytesOf(pid),
    heapBytes: memory.heap_used_bytes,
    openFiles: openFilesOf(pid),
    children: children.length,
    zombies: children.filter(({ isZombie }) => isZombie).length,
  };
}

/** Opens the windows of one round on their schedule, so many at once at most; each closes when it has made its calls. */
async function openRound(first: number, visit: (i: number) => Promise<void>, sample: () => Promise<unknown>) {
  const running = new Set<Promise<void>>();
  const startMs = performance.now();
  for (let i = 0; i < ROUND; i++) {
    await delay(Math.max(0, startMs + i * OVERALL_MS / WINDOWS - performance.now()));
    if (running.size >= MAX_AT_ONCE) await Promise.race(running);
    const one = visit(first + i).finally(() => running.delete(one));
    running.add(one);
    if (i % SAMPLE_EVERY === SAMPLE_EVERY - 1) await sample();
  }
  await Promise.all(running);
}

/** Growth a window, by least squares: single samples depend on when memory was last tidied up. */
function slope(samples: readonly Sample[], of: (sample: Sample) => number): number {
  const meanX = samples.reduce((sum, { windows }) => sum + windows, 0) / samples.length;
  const meanY = samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  const spread = samples.reduce((sum, { windows }) => sum + (windows - meanX) ** 2, 0);
  const joint = samples.reduce((sum, sample) => sum + (sample.windows - meanX) * (of(sample) - meanY), 0);
  return joint / spread;
}

/** Resolves when no session and no connection is left. */
async function allGone(url: string): Promise<void> {
  for (;;) {
    const { sessions, connections } = await status(url, "/health");
    if (sessions === 0 && connections === 0) return;
    await delay(50);
  }
}

// deno-lint-ignore no-console
const report = (text: string) => console.log(text);

const mib = (bytes: number) => `${(bytes / MIB).toFixed(1)} MiB`;

Deno.test({
  name:
    "two hundred windows come and go in two minutes: no orphan, no zombie, no growth of memory or open files",
  ignore: Deno.build.os !== "linux",
  timeout: 600_000,
  fn: twoHundredWindows,
});

async function twoHundredWindows(): Promise<void> {
  const home = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-slow-windows-" }));
  await Deno.chmod(home, 0o700);
  await Deno.writeTextFile(`${home}/mcp.json`, JSON.stringify({ mcpServers: threeServers(home) }));
  {
    // A shim that was killed because it took too long to end leaves its session to be resumed; here it never is.
    await using daemon = await startDaemon({ home, env: { EXAI_RESUME_WINDOW: "2" } });
    const { url } = daemon;
    const { pid } = daemon.process;
    const busy: Sample[] = [];
    const idle: Sample[] = [];
    const visit = async (i: number) => {
      const name = `window-${i}`;
      await using client = await shimWindow({ name, home, url, cwd: home });
      await client.listTools();
      await callAll(client, callsOf(name, home));
    };
    const startMs = performance.now();
    for (let opened = 0; opened < WINDOWS; opened += ROUND) {
      await openRound(opened, visit, async () => busy.push(await take(url, pid, opened)));
      await allGone(url);
      idle.push(await take(url, pid, opened + ROUND));
    }
    const [warm, end] = [idle[0]!, idle.at(-1)!];
    const running = (await status(url, "/status")).servers as { state: string; sessions: string[] }[];
    report(
      `${WINDOWS} windows in ${
        ((performance.now() - startMs) / SECOND_MS).toFixed(0)
      } s, three servers mounted`,
    );
    for (const { windows, ...s } of idle) {
      report(
        `idle after ${windows}: ${mib(s.residentBytes)} resident, ${mib(s.heapBytes)} heap, ` +
          `${s.openFiles} open files, ${s.children} children, ${s.zombies} zombies`,
      );
    }
    const heapSlope = slope(idle, ({ heapBytes }) => heapBytes);
    const residentSlope = slope(idle, ({ residentBytes }) => residentBytes);
    report(
      `growth a window: ${(heapSlope / KIB).toFixed(1)} KiB heap, ${
        (residentSlope / KIB).toFixed(1)
      } KiB resident; ` +
        `at most ${Math.max(...busy.map(({ openFiles }) => openFiles))} open files meanwhile`,
    );
    assertEquals(running.map(({ state, sessions }) => [state, sessions.length]), [
      ["running", 0],
      ["running", 0],
      ["running", 0],
    ]);
    assertEquals([...busy, ...idle].filter(({ zombies }) => zombies > 0), []);
    assertEquals(idle.map(({ children }) => children), idle.map(() => warm.children));
    assert(
      end.openFiles <= warm.openFiles,
      `${warm.openFiles} open files at first, ${end.openFiles} at last`,
    );
    assert(heapSlope < MAX_HEAP_GROWTH_PER_WINDOW, `the heap grows by ${heapSlope} bytes a window`);
    assert(end.residentBytes - warm.residentBytes < MAX_RESIDENT_GROWTH, "resident memory grows");
    daemon.process.kill("SIGTERM");
    await daemon.process.status;
  }
  const orphans = await processesWith(home);
  report(`${orphans.length} processes left`);
  assertEquals(orphans, []);
  await Deno.remove(home, { recursive: true });
}
