import { assert, assertEquals, assertMatch } from "@std/assert";
import type { ServerConfig } from "../lib/config/server_config.ts";
import { KNOWN_SERVERS, TELLING_WORDS } from "../lib/config/known_servers.ts";
import { decideShare } from "../lib/upstream/sharing/decide_share.ts";
import { knownServer } from "../lib/upstream/sharing/known_servers.ts";
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
    "docker run -i --rm --pull always --log-driver none mcr.microsoft.com/playwright/mcp",
    "sh -c 'cd /srv/x && npx -y @playwright/mcp'",
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
    "npm exec -y @modelcontextprotocol/server-memory",
    "npm exec --package=@modelcontextprotocol/server-memory -- mcp-server-memory",
    "npx -y -p @modelcontextprotocol/server-memory@latest mcp-server-memory",
    "bunx @modelcontextprotocol/server-memory",
    "pnpm dlx @modelcontextprotocol/server-memory",
    "node /usr/lib/node_modules/@modelcontextprotocol/server-memory/dist/index.js",
    "node C:\\Users\\me\\AppData\\Roaming\\npm\\node_modules\\@modelcontextprotocol\\server-memory\\dist\\index.js",
    "node /home/me/src/servers/src/memory/dist/index.js",
    "/home/me/.local/bin/mcp-server-memory",
    "C:\\tools\\mcp-server-memory.exe",
    "npx -y @upstash/context7-mcp@latest",
    "npx -y @upstash/context7-mcp --api-key abc",
    "bunx --bun @upstash/context7-mcp",
    "yarn dlx @upstash/context7-mcp",
    "cmd /c npx -y @upstash/context7-mcp",
    "context7-mcp",
    "node /home/me/.npm/_npx/0a1b/node_modules/@upstash/context7-mcp/dist/index.js",
    "npx -y @smithery/cli@latest run @upstash/context7-mcp --key abc",
    "https://mcp.context7.com/mcp",
    "uvx mcp-server-fetch",
    "uvx mcp-server-fetch@2026.10.24",
    "uvx --from mcp-server-fetch==2025.1.17 mcp-server-fetch",
    "uvx -p 3.12 mcp-server-fetch",
    "uv tool run mcp_server_fetch",
    "pipx run mcp-server-fetch",
    "pipx run --spec mcp-server-fetch mcp-server-fetch --ignore-robots-txt",
    "uv run mcp-server-fetch",
    "python -m mcp_server_fetch",
    "python3.12 -u -m mcp_server_fetch",
    "/opt/venv/bin/python /opt/venv/lib/python3.12/site-packages/mcp_server_fetch/__main__.py",
    "/home/me/.local/bin/mcp-server-fetch",
    "docker run -i --rm mcp/fetch:latest",
    "podman run -i --rm docker.io/mcp/fetch@sha256:abc",
    "bash -lc 'uvx mcp-server-fetch'",
    "sh -c 'npx -y @upstash/context7-mcp'",
    "docker run -i --rm node:22 npx -y @upstash/context7-mcp",
    "docker run -i --rm node:22 npx -y -p @upstash/context7-mcp context7-mcp",
    "npx -y @notionhq/notion-mcp-server",
    "docker run --rm -i -e OPENAPI_MCP_HEADERS mcp/notion",
    "https://mcp.notion.com/mcp",
    "npx -y @modelcontextprotocol/server-github",
    "docker run -i --rm -e GITHUB_PERSONAL_ACCESS_TOKEN ghcr.io/github/github-mcp-server",
    "/usr/local/bin/github-mcp-server stdio",
    "go run github.com/github/github-mcp-server/cmd/github-mcp-server@latest stdio",
    "https://api.githubcopilot.com/mcp/",
    "npx -y @modelcontextprotocol/server-postgres postgresql://me:pw@localhost/db",
    "docker run -i --rm mcp/postgres postgresql://host.docker.internal/db",
    "uvx postgres-mcp --access-mode=restricted",
    "npx -y @modelcontextprotocol/server-brave-search",
    "npx -y @brave/brave-search-mcp-server --transport stdio",
    "uvx mcp-server-time --local-timezone=Europe/Berlin",
    "npx -y @modelcontextprotocol/server-slack",
    "npx -y @sentry/mcp-server@latest --access-token=abc",
    "https://mcp.sentry.dev/mcp/my-org",
    "https://mcp.linear.app/sse",
    "https://docs.mcp.cloudflare.com/sse",
    "uvx awslabs.aws-documentation-mcp-server@latest",
    "nix run github:utensils/mcp-nixos --",
  ],
  project: [
    "npx -y @modelcontextprotocol/server-filesystem /home/me/browser /shell",
    "mcp-server-filesystem /home/me",
    "docker run -i --rm --mount type=bind,src=/home/me,dst=/projects mcp/filesystem /projects",
    "uvx mcp-server-git --repository /home/me/ssh-tools",
    "uv --directory /home/me/src/servers/src/git run mcp-server-git",
    "python -m mcp_server_git",
    "npx -y @supabase/mcp-server-supabase@latest --read-only --project-ref=abc",
    "https://mcp.supabase.com/mcp?project_ref=abc",
    "npx -y --package=task-master-ai task-master-ai",
    "npx nx-mcp@latest /home/me/ws",
    "npx shadcn@latest mcp",
    "npx -y @angular/cli mcp",
    "/opt/homebrew/bin/php84 /home/me/app/artisan boost:mcp",
    "npx -y figma-developer-mcp --figma-api-key=abc --stdio",
    "npx -y @upstash/context7-mcp@file:../own",
    "npx -y @upstash/context7-mcp@file:own",
    "node ./server-memory.js",
    "node /srv/mine/mcp-server-memory.mjs",
    "python /srv/mine/mcp_server_fetch.py",
    "uv run mcp_server_fetch.py",
    "sh -c 'MEMORY_FILE_PATH=$PWD/memory.json npx -y @modelcontextprotocol/server-memory'",
    "npx -y mcp-memory-service",
    "memory-bank-mcp",
    "node ./server.js --name terminal",
    "php artisan boost:mcp",
    // Their arguments name the workspace.
    "npx -y @upstash/context7-mcp --cache .",
    "uvx arxiv-mcp-server --storage-path ./papers",
    "uvx mcp-server-fetch --config=../x.json",
    "npx -y @upstash/context7-mcp --cache ${workspaceFolder}",
    "node ./node_modules/@upstash/context7-mcp/dist/index.js",
    "bash -c 'cd ./app && npx -y @upstash/context7-mcp'",
    "docker run -v ./data:/data -i mcp/fetch",
    "docker run -v .:/data -i mcp/fetch",
    "docker run --mount type=bind,src=.,dst=/data -i mcp/fetch",
    // Names alike.
    "npx -y mcp-server-fetch",
    "uvx context7-mcp",
    "sh -c 'npx -y mcp-server-fetch'",
    "npx -y -p @other/package context7-mcp",
    "uvx --from git+https://github.com/other/fork mcp-server-fetch",
    "npx -y @other/context7-mcp",
    "npx -y @upstash/context7-mcp-fork",
    "node /home/me/time/src/index.js",
    "docker run -i other/fetch",
    "https://mcp.context7.com.example.org/mcp2",
  ],
};

function configOf(line: string): Partial<ServerConfig> {
  if (line.startsWith("https:")) return { kind: "http", url: line, headers: {} } as Partial<ServerConfig>;
  const [command, ...args] = line.match(/'[^']*'|\S+/g)!.map((word) => word.replaceAll("'", ""));
  return { kind: "stdio", command, args, env: {} };
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

/** How `name` of each kind is started. */
const STARTS: Readonly<Record<string, (name: string) => string[]>> = {
  npm: (name) => [`npx -y ${name}`, `bunx ${name}@1.2.3`, `node /x/node_modules/${name}/dist/index.js`],
  pypi: (name) => [`uvx ${name}@latest`, `uv tool run ${name}`, `python -m ${name.replaceAll("-", "_")}`],
  image: (name) => [`docker run -i --rm ${name}:1.0`, `podman run -i ${name}`],
  program: (name) => [name, `/usr/local/bin/${name}`, `C:\\bin\\${name}.exe`],
  repo: (name) => [`uvx --from git+https://github.com/${name}.git x`, `nix run github:${name}`],
  folder: (name) => [`node /home/me/${name}/dist/index.js`],
  host: (name) => [`https://${name.replace("*", "docs")}/mcp`],
};

Deno.test("each server of the table is known by each of its names, however it is started", () => {
  assert(KNOWN_SERVERS.length >= 100);
  for (const server of KNOWN_SERVERS) {
    assertMatch(server.why, /^(it|two processes of it) \w+ /);
    assert(!(server.share === "machine" && server.cwd), server.title);
    let names = 0;
    for (const [kind, starts] of Object.entries(STARTS)) {
      for (const name of server[kind as "npm"] ?? []) {
        names++;
        for (const line of starts(name)) {
          const found = knownServer(configOf(line) as ServerConfig);
          assertEquals([found?.share, found?.why], [server.share, server.why], line);
        }
      }
    }
    assert(names > 0, server.title);
  }
});

Deno.test("no name of the table is of two servers", () => {
  const names = KNOWN_SERVERS.flatMap((server) =>
    Object.keys(STARTS).flatMap((kind) => server[kind as "npm"]?.map((name) => `${kind}:${name}`) ?? [])
  );
  assertEquals(names.filter((name, i) => names.indexOf(name) !== i), []);
});

Deno.test("a server in no table is known by a telling word, beside what else a package is called", () => {
  for (const { share, why, words, isExact } of TELLING_WORDS) {
    assert(words.length > 0, why);
    assertMatch(why, /^(it|two processes of it) \w+ /);
    for (const word of words) {
      assertMatch(word, /^[\w]+( [\w]+)*$/);
      const name = word.replaceAll(" ", "-");
      const line = isExact ? `npx -y ${name}` : `npx -y xy-${name}-yx`;
      assertEquals(knownServer(configOf(line) as ServerConfig)?.share, share, word);
    }
  }
});

Deno.test("one process of a server that writes a memory file serves all; of others another may be started", () => {
  const decided = (config: object) => {
    const { scope, canIsolate } = decideShare({ share: "auto", env: {}, ...config } as ServerConfig);
    return [scope, canIsolate];
  };
  const env = (MEMORY_FILE_PATH: string) => ({ ...MEMORY, env: { MEMORY_FILE_PATH } });
  assertEquals(decided(MEMORY), ["machine", false]);
  assertEquals(decided(env("/home/me/memory.json")), ["machine", false]);
  // The server takes a relative path as one beside its package.
  assertEquals(decided(env("./memory.json")), ["machine", false]);
  assertEquals(decided(env("${workspaceFolder}/memory.json")), ["project", false]);
  assertEquals(decided({ ...MEMORY, cwd: "sub" }), ["project", false]);
  assertEquals(decided({ ...MEMORY, cwd: "/srv" }), ["machine", false]);
  const context7 = configOf("npx -y @upstash/context7-mcp");
  assertEquals(decided(context7), ["machine", true]);
  assertEquals(decided({ ...context7, env: { CACHE_DIR: "./cache" } }), ["project", true]);
  assertEquals(decided({ ...context7, share: "session" }), ["session", false]);
  assertEquals(decided({ ...THINKING, share: "machine" })[0], "machine");
});
