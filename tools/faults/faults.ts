import { delay } from "@std/async/delay";
import { running } from "../lib/process_table.ts";
import { runCommands } from "./commands.ts";
import { fillUp, makeReadOnly, mountSmall, withoutOverride } from "./disk.ts";
import type { Fault, Scene } from "./fault.ts";
import { startSecondDaemons } from "./second_daemon.ts";
import { strangerAt } from "./stranger.ts";

/** So quick a watchdog that a fault can be repeated a hundred times. */
const QUICK_PINGS = { EXAI_WS_PING_INTERVAL: "0.3", EXAI_WS_PING_TIMEOUT: "0.3" };
const BEYOND_PINGS_MS = 900;
const RELOAD_MS = 30_000;

/** Every fault there is. */
export const FAULTS: readonly Fault[] = [
  { name: "connections cut", gate: true, harm: ({ gate }) => Promise.resolve(gate.cutAll()) },
  {
    name: "frames cut in half",
    gate: true,
    nextCall: (random) => ({
      tool: random() < 0.7 ? "count" : "look",
      delayMs: random() * 20,
      bytes: Math.floor(random() ** 3 * 20_000),
      padding: "y".repeat(random() ** 3 * 20_000),
    }),
    harm: ({ gate, random }) => Promise.resolve(gate.cutAfter(() => 1 + Math.floor(random() * 3000))),
  },
  {
    name: "half-open sockets",
    gate: true,
    env: QUICK_PINGS,
    harm: ({ gate }) => Promise.resolve(gate.silence()),
  },
  { name: "daemon kill -9", autostart: true, harm: ({ rig }) => rig.killDaemon() },
  { name: "daemon SIGSTOP and SIGCONT", env: QUICK_PINGS, harm: stopDaemon },
  { name: "upstream kill -9", harm: killUpstream },
  {
    name: "state directory full",
    makeHome: mountSmall,
    async harm({ rig, load }) {
      await using _full = await fillUp(rig.home);
      await load.flows(30_000);
    },
  },
  {
    name: "state directory read-only",
    prefix: withoutOverride,
    // So small that it must be rotated now and then, which cannot be done then.
    env: { EXAI_METRICS_MAX_BYTES: "4096" },
    async harm({ rig, load }) {
      await using _fixed = await makeReadOnly(rig.home);
      for (let times = 0; times < 3; times++) await load.flows(30_000);
    },
  },
  {
    name: "slow reader",
    env: { EXAI_WS_MAX_QUEUED_BYTES: String(256 * 1024) },
    nextCall: (random) => ({ tool: "count", delayMs: random() * 10, bytes: Math.floor(random() * 200_000) }),
    harm: stopReading,
  },
  { name: "ids used twice", harm: useIdsTwice },
  {
    name: "port taken by a stranger",
    autostart: true,
    env: { EXAI_SOCKET: "off" },
    harm: takePort,
  },
  { name: "second daemon", autostart: true, threads: true, harm: startSecondDaemons },
  {
    name: "every command beside a busy daemon",
    autostart: true,
    threads: true,
    env: { EXAI_WS_TOKEN: "auto" },
    harm: runCommands,
  },
];

/** Stopped until every shim has given it up, then set going again. */
async function stopDaemon({ rig, random }: Scene): Promise<void> {
  const pid = await rig.daemonPid();
  Deno.kill(pid, "SIGSTOP");
  await delay(BEYOND_PINGS_MS * (1 + random()));
  Deno.kill(pid, "SIGCONT");
}

async function killUpstream({ rig }: Scene): Promise<void> {
  const pid = await rig.counterPid();
  Deno.kill(pid, "SIGKILL");
  while ((await running([pid])).length > 0) await delay(5);
  // A server that dies a hundred times in a minute is left to rest; this lets it start at once.
  const init = { method: "POST", signal: AbortSignal.timeout(RELOAD_MS) };
  await fetch(`http://127.0.0.1:${rig.port}/reload`, init).then((answer) => answer.text());
}

async function stopReading({ windows, random }: Scene): Promise<void> {
  const slow = windows[Math.floor(random() * windows.length)]!;
  slow.stopReading();
  // Long enough for its calls in flight to fill every buffer on the way; the other windows go on.
  const others = windows.filter((window) => window !== slow).map((window) => window.nextGood());
  await Promise.all([...others, delay(100 + random() * 400)]);
  slow.goOnReading();
}

async function useIdsTwice({ windows, random }: Scene): Promise<void> {
  await Promise.all(windows.map((window) => window.callTwice({ tool: "count", delayMs: 5 + random() * 20 })));
}

async function takePort({ rig, random }: Scene, n: number): Promise<void> {
  await rig.killDaemon();
  await using _stranger = await strangerAt(rig.port, n % 2 ? "answers 200" : "says nothing");
  await delay(200 + random() * 300);
}
