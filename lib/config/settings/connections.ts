import { KIB } from "../../base/units.ts";
import { BOTH, bytes, integer, seconds, setting } from "../setting.ts";

/** How much connections may carry and hold, how many there may be, and how they are kept alive. */
export const CONNECTION_SETTINGS = {
  maxConnections: integer(
    { env: "EXAI_WS_MAX_CONNECTIONS", fallback: 4096, help: "Connections served at once" },
    1,
    100_000,
  ),
  maxPending: integer(
    {
      env: "EXAI_WS_MAX_PENDING",
      fallback: 256,
      help:
        "Connections that have not said hello yet; beyond that the longest waiting of the address with most of them is closed",
    },
    1,
    100_000,
  ),
  helloTimeoutMs: seconds(
    { env: "EXAI_WS_HELLO_TIMEOUT", fallback: 5, help: "How long a new connection may take to say hello" },
    0.05,
    3600,
  ),
  helloRate: integer(
    {
      env: "EXAI_WS_HELLO_RATE",
      fallback: 200,
      help:
        "Wrong tokens answered to one address in a second, five times as many at once; without a token: hellos of one user; 0: any number",
    },
    0,
    1_000_000,
  ),
  maxFrameBytes: bytes(
    {
      env: "EXAI_WS_MAX_BYTES",
      programs: BOTH,
      fallback: 32 * 1024 * KIB,
      help: "Largest message accepted",
    },
    KIB,
    60 * 1024 * KIB,
  ),
  maxQueuedBytes: bytes(
    {
      env: "EXAI_WS_MAX_QUEUED_BYTES",
      programs: BOTH,
      fallback: 64 * 1024 * KIB,
      help: "Unread answers held for one client before it is dropped as too slow",
    },
    KIB,
    1024 * 1024 * KIB,
  ),
  maxHeldBytes: setting<number | "auto">(
    {
      env: "EXAI_MAX_HELD_BYTES",
      fallback: "auto",
      help:
        "What may be held for all clients together: answers not fetched, unread or to be sent again, requests being read; beyond it the oldest is dropped; auto: by the memory there is, 256 MiB at most",
    },
    {
      allowed: "auto, or a whole number of bytes, at least 1048576",
      types: ["string", "integer"],
      unit: "bytes",
      read: (text) => {
        if (text === "auto") return text;
        return /^\d{7,15}$/.test(text) && Number(text) >= 1024 * KIB ? Number(text) : undefined;
      },
    },
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
} as const;
