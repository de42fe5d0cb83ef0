import { OWN_TOOLS_RULES } from "../own_tools.ts";
import { directories, flag, hours, integer, list, oneOf, setting, text } from "../setting.ts";

/** Whether a window sees all tools, or a few and the two that find and call the others; `auto`: when there are many. */
export const SEARCH_MODES = ["off", "auto", "on"] as const;

/** Which tools are offered and what they may read and keep. */
export const TOOL_SETTINGS = {
  toolsDir: text({
    env: "EXAI_TOOLS_DIR",
    help: "Directory of tools of your own; empty: tools beside mcp.json",
  }),
  clinkFile: text({
    env: "EXAI_CLINK",
    help: "File of the agents that clink hands tasks to; empty: clink.json beside mcp.json",
  }),
  allowedDirs: directories({
    env: "EXAI_ALLOWED_DIRS",
    help:
      "Directories whose files every session's tools may read, beside its own directory and roots; over HTTP these alone",
  }),
  ownTools: setting({
    env: "EXAI_OWN_TOOLS",
    flag: "exai",
    fallback: "all",
    help:
      "EXAI's own tools that windows are offered, by client and directory; auto: those that can work now, a model being there or not; lean: the core tools",
  }, OWN_TOOLS_RULES),
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
  conversationTimeoutMs: hours(
    { env: "CONVERSATION_TIMEOUT_HOURS", fallback: 3, help: "How long a thread is kept after its last use" },
    0.01,
    8760,
  ),
  maxConversationTurns: integer(
    {
      env: "MAX_CONVERSATION_TURNS",
      fallback: 50,
      help: "Exchanges one thread holds; in a full one the oldest are summarised or left out",
    },
    1,
    10_000,
  ),
} as const;
