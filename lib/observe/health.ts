import type { JsonObject } from "../base/json.ts";
import type { GaugeValues } from "./gauges.ts";

/** Where the health report takes its facts from. */
interface HealthSources {
  version: string;
  pid: number;
  startedAt: Date;
  /** Where the daemon listens, as `ws://127.0.0.1:8765/`. */
  address: string;
  gauges(): GaugeValues;
  /** Failures in the last minutes. */
  recentErrors(): number;
  /** What is wrong now, each in a sentence; empty when all is well. */
  faults(): string[];
  /** What is worth knowing and nothing is to be done about, each in a sentence. */
  notes(): string[];
}

/** A blocked event loop delays every call of every window. */
const MAX_LAG_MS = 1000;

/** The health of the daemon, as `health.json`, `GET /health`, the op `health` and the tool `health` show it. */
export function buildHealth(sources: HealthSources): JsonObject {
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
    connections: gauges.connections,
    pending: gauges.pending,
    refused: { ...gauges.refused },
    inflight: gauges.inflight,
    queued: gauges.queued,
    tools: gauges.tools,
    recent_errors: sources.recentErrors(),
    event_loop_lag_ms: Math.round(gauges.eventLoopLagMs),
    held: { bytes: gauges.held.bytes, max_bytes: gauges.held.maxBytes, evictions: gauges.held.evictions },
    ...(gauges.handles ? { handles: { ...gauges.handles } } : {}),
    memory: { rss_bytes: gauges.memory.rssBytes, heap_used_bytes: gauges.memory.heapUsedBytes },
    time: new Date().toISOString(),
  };
}

function lagFault(lagMs: number): string[] {
  return lagMs > MAX_LAG_MS ? [`the event loop stood still for ${Math.round(lagMs)} ms`] : [];
}
