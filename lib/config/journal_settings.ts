import { KIB } from "../base/units.ts";
import { flag, hours, integer, seconds } from "./setting.ts";

/** The settings of what outlives a daemon, the journal, and of what outlives its request, a detached call. */
export const JOURNAL_SETTINGS = {
  journal: flag({
    env: "EXAI_JOURNAL",
    fallback: true,
    help: "Whether calls are kept in journal.db, so that the daemon after a crash knows what became of them",
  }),
  journalMaxAgeMs: hours(
    {
      env: "EXAI_JOURNAL_MAX_AGE_HOURS",
      fallback: 24,
      help: "How long the journal keeps a session that is gone",
    },
    0.01,
    8760,
  ),
  journalMaxBytes: integer(
    {
      env: "EXAI_JOURNAL_MAX_BYTES",
      fallback: 64 * 1024 * KIB,
      unit: "bytes",
      help: "Answers the journal keeps, together; the oldest make room",
    },
    64 * KIB,
    4 * 1024 * 1024 * KIB,
  ),
  detachAfterMs: seconds(
    {
      env: "EXAI_DETACH_AFTER",
      fallback: 0,
      help: "Silence after which a call of EXAI's own tools is answered with a handle and goes on; 0: never",
    },
    0,
    86_400,
  ),
  detachMaxMs: seconds(
    {
      env: "EXAI_DETACH_MAX",
      fallback: 3600,
      help:
        "How long a call may take that can be answered with a handle, unless its server has a callTimeoutMs",
    },
    1,
    86_400,
  ),
} as const;
