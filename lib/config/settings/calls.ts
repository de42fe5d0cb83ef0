import { integer, seconds, secondsOrAuto } from "../setting.ts";

/** How long calls may take and how many may run at once. */
export const CALL_SETTINGS = {
  callTimeoutMs: seconds(
    { env: "EXAI_WS_CALL_TIMEOUT", fallback: 120, help: "How long one call may take that asks no model" },
    0.05,
    86_400,
  ),
  sessionMaxInflight: integer(
    { env: "EXAI_WS_SESSION_MAX_INFLIGHT", fallback: 8, help: "Calls one session may run at once" },
    1,
    10_000,
  ),
  globalMaxInflight: integer(
    {
      env: "EXAI_WS_GLOBAL_MAX_INFLIGHT",
      fallback: 24,
      help: "Calls the daemon may run at once; a session that runs none may always run one",
    },
    1,
    100_000,
  ),
  queueMax: integer(
    {
      env: "EXAI_WS_QUEUE_MAX",
      fallback: 256,
      help: "Calls of one session that may wait, whatever for; beyond that OVER_CAPACITY",
    },
    0,
    100_000,
  ),
  detachAfterMs: secondsOrAuto(
    {
      env: "EXAI_DETACH_AFTER",
      fallback: "auto",
      help:
        "When a call that asks a model is answered with a handle and goes on; auto: before its client gives up; 0: never",
    },
    0,
    86_400,
  ),
  detachMaxMs: seconds(
    {
      env: "EXAI_DETACH_MAX",
      fallback: 3600,
      help:
        "How long a call may take that asks a model or can be answered with a handle, unless its server has a callTimeoutMs",
    },
    1,
    86_400,
  ),
  drainTimeoutMs: seconds(
    {
      env: "EXAI_DRAIN_TIMEOUT",
      fallback: 10,
      help: "How long running calls may take to finish when the daemon stops",
    },
    0,
    3600,
  ),
} as const;
