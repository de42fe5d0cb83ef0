import type { JsonObject } from "../base/json.ts";
import { MINUTE_MS } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import type { Policy } from "../call/call.ts";
import { HEALTH_INTERVAL_MS } from "../config/settings.ts";
import type { Gauges } from "../observe/gauges.ts";
import { buildHealth } from "../observe/health.ts";
import { HealthWriter } from "../observe/health_writer.ts";
import { LagMeter } from "../observe/lag.ts";
import { Metrics } from "../observe/metrics.ts";
import { metricsLine, observeCalls } from "../observe/record.ts";
import { Recorder } from "../observe/recorder.ts";
import type { CallControl } from "./call_control.ts";
import type { StateFiles } from "../state/state_files.ts";

/** What the daemon's own parts count. */
type Counts = Pick<
  Gauges,
  "sessions" | "connections" | "pending" | "refused" | "inflight" | "queued" | "tools" | "held" | "handles"
>;

interface ObservationOptions {
  files: StateFiles;
  calls: CallControl;
  /** Where the daemon listens, as `ws://127.0.0.1:8765/`. */
  address: string;
}

/** What one part of the daemon contributes to its health report. */
interface HealthSource {
  counts?(): Partial<Counts>;
  /** What is wrong now, each in a sentence. */
  faults?(): readonly string[];
  /** What is worth knowing and needs no action, each in a sentence. */
  notes?(): readonly string[];
}

const NO_COUNTS: Counts = {
  sessions: 0,
  connections: 0,
  pending: 0,
  refused: {},
  inflight: 0,
  queued: 0,
  tools: 0,
  held: { bytes: 0, maxBytes: 0, evictions: 0 },
  handles: undefined,
};

/** Failures older than this are no longer worth a mention in the health report. */
const RECENT_MS = 15 * MINUTE_MS;

/** Everything that watches the daemon, wired to where it is shown: health, metrics, the record of calls. */
export class Observation implements AsyncDisposable {
  readonly startedAt = new Date();
  readonly #startedMs = performance.now();
  readonly recorder = new Recorder();
  /** Records every call that passes. */
  readonly policy: Policy;
  readonly #options: ObservationOptions;
  readonly #sources: HealthSource[] = [];
  readonly #metrics = new Metrics();
  readonly #lag = new LagMeter();
  #writer: HealthWriter | undefined;

  constructor(options: ObservationOptions) {
    this.#options = options;
    this.policy = observeCalls({
      running: options.calls.running,
      record: (record, exchange) => {
        this.#metrics.record(record);
        this.recorder.record(record);
        options.calls.record(record, exchange);
        options.files.appendMetrics(metricsLine(record));
      },
    });
    this.register({ faults: () => [...options.files.faults(), ...options.calls.faults()] });
  }

  /** Adds a source to the health report; sources are shown in the order they were added. */
  register(source: HealthSource): void {
    this.#sources.push(source);
  }

  /** Begins to keep `health.json`; the daemon listens by now. */
  start(): void {
    const write = (text: string) => this.#options.files.writeHealth(text);
    this.#writer = new HealthWriter({ build: () => this.health(), write, intervalMs: HEALTH_INTERVAL_MS });
  }

  /** Something in the health report has changed: it is written soon. */
  changed(): void {
    this.#writer?.changed();
  }

  health(): JsonObject {
    return buildHealth({
      version: VERSION,
      pid: Deno.pid,
      startedAt: this.startedAt,
      address: this.#options.address,
      gauges: () => this.#gauges(),
      recentErrors: () => this.recorder.errorsSince(Date.now() - RECENT_MS),
      notes: () => this.#sources.flatMap((source) => source.notes?.() ?? []),
      faults: () => this.#sources.flatMap((source) => source.faults?.() ?? []),
    });
  }

  /** The metrics in the Prometheus text format. */
  exposition(): string {
    return this.#metrics.expose(this.#gauges());
  }

  #gauges(): Gauges {
    const { rss, heapUsed } = Deno.memoryUsage();
    return {
      ...this.#sources.reduce<Counts>((counts, source) => ({ ...counts, ...source.counts?.() }), NO_COUNTS),
      uptimeMs: performance.now() - this.#startedMs,
      eventLoopLagMs: this.#lag.worstMs,
      memory: { rssBytes: rss, heapUsedBytes: heapUsed },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lag[Symbol.dispose]();
    await this.#writer?.[Symbol.asyncDispose]();
  }
}
