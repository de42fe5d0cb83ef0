import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { KNOWN_SERVERS, knownServer } from "../lib/upstream/sharing/known_servers.ts";
import { testDaemon } from "./helpers/daemon.ts";
import { McpWindow } from "./helpers/mcp_window.ts";
import { rawServer } from "./helpers/raw_server.ts";

/** How each line is shared where nobody wrote it; `project` where nothing is known of the server. */
const LINES: Readonly<Record<"session" | "machine" | "project", readonly string[]>> = {
  session: [
    "npx -y @modelcontextprotocol/server-sequential-thinking",
    "npx --yes --package=@modelcontextprotocol/server-sequential-thinking@1.2 mcp-server-sequential-thinking",
    "node /home/u/servers/src/sequentialthinking/dist/index.js",
    "docker run -i --rm -e X=1 mcp/sequentialthinking",
    "npx -y @smithery/cli@latest run @smithery-ai/server-sequential-thinking --key abc",
    "npx -p @playwright/mcp@latest playwright-mcp",
    "bunx --bun @playwright/mcp",
    "deno run -A npm:@playwright/mcp@0.0.1",
    "node C:\\Users\\me\\playwright-mcp\\cli.js",
    "node /opt/node_modules/@playwright/mcp/cli.js --headless",
    "docker run -i --rm --init --pull=always mcr.microsoft.com/playwright/mcp:v1",
    "cmd /c npx -y @modelcontextprotocol/server-puppeteer",
    "cmd.exe /C npx -y @wonderwhy-er/desktop-commander@latest",
    "pnpm dlx chrome-devtools-mcp@0.9",
    "yarn dlx @executeautomation/playwright-mcp-server",
    "uvx browser-use[cli] --mcp",
    "python -m mcp_server_browser_use",
    "python -u /srv/ssh_server.py",
    "uv --directory /opt/mcp-ssh run server.py",
    "bash -lc 'npx -y ssh-mcp -- --host=1.2.3.4'",
    "bash -l -c 'npx -y ssh-mcp'",
    "npx -y shell-command-mcp",
    "npx -y tmux-mcp",
    "uv tool run jupyter-mcp-server",
    "docker run --name x -v /a:/b ghcr.io/oraios/serena:latest serena start-mcp-server",
    "uvx --from git+https://github.com/oraios/serena serena start-mcp-server --context ide",
    "npx -y mcp-debugger",
    "npx -y mcp-server-kubernetes",
    "/usr/local/bin/mongodb-mcp-server",
    "npx -y @e2b/mcp-server",
    "npx -y @delorenj/mcp-server-trello",
    "npx -y supergateway --stdio 'npx -y @playwright/mcp'",
    "env FOO=1 npx -y @playwright/mcp",
    "mise x node@20 -- npx -y @playwright/mcp",
    "https://server.smithery.ai/@smithery-ai/server-sequential-thinking/mcp",
  ],
  machine: [
    "npx -y @modelcontextprotocol/server-memory",
    "deno run -A npm:@modelcontextprotocol/server-memory@2026.8.31",
    "docker run -i -v claude-memory:/app/dist --rm mcp/memory",
  ],
  project: [
    "npx -y @modelcontextprotocol/server-filesystem /home/me/browser /shell",
    "uvx mcp-server-git --repository /home/me/ssh-tools",
    "npx -y @modelcontextprotocol/server-github",
    "npx -y mcp-memory-service",
    "memory-bank-mcp",
    "node ./server.js --name terminal",
    "php artisan boost:mcp",
    "https://mcp.example.com/mcp",
  ],
};

function configOf(line: string): Partial<ServerConfig> {
  if (line.startsWith("https:")) return { kind: "http", url: line } as Partial<ServerConfig>;
  const [command, ...args] = line.match(/'[^']*'|\S+/g)!.map((word) => word.replaceAll("'", ""));
  return { kind: "stdio", command, args };
}

for (const [share, lines] of Object.entries(LINES)) {
  Deno.test(`${share}: servers are known by their program, however it is started, and not by its arguments`, () => {
    for (const line of lines) {
      const found = knownServer(configOf(line) as ServerConfig)?.share ?? "project";
      assertEquals(found, share, line);
    }
  });
}

/** How many processes two windows have, in one directory or in two. */
async function processes(config: Partial<ServerConfig>, dirs: [string, string]): Promise<number> {
  await using raw = rawServer({
    config: { share: "auto", headers: {}, ...config } as Partial<ServerConfig>,
    answer: ({ method }) =>
      method === "tools/list" ? { tools: [{ name: "t", inputSchema: { type: "object" } }] } : { content: [] },
  });
  await using it = await testDaemon({ servers: [raw.mounted] });
  await using ada = await McpWindow.open(it.url, { roots: {} }, { roots: [`file://${dirs[0]}`] });
  await using bob = await McpWindow.open(it.url, { roots: {} }, { roots: [`file://${dirs[1]}`] });
  for (const window of [ada, bob, ada]) await window.call("t");
  return raw.connections.length;
}

const THINKING = configOf("npx -y @modelcontextprotocol/server-sequential-thinking");
const MEMORY = configOf("npx -y @modelcontextprotocol/server-memory");

for (
  const [what, config, dirs, count] of [
    ["a server that keeps one conversation", THINKING, ["/a", "/a"], 2],
    ["the same where its owner wrote that it is shared", { ...THINKING, share: "machine" }, ["/a", "/b"], 1],
    ["a server that nothing is known of, in one directory", configOf("node x.js"), ["/a", "/a"], 1],
    ["a server that nothing is known of, in two", configOf("node x.js"), ["/a", "/b"], 2],
    ["a server of files, in two directories", configOf("npx -y @modelcontextprotocol/server-filesystem /x"), [
      "/a",
      "/b",
    ], 2],
    ["the server of one memory file, in two directories", MEMORY, ["/a", "/b"], 1],
    ["the same where its owner wrote session", { ...MEMORY, share: "session" }, ["/a", "/a"], 2],
    ["a server behind a URL, in two directories", configOf("https://mcp.example.com/mcp"), ["/a", "/b"], 1],
  ] as [string, Partial<ServerConfig>, [string, string], number][]
) {
  Deno.test(`two windows have ${count} of ${what}`, async () => {
    assertEquals(await processes(config, dirs), count);
  });
}

Deno.test("each server of the table is known by each of its names, beside what else a package is called", () => {
  for (const { share, why, words, isExact } of KNOWN_SERVERS) {
    assert(words.length > 0, why);
    assertMatch(why, /^(it|two processes of it) \w+ /);
    for (const word of words) {
      assertMatch(word, /^[\w]+( [\w]+)*$/);
      const name = word.replaceAll(" ", "-");
      const found = knownServer(
        configOf(isExact ? `npx -y ${name}` : `npx -y xy-${name}-yx`) as ServerConfig,
      );
      assertEquals([found?.share, found?.why], [share, why], word);
    }
  }
});
