import { KIB } from "../../base/units.ts";
import { BOTH, bytes, flag, hours, seconds, setting, SHIM, text, textIf } from "../setting.ts";

/** How long sessions last, across cut connections and daemons, and how the shim keeps its own. */
export const SESSION_SETTINGS = {
  sessionId: text({
    env: "EXAI_SESSION_ID",
    programs: SHIM,
    help: "Name the shim asks for as its session id; empty: one is made",
  }),
  window: setting<string>(
    {
      env: "EXAI_WINDOW",
      programs: SHIM,
      help:
        "Name of the window this shim belongs to, the same for all clients of one window; empty: shims that one process started belong together",
    },
    {
      allowed: "empty, or at most 128 characters",
      read: textIf((text) => text.length <= 128),
    },
  ),
  server: text({
    env: "EXAI_SERVER",
    programs: SHIM,
    help: "The one mounted server this shim shows, under its own names; empty: all of them together",
  }),
  sessionIdleMs: seconds(
    {
      env: "EXAI_SESSION_IDLE",
      fallback: 3600,
      help:
        "A session over HTTP or a plain WebSocket that sends nothing for this long is closed when it has no call " +
        "running and waits for no updates; a shim's lasts as long as its window; 0: never",
    },
    0,
    604_800,
  ),
  resumeWindowMs: seconds(
    {
      env: "EXAI_RESUME_WINDOW",
      programs: BOTH,
      fallback: 60,
      help: "How long a session whose connection was cut waits for its client to come back",
    },
    0,
    86_400,
  ),
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
  journalMaxBytes: bytes(
    {
      env: "EXAI_JOURNAL_MAX_BYTES",
      fallback: 64 * 1024 * KIB,
      help: "Answers the journal keeps, together; the oldest make room",
    },
    64 * KIB,
    4 * 1024 * 1024 * KIB,
  ),
  autostart: flag({
    env: "EXAI_WS_AUTOSTART",
    programs: SHIM,
    fallback: true,
    help: "Whether the shim starts the daemon when none answers",
  }),
  connectTimeoutMs: seconds(
    {
      env: "EXAI_WS_CONNECT_TIMEOUT",
      programs: SHIM,
      fallback: 10,
      help: "How long the shim lets a request wait for the daemon before it answers with an error",
    },
    0.1,
    3600,
  ),
  shimRpcTimeoutMs: seconds(
    {
      env: "EXAI_SHIM_RPC_TIMEOUT",
      programs: SHIM,
      fallback: 0,
      help: "How long the shim waits for one answer; 0: as long as the daemon allows",
    },
    0,
    86_400,
  ),
} as const;
