import { KIB } from "../base/units.ts";
import { BOTH, integer, seconds, type Setting } from "./setting.ts";

/** The settings of one connection: how much it may carry, how many there may be, how it is kept alive. */
export const CONNECTION_SETTINGS = {
  maxFrameBytes: integer(
    {
      env: "EXAI_WS_MAX_BYTES",
      programs: BOTH,
      fallback: 32 * 1024 * KIB,
      unit: "bytes",
      help: "Largest message accepted",
    },
    KIB,
    60 * 1024 * KIB,
  ),
  maxQueuedBytes: integer(
    {
      env: "EXAI_WS_MAX_QUEUED_BYTES",
      programs: BOTH,
      fallback: 64 * 1024 * KIB,
      unit: "bytes",
      help: "Unread answers held for one client before it is dropped as too slow",
    },
    KIB,
    1024 * 1024 * KIB,
  ),
  maxConnections: integer(
    { env: "EXAI_WS_MAX_CONNECTIONS", fallback: 4096, help: "Connections served at once" },
    1,
    100_000,
  ),
  pingIntervalMs: seconds(
    {
      env: "EXAI_WS_PING_INTERVAL",
      programs: BOTH,
      fallback: 25,
      help: "How often a quiet connection is pinged",
    },
    0.1,
    3600,
  ),
  pingTimeoutMs: seconds(
    {
      env: "EXAI_WS_PING_TIMEOUT",
      programs: BOTH,
      fallback: 10,
      help: "How long a ping may stay unanswered",
    },
    0.1,
    3600,
  ),
  helloTimeoutMs: seconds(
    { env: "EXAI_WS_HELLO_TIMEOUT", fallback: 5, help: "How long a new connection may take to say hello" },
    0.05,
    3600,
  ),
} as const satisfies Record<string, Setting>;
