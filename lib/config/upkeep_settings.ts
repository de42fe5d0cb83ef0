import { KIB } from "../base/units.ts";
import { flag, hours, integer, seconds } from "./setting.ts";

/** The settings of what the daemon keeps of its calls and of how it looks after its servers. */
export const UPKEEP_SETTINGS = {
  calls: flag({
    env: "EXAI_CALLS",
    fallback: true,
    help: "Whether every call is recorded in calls.db, for exai-daemon calls",
  }),
  callsMaxAgeMs: hours(
    { env: "EXAI_CALLS_MAX_AGE_HOURS", fallback: 168, help: "How long a recorded call is kept" },
    0.01,
    87_600,
  ),
  callsMaxBytes: integer(
    {
      env: "EXAI_CALLS_MAX_BYTES",
      fallback: 64 * 1024 * KIB,
      unit: "bytes",
      help: "Size of calls.db; the oldest calls make room",
    },
    256 * KIB,
    64 * 1024 * 1024 * KIB,
  ),
  callsBodies: flag({
    env: "EXAI_CALLS_BODIES",
    fallback: false,
    help: "Whether arguments and answers are recorded too, with what looks like a secret taken out",
  }),
  callsBodyMaxBytes: integer(
    {
      env: "EXAI_CALLS_BODY_MAX_BYTES",
      fallback: 64 * KIB,
      unit: "bytes",
      help: "How much of one argument or answer is recorded; the rest is cut off",
    },
    64,
    16 * 1024 * KIB,
  ),
  breakerFailures: integer(
    {
      env: "EXAI_BREAKER_FAILURES",
      fallback: 5,
      help:
        "Failures in a row (no answer in time, not reached, crashed) after which a mounted server is left alone; 0: never",
    },
    0,
    1000,
  ),
  breakerOpenMs: seconds(
    {
      env: "EXAI_BREAKER_OPEN",
      fallback: 30,
      help: "How long it is left alone before one call tries it again",
    },
    0.01,
    86_400,
  ),
} as const;
