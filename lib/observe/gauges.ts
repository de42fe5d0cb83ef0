/** What the daemon is like at this moment. */
export interface Gauges {
  sessions: number;
  connections: number;
  /** Connections that have not said hello yet. */
  pending: number;
  /** How often somebody was turned away at the door, by reason. */
  refused: Readonly<Record<string, number>>;
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
