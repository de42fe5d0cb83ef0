/** How a client starts the shim. */
export interface ShimEntry {
  command: string;
  args: string[];
  env: Record<string, string>;
}

/** One conversation of a client. */
interface Conversation {
  args: string[];
  env: Record<string, string>;
  /** Files of its home directory, by path. */
  files: Record<string, string>;
}

/** A client that others wrote. */
export interface RealClient {
  name: string;
  /** Its package on npm. */
  package: string;
  /** The program in the package. */
  program: string;
  /** Where the tools it sees are read: in what it sends its model, or in what it prints. */
  shows: "to its model" | "on stdout";
  converse(shim: ShimEntry, modelUrl: string): Conversation;
}

const CONFIG = ".mcp-clients.json";

/** `shim` as the only server, in the form most clients have. */
function mcpServers(shim: ShimEntry): string {
  return JSON.stringify({ mcpServers: { exai: shim } });
}

/** The lines by which Codex speaks with the scripted model; its key is `OPENAI_API_KEY`. */
export function codexModel(modelUrl: string): string[] {
  return [
    'model = "gpt-5.2"',
    'model_provider = "scripted"',
    "[model_providers.scripted]",
    'name = "scripted"',
    `base_url = ${JSON.stringify(`${modelUrl}/v1`)}`,
    'wire_api = "responses"',
    'env_key = "OPENAI_API_KEY"',
  ];
}

export const CLIENTS: readonly RealClient[] = [
  {
    name: "Claude Code",
    package: "@anthropic-ai/claude-code",
    program: "claude",
    shows: "to its model",
    converse: (shim, modelUrl) => ({
      args: ["-p", "hello", "--strict-mcp-config", "--mcp-config", CONFIG],
      env: {
        ANTHROPIC_BASE_URL: modelUrl,
        ANTHROPIC_API_KEY: "none",
        CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
        // Names only would be sent otherwise once there are many tools.
        ENABLE_TOOL_SEARCH: "false",
      },
      files: { [CONFIG]: mcpServers(shim) },
    }),
  },
  {
    name: "Codex",
    package: "@openai/codex",
    program: "codex",
    shows: "to its model",
    converse: ({ command, args, env }, modelUrl) => ({
      args: ["exec", "--skip-git-repo-check", "hello"],
      env: { OPENAI_API_KEY: "none" },
      files: {
        ".codex/config.toml": [
          ...codexModel(modelUrl),
          "[mcp_servers.exai]",
          `command = ${JSON.stringify(command)}`,
          `args = ${JSON.stringify(args)}`,
          "[mcp_servers.exai.env]",
          ...Object.entries(env).map(([name, value]) => `${name} = ${JSON.stringify(value)}`),
        ].join("\n"),
      },
    }),
  },
  {
    name: "opencode",
    package: "opencode-ai",
    program: "opencode",
    shows: "to its model",
    converse: ({ command, args, env }, modelUrl) => ({
      args: ["run", "hello"],
      env: {},
      files: {
        ".config/opencode/opencode.json": JSON.stringify({
          autoupdate: false,
          model: "scripted/one",
          provider: {
            scripted: {
              npm: "@ai-sdk/openai-compatible",
              name: "scripted",
              options: { baseURL: `${modelUrl}/v1`, apiKey: "none" },
              models: { one: { name: "one" } },
            },
          },
          mcp: { exai: { type: "local", command: [command, ...args], environment: env, enabled: true } },
        }),
      },
    }),
  },
  {
    name: "Gemini CLI",
    package: "@google/gemini-cli",
    program: "gemini",
    shows: "to its model",
    converse: ({ command, args, env }, modelUrl) => ({
      args: ["--skip-trust", "-p", "hello"],
      env: { GEMINI_API_KEY: "none", GOOGLE_GEMINI_BASE_URL: modelUrl },
      files: {
        ".gemini/settings.json": JSON.stringify({
          security: { auth: { selectedType: "gemini-api-key" } },
          privacy: { usageStatisticsEnabled: false },
          mcpServers: { exai: { command, args, env, trust: true } },
        }),
      },
    }),
  },
  {
    name: "MCP Inspector",
    package: "@modelcontextprotocol/inspector",
    program: "mcp-inspector",
    shows: "on stdout",
    converse: (shim) => ({
      args: ["--cli", "--config", CONFIG, "--server", "exai", "--method", "tools/list"],
      env: {},
      files: { [CONFIG]: mcpServers(shim) },
    }),
  },
  {
    name: "mcporter",
    package: "mcporter",
    program: "mcporter",
    shows: "on stdout",
    converse: (shim) => ({
      args: ["--config", CONFIG, "list", "exai", "--json"],
      env: {},
      files: { [CONFIG]: mcpServers(shim) },
    }),
  },
];
