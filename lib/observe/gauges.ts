/** What the daemon is like at this moment. */
export interface GaugeValues {
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
  /** What is held for all clients together. */
  held: { bytes: number; maxBytes: number; evictions: number };
  /** Files, sockets and pipes that are open, and how many may be; undefined where the system does not say. */
  handles: { open: number; max: number } | undefined;
  memory: { rssBytes: number; heapUsedBytes: number };
}
