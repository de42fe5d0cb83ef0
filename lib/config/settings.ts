import * as z from "zod/mini";
import { SEARCH_MODES } from "./client_tools.ts";
import { KIB, MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { CONNECTION_SETTINGS } from "./connection_settings.ts";
import { DOOR_SETTINGS } from "./door_settings.ts";
import { JOURNAL_SETTINGS } from "./journal_settings.ts";
import { PROVIDER_SETTINGS } from "./provider_settings.ts";
import {
  address,
  BOTH,
  directories,
  flag,
  hours,
  integer,
  list,
  oneOf,
  seconds,
  type Setting,
  setting,
  SHIM,
  text,
} from "./setting.ts";
import { AUTO_TOKEN, isToken, TOKEN_RULE } from "./token_rule.ts";
import { UPKEEP_SETTINGS } from "./upkeep_settings.ts";

export type { Program, Setting } from "./setting.ts";

const TOKEN = z.string().check(z.refine((value) => ["", AUTO_TOKEN].includes(value) || isToken(value)));

/** Every setting of both programs. The order is the order of `--help` and of docs/settings.md. */
export const SETTINGS = {
  host: address({
    env: "EXAI_WS_HOST",
    programs: BOTH,
    fallback: "127.0.0.1",
    help: "Address the daemon listens on",
  }),
  port: integer(
    {
      env: "EXAI_WS_PORT",
      programs: BOTH,
      fallback: 8765,
      help: "Port the daemon listens on; 0 takes a free one",
    },
    0,
    65535,
  ),
  token: {
    ...setting<string>(
      {
        env: "EXAI_WS_TOKEN",
        programs: BOTH,
        help: "Token clients must show; empty: none; auto: made once and kept in the state directory",
      },
      { allowed: `empty, auto, or ${TOKEN_RULE}`, schema: TOKEN },
    ),
    secret: true,
  },
  ...DOOR_SETTINGS,
  allowedHosts: list({
    env: "EXAI_WS_ALLOWED_HOSTS",
    help: "Host header values accepted beside loopback and the listening address",
  }),
  allowedOrigins: list({
    env: "EXAI_WS_ALLOWED_ORIGINS",
    help: "Origin header values accepted; any other Origin is refused",
  }),
  ...CONNECTION_SETTINGS,
  callTimeoutMs: seconds(
    { env: "EXAI_WS_CALL_TIMEOUT", fallback: 120, help: "How long one call may take" },
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
  sessionId: text({
    env: "EXAI_SESSION_ID",
    programs: SHIM,
    help: "Name the shim asks for as its session id; empty: one is made",
  }),
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
  ...JOURNAL_SETTINGS,
  drainTimeoutMs: seconds(
    {
      env: "EXAI_DRAIN_TIMEOUT",
      fallback: 10,
      help: "How long running calls may take to finish when the daemon stops",
    },
    0,
    3600,
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
  home: text({ env: "EXAI_HOME", programs: BOTH, help: "State directory; empty: the system's place for it" }),
  config: text({
    env: "EXAI_CONFIG",
    help: "File of the mounted MCP servers; empty: mcp.json in EXAI_HOME, or in the system's place for it",
  }),
  toolsDir: text({
    env: "EXAI_TOOLS_DIR",
    help: "Directory of tools of your own; empty: tools beside mcp.json",
  }),
  envFile: text({
    env: "ENV_FILE",
    programs: BOTH,
    flag: "env-file",
    help: "File of NAME=value lines read before the environment; empty: .env beside the program",
  }),
  keepLists: flag({
    env: "EXAI_KEEP_LISTS",
    fallback: true,
    help:
      "Whether what mounted servers offer is kept in lists.db, so that a window sees it at once after a restart",
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
  allowedDirs: directories({
    env: "EXAI_ALLOWED_DIRS",
    help:
      "Directories whose files every session's tools may read, beside its own directory and roots; over HTTP these alone",
  }),
  disabledTools: list({ env: "DISABLED_TOOLS", help: "Tools not offered, by name" }),
  leanMode: flag({
    env: "LEAN_MODE",
    fallback: false,
    help:
      "Offer only the core tools: version, health, listmodels, challenge, planner, chat, thinkdeep, codereview, debug",
  }),
  toolSearch: oneOf({
    env: "EXAI_TOOL_SEARCH",
    fallback: "off",
    help:
      "Whether windows see the core tools and find the others with find_tool and call_tool; auto: when there are many",
  }, SEARCH_MODES),
  toolSearchChars: integer(
    {
      env: "EXAI_TOOL_SEARCH_CHARS",
      fallback: 60_000,
      unit: "characters",
      help: "Size of all tool definitions beyond which EXAI_TOOL_SEARCH auto is on; four are about a token",
    },
    1000,
    10_000_000,
  ),
  ...PROVIDER_SETTINGS,
  conversationTimeoutMs: hours(
    { env: "CONVERSATION_TIMEOUT_HOURS", fallback: 3, help: "How long a thread is kept after its last use" },
    0.01,
    8760,
  ),
  maxConversationTurns: integer(
    {
      env: "MAX_CONVERSATION_TURNS",
      fallback: 50,
      help: "Exchanges one thread holds; a full one is refused",
    },
    1,
    10_000,
  ),
  metricsMaxBytes: integer(
    {
      env: "EXAI_METRICS_MAX_BYTES",
      programs: BOTH,
      fallback: 16 * 1024 * KIB,
      unit: "bytes",
      help: "Size at which metrics.jsonl and the log files are rotated",
    },
    KIB,
    1024 * 1024 * KIB,
  ),
  ...UPKEEP_SETTINGS,
} as const satisfies Record<string, Setting>;

/** The parsed settings: times in milliseconds, sizes in bytes. */
export type Settings = {
  -readonly [K in keyof typeof SETTINGS]: z.output<(typeof SETTINGS)[K]["schema"]>;
};

/** How often `health.json` is written when nothing changes, in milliseconds. */
export const HEALTH_INTERVAL_MS = 10 * SECOND_MS;

/** How long the shim and `--if-not-running` wait for a daemon they know is starting, in milliseconds. */
export const DAEMON_START_TIMEOUT_MS = MINUTE_MS / 2;
