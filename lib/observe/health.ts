import type { JsonObject } from "../base/json.ts";
import type { GaugeValues, ListChangeFigures } from "./metrics.ts";

/** The inputs of the health report. */
interface HealthSources {
  version: string;
  pid: number;
  startedAt: Date;
  /** Where the daemon listens, as `ws://127.0.0.1:8765/`. */
  address: string;
  gauges(): GaugeValues;
  /** Number of failures in the last minutes. */
  recentErrors(): number;
  /** Current faults, each in a sentence; the status is `degraded` while there is one. */
  faults(): string[];
  /** Events that need no action, each in a sentence. */
  notes(): string[];
}

/** A blocked event loop delays every call of every client. */
const MAX_LAG_MS = 1000;

/** The health of the daemon, as `health.json`, `GET /health`, the op `health` and the tool `health` show it. */
export function buildHealth(sources: HealthSources) {
  const gauges = sources.gauges();
  const reasons = [...sources.faults(), ...lagFault(gauges.eventLoopLagMs)];
  return {
    status: reasons.length === 0 ? "ok" : "degraded",
    reasons,
    notes: sources.notes(),
    version: sources.version,
    pid: sources.pid,
    started_at: sources.startedAt.toISOString(),
    uptime_s: Math.floor(gauges.uptimeMs / 1000),
    address: sources.address,
    sessions: gauges.sessions,
    windows: gauges.windows,
    connections: gauges.connections,
    pending: gauges.pending,
    refused: { ...gauges.refused },
    inflight: gauges.inflight,
    queued: gauges.queued,
    tools: gauges.tools,
    list_changes: describeListChanges(gauges.listChanges),
    recent_errors: sources.recentErrors(),
    event_loop_lag_ms: Math.round(gauges.eventLoopLagMs),
    held: { bytes: gauges.held.bytes, max_bytes: gauges.held.maxBytes, evictions: gauges.held.evictions },
    ...(gauges.handles ? { handles: { ...gauges.handles } } : {}),
    memory: { rss_bytes: gauges.memory.rssBytes, heap_used_bytes: gauges.memory.heapUsedBytes },
    time: new Date().toISOString(),
  };
}

/** The report as JSON. */
export type HealthReport = ReturnType<typeof buildHealth>;

/** By cause, without the servers; `exai-daemon ps` names them. */
function describeListChanges({ total, causes }: ListChangeFigures): JsonObject {
  const counts: Record<string, number> = {};
  for (const { cause, count } of causes) counts[cause] = (counts[cause] ?? 0) + count;
  return { total, causes: counts, last_at: causes[0]?.lastAt.toISOString() };
}

function lagFault(lagMs: number): string[] {
  return lagMs > MAX_LAG_MS ? [`the event loop stood still for ${Math.round(lagMs)} ms`] : [];
}
