import { assertEquals, assertStringIncludes } from "@std/assert";
import type { PreparedAdoption } from "../lib/adopt/prepare.ts";
import { TestUser } from "./helpers/adoption.ts";

const FILES = { command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "/srv"] };
const MEMORY = { command: "npx", args: ["-y", "@modelcontextprotocol/server-memory"] };
const CURSOR = "{home}/.cursor/mcp.json";
const CLAUDE = "{claudeState}";

const json = (value: unknown) => JSON.stringify(value, null, 2) + "\n";
const servers = (entries: Record<string, unknown>) => json({ mcpServers: entries });

function modes({ plan }: PreparedAdoption): Record<string, string> {
  return Object.fromEntries(plan.files.map(({ reading, changes }) => [
    reading.found.client.id,
    changes.some(({ kind }) => kind === "pointed") ? "each" : "together",
  ]));
}

const RULES: [client: string, file: string, at: string, rule: unknown][] = [
  ["claude-code", "{claudeState}", "{claude}/settings.json", {
    permissions: { allow: ["mcp__files__read_file"] },
  }],
  ["claude-code", "{claudeState}", "{claude}/settings.json", { permissions: { deny: ["mcp__files"] } }],
  ["claude-code", "{claudeState}", "{project}/.claude/settings.local.json", {
    permissions: { ask: ["mcp__files__*"] },
  }],
  [
    "claude-code",
    "{claudeState}",
    "{claude}/agents/reader.md",
    "---\ntools: Read, mcp__files__read_file\n---\n",
  ],
  ...["mcp__.*__write.*", "mcp__(files|git)__.*", "Bash|mcp__fi.*"].map((matcher): typeof RULES[number] => {
    return ["claude-code", "{claudeState}", "{claude}/settings.json", {
      hooks: { PreToolUse: [{ matcher, hooks: [] }] },
    }];
  }),
  [
    "claude-code",
    "{claudeState}",
    "{claude}/agents/team/reader.md",
    "---\ntools: mcp__files__read_file\n---\n",
  ],
  ["claude-code", "{claudeState}", "{claude}/agents/reader.md", "---\nmcpServers:\n  - files\n---\n"],
  [
    "claude-code",
    "{claudeState}",
    "{project}/.claude/commands/a/b.md",
    "---\nallowed-tools: mcp__files\n---\n",
  ],
  ["gemini", "{gemini}/settings.json", "{project}/.gemini/settings.json", {
    hooks: { BeforeTool: [{ matcher: "mcp_files_.*", hooks: [] }] },
  }],
  [
    "gemini",
    "{gemini}/settings.json",
    "{gemini}/agents/reader.md",
    "---\ntools:\n  - mcp_files_read_file\n---\n",
  ],
  ["kiro", "{home}/.kiro/settings/mcp.json", "{home}/.kiro/agents/reader.json", {
    allowedTools: ["@files/read_file"],
  }],
  ["amazon-q", "{home}/.aws/amazonq/mcp.json", "{home}/.aws/amazonq/cli-agents/a.json", {
    tools: ["@files"],
  }],
  ["claude-code", "{project}/.mcp.json", "{claude}/settings.json", { enabledMcpjsonServers: ["files"] }],
  ["cursor", CURSOR, "{home}/.cursor/permissions.json", { mcpAllowlist: ["files:*"] }],
  ["cursor", CURSOR, "{home}/.cursor/cli-config.json", { permissions: { allow: ["Mcp(files:read_file)"] } }],
  ["copilot-cli", "{copilot}/mcp-config.json", "{copilot}/permissions-config.json", {
    approvals: ["files(read)"],
  }],
  [
    "gemini",
    "{gemini}/settings.json",
    "{gemini}/policies/mine.toml",
    '[[rule]]\nmcpName = "files"\ndecision = "allow"\n',
  ],
];

for (const [client, file, at, rule] of RULES) {
  Deno.test(`${client} keeps an entry for each server where ${at} names one: ${JSON.stringify(rule)}`, async () => {
    await using user = await TestUser.create();
    await user.write(file, servers({ files: FILES, memory: MEMORY }));
    assertEquals(modes(await user.prepare()), { [client]: "together" });
    await user.write(at, typeof rule === "string" ? rule : json(rule));
    assertEquals(modes(await user.adopt()), { [client]: "each" });
    const written = JSON.parse(await user.read(file)).mcpServers;
    assertEquals(Object.keys(written).toSorted(), ["exai", "files", "memory"], "names are as before");
    assertStringIncludes(JSON.stringify(written.files), "--server=files");
  });
}

Deno.test("a rule in any project that Claude Code lists keeps its servers apart", async () => {
  await using user = await TestUser.create();
  const shop = `${user.dir}/shop`;
  await user.write(CLAUDE, json({ mcpServers: { files: FILES }, projects: { [shop]: {} } }));
  await Deno.mkdir(`${shop}/.claude`, { recursive: true });
  await Deno.writeTextFile(
    `${shop}/.claude/settings.local.json`,
    json({ permissions: { allow: ["mcp__files__x"] } }),
  );
  assertEquals(modes(await user.prepare()), { "claude-code": "each" });
});

Deno.test("rules for other servers, and texts that only look like a rule, keep nothing apart", async () => {
  await using user = await TestUser.create();
  await user.write(CLAUDE, servers({ files: FILES }));
  await user.write(
    "{claude}/settings.json",
    json({
      permissions: { allow: ["mcp__files2__x", "mcp__myfiles__x", "Bash(files)"] },
      env: { NOTE: "mcp__files__x" },
    }),
  );
  assertEquals(modes(await user.prepare()), { "claude-code": "together" });
});

Deno.test("one rule concerns every file of its client, and no other client", async () => {
  await using user = await TestUser.create();
  await user.write(CURSOR, servers({ files: FILES }));
  await user.write("{project}/.cursor/mcp.json", servers({ memory: MEMORY }));
  await user.write(CLAUDE, servers({ files: FILES }));
  await user.write("{home}/.cursor/permissions.json", json({ mcpAllowlist: ["files:read"] }));
  const { plan } = await user.adopt();
  assertEquals(
    plan.files.map(({ reading: { found: { client } }, changes }) => [client.id, changes[0]!.kind]),
    [
      ["claude-code", "removed"],
      ["cursor", "pointed"],
      ["cursor", "pointed"],
    ],
  );
});

Deno.test("a rule for another server is none for this one", async () => {
  await using user = await TestUser.create();
  await user.write(CLAUDE, servers({ files: FILES, memory: MEMORY }));
  await user.write("{codex}/config.toml", '[mcp_servers.files]\ncommand = "files-mcp"\n');
  const hooks = (matcher: string) => json({ hooks: { PreToolUse: [{ matcher, hooks: [] }] } });
  await user.write("{claude}/settings.json", hooks("mcp__filesystem__.*|mcp__git.*|Write"));
  await user.write("{claude}/agents/a.md", "---\nmcpServers: [git]\n---\nReads files\n- files\n");
  await user.write("{codex}/hooks.json", hooks("mcp__git__.*"));
  assertEquals(modes(await user.prepare()), { "claude-code": "together", codex: "together" });
  await user.write("{codex}/hooks.json", hooks("mcp__files__.*"));
  assertEquals(modes(await user.prepare()), { "claude-code": "together", codex: "each" });
});
