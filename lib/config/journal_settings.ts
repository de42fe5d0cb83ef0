import { KIB } from "../base/units.ts";
import { flag, hours, integer } from "./setting.ts";

/** The settings of the journal that lets a daemon answer for the one before it. */
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
} as const;
