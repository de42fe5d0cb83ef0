import type { JsonObject } from "../base/json.ts";
import { MINUTE_MS } from "../base/units.ts";
import { VERSION } from "../base/version.ts";
import type { Policy } from "../call/call.ts";
import { HEALTH_INTERVAL_MS } from "../config/settings.ts";
import type { Gauges } from "../observe/gauges.ts";
import { buildHealth } from "../observe/health.ts";
import { HealthWriter } from "../observe/health_writer.ts";
import { LagMeter } from "../observe/event_loop_lag.ts";
import { Metrics } from "../observe/metrics.ts";
import { metricsLine, observeCalls } from "../observe/call_record.ts";
import { Recorder } from "../observe/recent_activity.ts";
import type { CallControl } from "./call_control.ts";
import type { StateFiles } from "../state/state_files.ts";

/** What the daemon's own parts count. */
type Counts = Pick<
  Gauges,
  "sessions" | "connections" | "pending" | "refused" | "inflight" | "queued" | "tools" | "held" | "handles"
>;

interface ObservationOptions {
  files: StateFiles;
  /** Where calls are looked at. */
  desk: CallControl;
  address: () => string;
  counts: () => Counts;
  /** What is wrong with the configuration, each in a sentence. */
  faults: () => string[];
  /** What is worth knowing, each in a sentence. */
  notes: () => string[];
}

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
  readonly #metrics = new Metrics();
  readonly #lag = new LagMeter();
  #writer: HealthWriter | undefined;

  constructor(options: ObservationOptions) {
    this.#options = options;
    this.policy = observeCalls({
      running: options.desk.running,
      record: (record, exchange) => {
        this.#metrics.record(record);
        this.recorder.record(record);
        options.desk.record(record, exchange);
        options.files.appendMetrics(metricsLine(record));
      },
    });
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
      address: this.#options.address(),
      gauges: () => this.#gauges(),
      recentErrors: () => this.recorder.errorsSince(Date.now() - RECENT_MS),
      notes: () => this.#options.notes(),
      faults:
        () => [...this.#options.files.faults(), ...this.#options.desk.faults(), ...this.#options.faults()],
    });
  }

  /** The metrics in the Prometheus text format. */
  exposition(): string {
    return this.#metrics.expose(this.#gauges());
  }

  #gauges(): Gauges {
    const { rss, heapUsed } = Deno.memoryUsage();
    return {
      ...this.#options.counts(),
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
