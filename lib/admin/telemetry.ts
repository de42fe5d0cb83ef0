import { MINUTE_MS } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import type { Policy } from "../call/call.ts";
import { HEALTH_INTERVAL_MS } from "../config/settings.ts";
import { buildHealth, type HealthReport } from "../observe/health.ts";
import { HealthWriter } from "../observe/health_writer.ts";
import { EventLoopLagMonitor } from "../observe/event_loop_lag.ts";
import { type GaugeValues, Metrics, type WatchFigures } from "../observe/metrics.ts";
import { recordCalls } from "../observe/call_record.ts";
import { MetricsLines } from "../observe/metrics_lines.ts";
import { RecentActivity } from "../observe/recent_activity.ts";
import type { CallControl } from "./call_control.ts";
import type { WatchedHealth } from "./watch_state.ts";
import type { StateFiles } from "../state/state_files.ts";

/** Gauges that the parts of the daemon provide. */
type DaemonCounts = Pick<
  GaugeValues,
  | "sessions"
  | "windows"
  | "connections"
  | "pending"
  | "refused"
  | "inflight"
  | "queued"
  | "tools"
  | "listChanges"
  | "held"
  | "handles"
>;

interface TelemetryOptions {
  files: StateFiles;
  calls: CallControl;
  /** Where the daemon listens, as `ws://127.0.0.1:8765/`. */
  address: string;
}

/** What one part of the daemon contributes to its health report. */
interface HealthSource {
  counts?(): Partial<DaemonCounts>;
  /** What is wrong now, each in a sentence. */
  faults?(): readonly string[];
  /** What is worth knowing and needs no action, each in a sentence. */
  notes?(): readonly string[];
}

const NO_COUNTS: DaemonCounts = {
  sessions: 0,
  windows: 0,
  connections: 0,
  pending: 0,
  refused: {},
  inflight: 0,
  queued: 0,
  tools: 0,
  listChanges: { total: 0, causes: [] },
  held: { bytes: 0, maxBytes: 0, evictions: 0 },
  handles: undefined,
};

/** Failures older than this are no longer worth a mention in the health report. */
const RECENT_MS = 15 * MINUTE_MS;

/** Collects health, metrics and the call record, and exposes them as reports and files. */
export class Telemetry implements AsyncDisposable {
  readonly startedAt = new Date();
  readonly #startedMs = performance.now();
  readonly activity = new RecentActivity();
  /** The policy that records every call. */
  readonly policy: Policy;
  readonly #options: TelemetryOptions;
  readonly #sources: HealthSource[] = [];
  readonly #metrics = new Metrics();
  #lag: EventLoopLagMonitor | undefined;
  #writer: HealthWriter | undefined;

  constructor(options: TelemetryOptions) {
    this.#options = options;
    const lines = new MetricsLines();
    const { events } = options.calls;
    const record = recordCalls({
      running: options.calls.running,
      amend: (record) => options.calls.amend(record),
      record: (record, exchange) => {
        this.#metrics.record(record);
        this.activity.record(record);
        options.calls.record(record, exchange);
        options.files.appendMetrics(lines.lineOf(record));
      },
    });
    this.policy = (next) => record(events(next));
    this.register({ faults: () => [...options.files.faults(), ...options.calls.faults()] });
  }

  /** Adds a source to the health report; sources are shown in the order they were added. */
  register(source: HealthSource): void {
    this.#sources.push(source);
  }

  /** Starts measuring and writing `health.json`; the daemon must listen.  */
  start(): void {
    this.#lag = new EventLoopLagMonitor();
    const write = (text: string) => this.#options.files.writeHealth(text);
    this.#writer = new HealthWriter({ build: () => this.health(), write, intervalMs: HEALTH_INTERVAL_MS });
  }

  /** Schedules a write of `health.json` after a change. */
  healthChanged(): void {
    this.#writer?.requestWrite();
  }

  health(): HealthReport {
    return buildHealth({
      version: VERSION,
      pid: Deno.pid,
      startedAt: this.startedAt,
      address: this.#options.address,
      gauges: () => this.#gauges(),
      recentErrors: () => this.activity.errorsSince(Date.now() - RECENT_MS),
      notes: () => this.#sources.flatMap((source) => source.notes?.() ?? []),
      faults: () => this.#sources.flatMap((source) => source.faults?.() ?? []),
    });
  }

  /** What of the health report is told to those who watch. */
  watched(): WatchedHealth {
    const { reasons: faults, notes, inflight, queued, windows, memory } = this.health();
    return { faults, notes, inflight, queued, windows, daemonBytes: memory.rss_bytes };
  }

  /** The metrics in the Prometheus text exposition format. */
  prometheusText(watch: WatchFigures): string {
    return this.#metrics.toPrometheusText(this.#gauges(), watch);
  }

  #gauges(): GaugeValues {
    const { rss, heapUsed } = Deno.memoryUsage();
    return {
      ...this.#sources.reduce<DaemonCounts>(
        (counts, source) => ({ ...counts, ...source.counts?.() }),
        NO_COUNTS,
      ),
      uptimeMs: performance.now() - this.#startedMs,
      eventLoopLagMs: this.#lag?.worstMs ?? 0,
      memory: { rssBytes: rss, heapUsedBytes: heapUsed },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lag?.[Symbol.dispose]();
    await this.#writer?.[Symbol.asyncDispose]();
  }
}
