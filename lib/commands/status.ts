import type { JsonObject } from "../base/json.ts";
import { isObject } from "../base/json.ts";
import { ExaiError } from "../base/errors.ts";
import { formatBytes, formatDuration, SECOND_MS } from "../base/units.ts";
import { visible } from "../base/visible.ts";
import type { DaemonStatus } from "../admin/status_rows.ts";
import { askDaemon } from "../client/daemon_client.ts";
import { isLocal } from "../client/daemon_url.ts";
import { statePaths } from "../config/paths.ts";
import { describeOwner, HomeLock } from "../state/home_lock.ts";
import type { Action, CommandResult, Invocation } from "./command.ts";
import { EXIT } from "./exit_codes.ts";
import { isNoDaemonError } from "./stop_daemon.ts";
import { MAX_ERROR_CHARS } from "./table.ts";

export const statusCommand: Action = {
  summary: "Say whether the daemon runs, and how it is",
  forms: [{ args: "", does: "whether the daemon runs, where, what it serves and what is wrong" }],
  exits: { 0: "the daemon runs", 3: "it does not, or does not answer" },
  run: status,
};

async function status({ settings, progress }: Invocation): Promise<CommandResult> {
  const paths = statePaths(settings);
  const files = { home: paths.home, config: paths.config, logs: paths.logs };
  progress.step("asking the daemon how it is");
  let health: JsonObject;
  let state: DaemonStatus;
  try {
    health = await askDaemon(settings, "/health");
    state = await askDaemon(settings, "/status") as DaemonStatus;
  } catch (thrown) {
    if (!(thrown instanceof ExaiError) || thrown.code !== "DAEMON_UNAVAILABLE") throw thrown;
    const holder = await HomeLock.holder(paths).catch(() => undefined);
    const why = holder === undefined
      ? isNoDaemonError(thrown) ? "No daemon runs." : thrown.message
      : `A process${
        describeOwner(holder)
      } uses ${paths.home} and does not answer: it starts, stops or hangs.`;
    const advice = holder === undefined
      ? "Start one with exai-daemon, or open a window: it starts the daemon by itself."
      : "exai-daemon doctor says more; exai-daemon stop --force ends it.";
    const json = { running: false, holder: holder ?? null, reason: why, ...files };
    return { text: [why, advice, ...fileLines(files)].join("\n"), code: EXIT.noDaemon, json };
  }
  const servers = countStates(state.servers);
  // Another daemon may have the port of the settings.
  const isOwn = !isLocal(settings.host) || await HomeLock.holder(paths) !== undefined;
  const json = { running: true, ...health, servers, ...(isOwn ? files : { home: null }) };
  const ofFiles = isOwn ? fileLines(files) : [line("state", `another directory than ${paths.home}`)];
  return { text: [...describe(health, servers), ...ofFiles, ...problems(health)].join("\n"), json };
}

/** How many configured servers are in each state. */
function countStates(servers: DaemonStatus["servers"]): Record<string, number> {
  const counts: Record<string, number> = {};
  const byName = Map.groupBy(servers, ({ server }) => server);
  for (const [, rows] of byName) {
    // A server that runs for one window counts as running.
    const best = rows.find(({ state }) => state === "running") ?? rows[0]!;
    counts[best.state] = (counts[best.state] ?? 0) + 1;
  }
  return counts;
}

function describe(health: JsonObject, servers: Record<string, number>): string[] {
  const { version, pid, address, uptime_s: uptimeS, windows, inflight, queued, memory } = health;
  const states = Object.entries(servers).map(([state, count]) => `${count} ${state}`);
  const bytes = isObject(memory) ? formatBytes(Number(memory.rss_bytes)) : "-";
  return [
    `EXAI ${version} runs${health.status === "ok" ? " and is well" : `; it is ${health.status}`}.`,
    line("process", `${pid}, for ${formatDuration(Number(uptimeS) * SECOND_MS)}, ${bytes}`),
    line("address", String(address)),
    line("windows", String(windows)),
    line("calls", `${inflight} running, ${queued} waiting`),
    line("servers", states.length === 0 ? "none is configured" : states.join(", ")),
  ];
}

function fileLines({ home, config, logs }: { home: string; config: string; logs: string }): string[] {
  return [line("state", home), line("config", config), line("logs", logs)];
}

function line(name: string, text: string): string {
  return `  ${name.padEnd(9)}${visible(text, MAX_ERROR_CHARS)}`;
}

/** What is wrong, and what is worth knowing. */
function problems({ reasons, notes }: JsonObject): string[] {
  const list = (title: string, texts: unknown) =>
    Array.isArray(texts) && texts.length > 0
      ? ["", title, ...texts.map((text) => `  ${visible(String(text), MAX_ERROR_CHARS)}`)]
      : [];
  return [...list("What is wrong:", reasons), ...list("Worth knowing:", notes)];
}
