/** What the daemon is like at this moment. */
export interface Gauges {
  sessions: number;
  connections: number;
  /** Calls running. */
  inflight: number;
  /** Calls waiting for a permit. */
  queued: number;
  /** Tools offered. */
  tools: number;
  uptimeMs: number;
  /** Worst delay of a timer in the last seconds. */
  eventLoopLagMs: number;
  memory: { rssBytes: number; heapUsedBytes: number };
}
