import { pooledMap } from "@std/async/pool";
import { fromFileUrl } from "@std/path";
import { HOUR_MS, SECOND_MS } from "../base/units.ts";
import { isCompiled } from "../config/paths.ts";
import type { ServersFile } from "../config/servers.ts";
import { fault, type Finding, warning } from "./finding.ts";
import type { Installation } from "./installation.ts";

/** Less than this is the time a request takes, and a clock that is set now and then. */
const TOLERANCE_MS = 5 * 60 * SECOND_MS;
const TIMEOUT_MS = 5 * SECOND_MS;
const DAY_MS = 24 * HOUR_MS;
/** Written by systemd-timesyncd whenever it has asked. */
const SYNCHRONIZED = "/var/lib/systemd/timesync/clock";
/** Servers that are asked what time it is. */
const MAX_SERVERS = 3;

const REMEDY = "set the clock, or have the system do it: timedatectl set-ntp true (Linux), sudo sntp -sS " +
  "time.apple.com (macOS), w32tm /resync (Windows); in WSL: wsl --shutdown";

/** Whether the clock is right, by the files of the state directory and the clocks of the servers behind URLs. */
export async function checkClock(
  { paths, isQuick }: Installation,
  servers: Promise<ServersFile>,
): Promise<Finding[]> {
  const files = await Promise.all([paths.health, paths.endpoint, paths.calls, paths.token].map(aheadOfNow));
  const aheadMs = Math.max(0, ...files);
  const found = aheadMs < TOLERANCE_MS ? [] : [warning(
    "clock-set-back",
    `files in ${paths.home} were written ${
      describe(aheadMs)
    } from now: the clock was ahead then, or is behind now`,
    REMEDY,
  )];
  found.push(...await behindProgram());
  if (isQuick) return found;
  const { servers: mounted } = await servers;
  const origins = [...mounted.values()].flatMap((config) => {
    const url = config.kind === "stdio" ? null : URL.parse(config.url);
    return url ? [url.origin] : [];
  });
  const asked = pooledMap(MAX_SERVERS, [...new Set(origins)].slice(0, MAX_SERVERS), offBy);
  for await (const { origin, ms } of asked) {
    if (Math.abs(ms) < TOLERANCE_MS) continue;
    const what =
      `the clock of this machine is ${describe(Math.abs(ms))} ${ms > 0 ? "behind" : "ahead of"} that of ` +
      `${origin}: certificates and sign-ins that are valid may be refused`;
    found.push(fault("clock-off", what, REMEDY));
  }
  return found;
}

/** What time it is at least: these were written before now. */
async function behindProgram(): Promise<Finding[]> {
  const program = isCompiled() ? Deno.execPath() : fromFileUrl(Deno.mainModule);
  const aheadMs = Math.max(...await Promise.all([program, SYNCHRONIZED].map(aheadOfNow)));
  if (aheadMs < DAY_MS) return [];
  const what = `the clock of this machine is at least ${describe(aheadMs)} behind: ${program} or the last ` +
    "synchronization is younger than now";
  return [fault("clock-off", what, REMEDY)];
}

async function aheadOfNow(path: string): Promise<number> {
  const info = await Deno.stat(path).catch(() => undefined);
  return (info?.mtime?.getTime() ?? 0) - Date.now();
}

/** By how much a server's clock is ahead of ours; 0 where it does not say. */
async function offBy(origin: string): Promise<{ origin: string; ms: number }> {
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const response = await fetch(origin, { method: "HEAD", redirect: "manual", signal });
    await response.body?.cancel();
    const date = Date.parse(response.headers.get("date") ?? "");
    return { origin, ms: Number.isNaN(date) ? 0 : date - Date.now() };
  } catch {
    // Whether it can be reached is another check's.
    return { origin, ms: 0 };
  }
}

function describe(ms: number): string {
  const minutes = Math.round(ms / SECOND_MS / 60);
  if (minutes < 120) return `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 72 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}
