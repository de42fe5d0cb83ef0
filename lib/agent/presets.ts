import type { AgentFormat, PresetName } from "../config/clink_keys.ts";

/** How a known agent is started. Its command line is `args`, permissions, model, the user's arguments, then one of the ends. */
export interface AgentPreset {
  command: string;
  args: readonly string[];
  /** What lets it read and answer, and no more; replaced as a whole by `permissions` in `clink.json`. */
  restricted: { args: readonly string[]; env?: Readonly<Record<string, string>> };
  modelArgs: readonly string[];
  /** The end of the command line for a new session. */
  startArgs: readonly string[];
  /** The end of the command line that continues a session. */
  resumeArgs: readonly string[];
  format: AgentFormat;
  /** Variables of the user's environment that it signs in with or finds its own files by. */
  passes: readonly string[];
  /** How to install it. */
  install: string;
  /** What to do about a failure, by exit code. */
  adviceByCode?: Readonly<Record<number, string>>;
}

const AWS = [
  "AWS_REGION",
  "AWS_PROFILE",
  "AWS_ACCESS_KEY_ID",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "AWS_BEARER_TOKEN_BEDROCK",
];
const GOOGLE = [
  "GEMINI_API_KEY",
  "GOOGLE_API_KEY",
  "GOOGLE_CLOUD_PROJECT",
  "GOOGLE_CLOUD_LOCATION",
  "GOOGLE_APPLICATION_CREDENTIALS",
];

/** The known agents, in order of preference. */
export const PRESETS = {
  /** https://code.claude.com/docs/en/headless */
  claude: {
    command: "claude",
    args: ["-p", "--output-format", "stream-json", "--verbose"],
    // In this mode Claude Code trusts every directory: what a repository's own settings permit, and its hooks, would count.
    restricted: { args: ["--permission-mode", "default", "--setting-sources", "user"] },
    modelArgs: ["--model", "{model}"],
    startArgs: [],
    resumeArgs: ["--resume", "{session}"],
    format: "claude",
    passes: [
      "ANTHROPIC_API_KEY",
      "ANTHROPIC_AUTH_TOKEN",
      "ANTHROPIC_BASE_URL",
      "ANTHROPIC_CUSTOM_HEADERS",
      "ANTHROPIC_MODEL",
      "ANTHROPIC_DEFAULT_OPUS_MODEL",
      "ANTHROPIC_DEFAULT_SONNET_MODEL",
      "ANTHROPIC_DEFAULT_HAIKU_MODEL",
      "CLAUDE_CODE_OAUTH_TOKEN",
      "CLAUDE_CODE_USE_BEDROCK",
      "CLAUDE_CODE_USE_VERTEX",
      "CLAUDE_CONFIG_DIR",
      "CLAUDE_CODE_GIT_BASH_PATH",
      "ANTHROPIC_VERTEX_PROJECT_ID",
      "CLOUD_ML_REGION",
      ...AWS,
    ],
    install: "npm install -g @anthropic-ai/claude-code",
  },
  /** https://developers.openai.com/codex/noninteractive */
  codex: {
    command: "codex",
    args: ["exec", "--json", "--skip-git-repo-check"],
    restricted: { args: ["--sandbox", "read-only"] },
    modelArgs: ["--model", "{model}"],
    startArgs: ["-"],
    resumeArgs: ["resume", "{session}", "-"],
    format: "codex",
    passes: ["CODEX_API_KEY", "CODEX_HOME", "OPENAI_API_KEY", "OPENAI_BASE_URL"],
    install: "npm install -g @openai/codex",
  },
  /** https://geminicli.com/docs/cli/headless/ */
  gemini: {
    command: "gemini",
    args: ["--output-format", "stream-json"],
    restricted: { args: ["--approval-mode", "default"] },
    modelArgs: ["--model", "{model}"],
    startArgs: [],
    resumeArgs: ["--resume", "{session}"],
    format: "gemini",
    passes: [...GOOGLE, "GEMINI_CLI_HOME", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_GENAI_USE_VERTEXAI"],
    install: "npm install -g @google/gemini-cli",
    adviceByCode: {
      41:
        "sign in by running gemini in a terminal once, or write GEMINI_API_KEY into env of gemini in clink.json",
      55: "run gemini in a terminal in this directory once and trust it, or write " +
        '"permissions": ["--skip-trust", "--approval-mode", "default"] for it into clink.json',
    },
  },
  /** https://opencode.ai/docs/cli/ */
  opencode: {
    command: "opencode",
    args: ["run", "--format", "json"],
    restricted: {
      // Without the plugins, servers and permissions that a repository may bring along.
      args: ["--pure"],
      env: {
        OPENCODE_DISABLE_PROJECT_CONFIG: "1",
        OPENCODE_PERMISSION: JSON.stringify({ edit: "deny", bash: "deny" }),
      },
    },
    modelArgs: ["--model", "{model}"],
    startArgs: [],
    resumeArgs: ["--session", "{session}"],
    format: "opencode",
    passes: [
      "OPENCODE_CONFIG",
      "OPENCODE_CONFIG_DIR",
      "ANTHROPIC_API_KEY",
      "OPENAI_API_KEY",
      "OPENROUTER_API_KEY",
      ...GOOGLE,
      ...AWS,
    ],
    install: "npm install -g opencode-ai",
  },
} as const satisfies Record<PresetName, AgentPreset>;
