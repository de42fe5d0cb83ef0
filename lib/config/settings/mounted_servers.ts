import { KIB } from "../../base/units.ts";
import { flag, integer, seconds, setting, text } from "../setting.ts";

/** Mounted MCP servers: their file, their failures, their memory. */
export const MOUNTED_SERVER_SETTINGS = {
  config: text({
    env: "EXAI_CONFIG",
    help: "File of the mounted MCP servers; empty: mcp.json in EXAI_HOME, or in the system's place for it",
  }),
  keepLists: flag({
    env: "EXAI_KEEP_LISTS",
    fallback: true,
    help:
      "Whether what mounted servers offer is kept in lists.db, so that a window sees it at once after a restart",
  }),
  learnSharing: flag({
    env: "EXAI_LEARN_SHARING",
    fallback: true,
    help:
      "Whether a server in no table is shared further, or not at all, by what its processes were seen to do; kept in sharing.db",
  }),
  resolveWrappers: flag({
    env: "EXAI_RESOLVE_WRAPPERS",
    fallback: true,
    help:
      "Whether the program behind npx, pnpm dlx or uvx is started itself, in place of the wrapper and the one or two processes it costs",
  }),
  listWaitMs: integer(
    {
      env: "EXAI_LIST_WAIT",
      fallback: 100,
      unit: "ms",
      help:
        "How long a window's list waits for servers whose tools are not known yet; they follow with a notification, which a few clients ignore",
    },
    0,
    60_000,
  ),
  breakerFailures: integer(
    {
      env: "EXAI_BREAKER_FAILURES",
      fallback: 5,
      help:
        "Failures in a row (no answer in time, not reached, crashed) after which calls of a process of a mounted server are refused; 0: never",
    },
    0,
    1000,
  ),
  breakerOpenMs: seconds(
    {
      env: "EXAI_BREAKER_OPEN",
      fallback: 30,
      help: "How long they are refused before calls try it again, one every two seconds at first",
    },
    0.01,
    86_400,
  ),
  upstreamMemory: setting<number | "auto">(
    {
      env: "EXAI_UPSTREAM_MEMORY",
      fallback: "auto",
      help:
        "Memory mounted servers may hold together; beyond it the one not used for longest is stopped until its next call; auto: half of the machine's; 0: any",
    },
    {
      allowed: "auto, or a whole number of MiB",
      types: ["string", "integer"],
      unit: "MiB",
      read: (text) => {
        if (text === "auto") return text;
        return /^\d{1,8}$/.test(text) ? Number(text) * 1024 * KIB : undefined;
      },
    },
  ),
  upstreamMemoryLimitMib: integer(
    {
      env: "EXAI_UPSTREAM_MEMORY_LIMIT",
      fallback: 0,
      unit: "MiB",
      help:
        "Memory one mounted server may hold where mcp.json has no memoryLimitMb for it; one that holds more is replaced when its calls are done; 0: any",
    },
    0,
    1024 * 1024,
  ),
  upstreamProcesses: integer(
    {
      env: "EXAI_UPSTREAM_PROCESSES",
      fallback: 0,
      help: "Processes mounted servers may be together, in the same way; 0: any number",
    },
    0,
    100_000,
  ),
} as const;
