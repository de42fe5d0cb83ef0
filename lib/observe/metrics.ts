import type { CallRecord } from "./call_record.ts";

/** How often clients were notified that their lists have changed, and why. */
export interface ListChangeFigures {
  /** Notifications. */
  readonly total: number;
  /** By cause, the latest first; a notification may have several. */
  readonly causes: readonly {
    readonly cause: string;
    /** Undefined: it is about no single server. */
    readonly server: string | undefined;
    readonly count: number;
    readonly lastAt: Date;
  }[];
}

/** The current state of the daemon in numbers. */
export interface GaugeValues {
  sessions: number;
  /** Windows of editors the sessions belong to. */
  windows: number;
  connections: number;
  /** Connections that have not said hello yet. */
  pending: number;
  /** Refused connections and requests since the start, by reason. */
  refused: Readonly<Record<string, number>>;
  /** Calls running. */
  inflight: number;
  /** Calls waiting for a permit. */
  queued: number;
  /** Tools that EXAI itself offers. */
  tools: number;
  uptimeMs: number;
  /** Longest delay of a timer in the last 15 s. */
  eventLoopLagMs: number;
  listChanges: ListChangeFigures;
  /** Memory held for clients, and how often the limit evicted something. */
  held: { bytes: number; maxBytes: number; evictions: number };
  /** Open file handles and their limit; undefined where the system does not report them. */
  handles: { open: number; max: number } | undefined;
  memory: { rssBytes: number; heapUsedBytes: number };
}

/** Figures of those who watch, and of what they are shown. */
export interface WatchFigures {
  /** Pages and programs that watch. */
  watchers: number;
  /** What is saved against one copy of each process per session; undefined where that is not known. */
  saved: { processes?: number; bytes?: number };
}

/** Upper bounds of the latency buckets, in seconds. */
const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120];

/** Replaces the tool name of calls that would exceed the number of series. */
const OTHER = "(other)";

/** Outcomes with a tool name that only the client knows: counted together, so that a client cannot fill the table. */
const UNKNOWN_NAME: ReadonlySet<string> = new Set(["TOOL_NOT_FOUND", "METHOD_NOT_FOUND"]);

interface LatencySeries {
  /** Calls per latency bucket; the last bucket is +Inf. */
  readonly buckets: number[];
  count: number;
  sumMs: number;
}

interface MetricsOptions {
  /** Tools with their own series; the calls of all others are counted together. */
  maxTools?: number;
}

const GAUGES: readonly [name: string, help: string, read: (gauges: GaugeValues) => number][] = [
  ["exai_sessions", "Sessions the daemon knows, connected or waiting to resume.", (g) => g.sessions],
  ["exai_windows", "Windows of editors the sessions belong to.", (g) => g.windows],
  ["exai_connections", "Connections open.", (g) => g.connections],
  ["exai_connections_pending", "Connections that have not said hello yet.", (g) => g.pending],
  ["exai_calls_inflight", "Calls running.", (g) => g.inflight],
  ["exai_calls_queued", "Calls waiting for a permit.", (g) => g.queued],
  ["exai_tools", "Tools offered.", (g) => g.tools],
  ["exai_uptime_seconds", "Time since the daemon started.", (g) => g.uptimeMs / 1000],
  [
    "exai_event_loop_lag_seconds",
    "Worst delay of a timer in the last seconds.",
    (g) => g.eventLoopLagMs / 1000,
  ],
  ["exai_resident_memory_bytes", "Memory of the process.", (g) => g.memory.rssBytes],
  ["exai_heap_used_bytes", "JavaScript heap in use.", (g) => g.memory.heapUsedBytes],
];

/** A Prometheus registry: calls and their latency by tool and outcome, and the gauges of the daemon. */
export class Metrics {
  readonly #maxTools: number;
  readonly #series = new Map<string, Map<string, LatencySeries>>();
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(options: MetricsOptions = {}) {
    this.#maxTools = options.maxTools ?? 500;
  }

  record(record: CallRecord): void {
    this.#bytesIn += record.bytesIn;
    this.#bytesOut += record.bytesOut;
    const series = this.#seriesOf(record);
    const seconds = record.durationMs / 1000;
    let bucket = 0;
    while (bucket < BUCKETS_S.length && seconds > BUCKETS_S[bucket]!) bucket++;
    series.buckets[bucket]!++;
    series.count++;
    series.sumMs += record.durationMs;
  }

  #seriesOf(record: CallRecord): LatencySeries {
    const tool = UNKNOWN_NAME.has(record.outcome) ? OTHER : record.tool;
    let outcomes = this.#series.get(tool);
    if (outcomes === undefined) {
      const name = this.#series.size < this.#maxTools ? tool : OTHER;
      outcomes = this.#series.get(name) ?? new Map();
      this.#series.set(name, outcomes);
    }
    let series = outcomes.get(record.outcome);
    if (series === undefined) {
      series = { buckets: new Array(BUCKETS_S.length + 1).fill(0), count: 0, sumMs: 0 };
      outcomes.set(record.outcome, series);
    }
    return series;
  }

  /** All metrics in the Prometheus text exposition format, version 0.0.4. */
  toPrometheusText(gauges: GaugeValues, watch?: WatchFigures): string {
    return [
      ...this.#callFamilies(),
      ...family("exai_payload_bytes_total", "counter", "Text moved in arguments and answers.", [
        `{direction="in"} ${this.#bytesIn}`,
        `{direction="out"} ${this.#bytesOut}`,
      ]),
      ...family(
        "exai_refused_total",
        "counter",
        "Connections and requests refused, by reason.",
        Object.entries(gauges.refused).map(([reason, count]) => `{reason="${reason}"} ${count}`),
      ),
      ...family(
        "exai_list_changes_total",
        "counter",
        "Notifications of clients that their lists have changed, by cause and server.",
        gauges.listChanges.causes.map(({ cause, server = "", count }) =>
          `{cause="${cause}",server="${escapeLabel(server)}"} ${count}`
        ),
      ),
      ...GAUGES.flatMap(([name, help, read]) => family(name, "gauge", help, [` ${read(gauges)}`])),
      ...(watch ? watchFamilies(watch) : []),
      "",
    ].join("\n");
  }

  #callFamilies(): string[] {
    const counts: string[] = [];
    const latencies: string[] = [];
    for (const [tool, outcomes] of this.#series) {
      for (const [outcome, { buckets, count, sumMs }] of outcomes) {
        const labels = `tool="${escapeLabel(tool)}",outcome="${escapeLabel(outcome)}"`;
        counts.push(`{${labels}} ${count}`);
        let cumulative = 0;
        for (const [index, bound] of BUCKETS_S.entries()) {
          cumulative += buckets[index]!;
          latencies.push(`_bucket{${labels},le="${bound}"} ${cumulative}`);
        }
        latencies.push(`_bucket{${labels},le="+Inf"} ${count}`);
        latencies.push(`_sum{${labels}} ${sumMs / 1000}`, `_count{${labels}} ${count}`);
      }
    }
    return [
      ...family("exai_calls_total", "counter", "Calls answered, by tool and outcome.", counts),
      ...family(
        "exai_call_duration_seconds",
        "histogram",
        "Time from request to answer, waiting for a permit included.",
        latencies,
      ),
    ];
  }
}

const SAVED = "against one copy for each session, less what EXAI takes; below zero it takes more.";

function watchFamilies({ watchers, saved: { processes, bytes } }: WatchFigures): string[] {
  const gauge = (name: string, help: string, value: number | undefined) =>
    value === undefined ? [] : family(name, "gauge", help, [` ${value}`]);
  return [
    ...gauge("exai_watchers", "Pages and programs that watch what runs.", watchers),
    ...gauge("exai_saved_processes", `Processes saved ${SAVED}`, processes),
    ...gauge("exai_saved_bytes", `Memory saved ${SAVED}`, bytes),
  ];
}

function family(name: string, type: string, help: string, samples: readonly string[]): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples.map((sample) => name + sample)];
}

function escapeLabel(value: string): string {
  return value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
