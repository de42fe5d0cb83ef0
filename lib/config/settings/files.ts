import { RELEASES } from "../../base/version.ts";
import { KIB } from "../../base/units.ts";
import { BOTH, bytes, flag, hours, oneOf, text, url } from "../setting.ts";

/** Where state, logs and the record of calls are kept, and how much of them. */
export const FILE_SETTINGS = {
  home: text({ env: "EXAI_HOME", programs: BOTH, help: "State directory; empty: the system's place for it" }),
  envFile: text({
    env: "ENV_FILE",
    programs: BOTH,
    flag: "env-file",
    help: "File of NAME=value lines read before the environment; empty: .env beside the program",
  }),
  logLevel: oneOf({
    env: "LOG_LEVEL",
    programs: BOTH,
    fallback: "info",
    help: "Least severe level that is logged",
  }, [
    "trace",
    "debug",
    "info",
    "warning",
    "error",
    "fatal",
  ]),
  logFormat: oneOf(
    { env: "LOG_FORMAT", programs: BOTH, fallback: "text", help: "How log lines are written" },
    [
      "text",
      "json",
    ],
  ),
  metricsMaxBytes: bytes(
    {
      env: "EXAI_METRICS_MAX_BYTES",
      programs: BOTH,
      fallback: 16 * 1024 * KIB,
      help: "Size at which metrics.jsonl and the log files are rotated",
    },
    KIB,
    1024 * 1024 * KIB,
  ),
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
  callsMaxBytes: bytes(
    {
      env: "EXAI_CALLS_MAX_BYTES",
      fallback: 64 * 1024 * KIB,
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
  callsBodyMaxBytes: bytes(
    {
      env: "EXAI_CALLS_BODY_MAX_BYTES",
      fallback: 64 * KIB,
      help: "How much of one argument or answer is recorded; the rest is cut off",
    },
    64,
    16 * 1024 * KIB,
  ),
  releasesUrl: url({
    env: "EXAI_RELEASES_URL",
    fallback: RELEASES,
    help:
      "URL that says which release is the newest; only exai-daemon update --check asks it. A release knows its own; empty: none is asked",
  }),
} as const;
