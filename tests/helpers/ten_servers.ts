import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, toFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { childrenOf, processesWith } from "./proc.ts";
import { signalProgram, startDaemon } from "./program.ts";
import { Shim } from "./shim.ts";

type Sharing = "machine" | "project" | "session";

/** Ten widely used servers as their documentation has them, and who shares a process of each. */
const SERVERS: Record<string, { entry: JsonObject; shared: Sharing; tool: string }> = {
  filesystem: {
    entry: { command: "npx", args: ["-y", "@modelcontextprotocol/server-filesystem", "${workspaceFolder}"] },
    shared: "project",
    tool: "modelcontextprotocol_server_filesystem_run",
  },
  memory: {
    entry: { command: "npx", args: ["-y", "@modelcontextprotocol/server-memory"] },
    shared: "machine",
    tool: "modelcontextprotocol_server_memory_run",
  },
  github: {
    entry: {
      command: "docker",
      args: [
        "run",
        "-i",
        "--rm",
        "-e",
        "GITHUB_PERSONAL_ACCESS_TOKEN",
        "ghcr.io/github/github-mcp-server",
      ],
      env: { GITHUB_PERSONAL_ACCESS_TOKEN: "ghp_0" },
    },
    shared: "machine",
    tool: "ghcr_io_github_github_mcp_server_run",
  },
  playwright: {
    entry: { command: "npx", args: ["@playwright/mcp@latest"] },
    shared: "session",
    tool: "playwright_mcp_run",
  },
  puppeteer: {
    entry: { command: "npx", args: ["-y", "@modelcontextprotocol/server-puppeteer"] },
    shared: "session",
    tool: "modelcontextprotocol_server_puppeteer_run",
  },
  context7: {
    entry: { command: "npx", args: ["-y", "@upstash/context7-mcp"] },
    shared: "machine",
    tool: "upstash_context7_mcp_run",
  },
  "sequential-thinking": {
    entry: { command: "npx", args: ["-y", "@modelcontextprotocol/server-sequential-thinking"] },
    shared: "session",
    tool: "modelcontextprotocol_server_sequential_thinking_run",
  },
  fetch: {
    entry: { command: "uvx", args: ["mcp-server-fetch"] },
    shared: "machine",
    tool: "mcp_server_fetch_run",
  },
  postgres: {
    entry: {
      command: "npx",
      args: ["-y", "@modelcontextprotocol/server-postgres", "postgresql://localhost/mydb"],
    },
    shared: "machine",
    tool: "modelcontextprotocol_server_postgres_run",
  },
  notion: {
    entry: {
      command: "npx",
      args: ["-y", "@notionhq/notion-mcp-server"],
      env: { NOTION_TOKEN: "ntn_0" },
    },
    shared: "machine",
    tool: "notionhq_notion_mcp_server_run",
  },
};

export const SERVER_NAMES = Object.keys(SERVERS);

const STUB = fromFileUrl(new URL("../fixtures/known_stub.ts", import.meta.url));

/** What the initialize of two brands says of them. */
const BRANDS = {
  "claude-code": { roots: {}, elicitation: {} },
  "codex-mcp-client": {
    elicitation: { form: {}, url: {} },
    experimental: { "codex/sandbox-state": { version: "1" } },
  },
} as const;

/** A window of one brand in a project, on the real shim. */
export class BrandWindow implements AsyncDisposable {
  readonly who: string;
  readonly project: string;
  readonly #shim: Shim;
  readonly #answering: Promise<void>;
  #calls = 0;

  private constructor(shim: Shim, { who, project }: { who: string; project: string }) {
    this.#shim = shim;
    this.who = who;
    this.project = project;
    this.#answering = this.#answerRoots();
  }

  static async open(
    it: { home: string; url: string },
    { who, project, brand }: { who: string; project: string; brand: keyof typeof BRANDS },
  ): Promise<BrandWindow> {
    const shim = await Shim.start({ home: it.home, port: Number(new URL(it.url).port), cwd: project });
    const window = new BrandWindow(shim, { who, project });
    await shim.initialize({
      protocolVersion: "2025-06-18",
      capabilities: BRANDS[brand],
      clientInfo: { name: brand, version: "1" },
    });
    return window;
  }

  async #answerRoots(): Promise<void> {
    for (;;) {
      const request = await this.#shim.next(({ method }) => method === "roots/list").catch(() => undefined);
      if (!request) return;
      const result = { roots: [{ uri: toFileUrl(this.project).href, name: "project" }] };
      await this.#shim.send({ jsonrpc: "2.0", id: request.id, result }).catch(() => {});
    }
  }

  /** Calls a server, and checks that the answer is right and that its process has met none but whom it may. */
  async use(server: string): Promise<number> {
    const { shared, tool } = SERVERS[server]!;
    const tag = `${this.who} ${server} ${this.#calls++}`;
    const { result, error } = await this.#shim.call(tool, { who: this.who, tag });
    assertEquals(error, undefined, `${tag}: ${JSON.stringify(error)}`);
    const said = JSON.parse(((result as JsonObject).content as { text: string }[])[0]!.text);
    assertEquals([said.who, said.tag], [this.who, tag]);
    if (server === "filesystem") assertEquals(said.allowed, [this.project]);
    if (shared === "session") assertEquals(said.callers, [this.who], tag);
    const place = this.who.split("/")[0];
    if (shared === "project") {
      assert(said.callers.every((who: string) => who.split("/")[0] === place), `${tag}: ${said.callers}`);
    }
    return said.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shim[Symbol.asyncDispose]();
    await this.#answering;
  }
}

/** A daemon in default settings that mounts the ten servers, with stub launchers first on its PATH. */
export async function tenServers(projectCount: number) {
  const home = await Deno.realPath(await Deno.makeTempDir({ prefix: "exai-brands-" }));
  await Deno.chmod(home, 0o700);
  const stub = `${home}/known_stub.ts`;
  await Deno.copyFile(STUB, stub);
  await Deno.mkdir(`${home}/bin`);
  for (const launcher of ["npx", "uvx", "docker"]) {
    const run = `exec ${Deno.execPath()} run -A --no-check --no-config ${stub} ${launcher} "$@"`;
    await Deno.writeTextFile(`${home}/bin/${launcher}`, `#!/bin/sh\n${run}\n`, { mode: 0o755 });
  }
  // A login shell may set PATH anew.
  await Deno.writeTextFile(`${home}/.profile`, `export PATH="${home}/bin:$PATH"\n`);
  const projects = Array.from({ length: projectCount }, (_, i) => `${home}/project-${i}`);
  for (const project of projects) await Deno.mkdir(project);
  const entries = Object.entries(SERVERS).map(([name, { entry }]) => [name, entry]);
  await Deno.writeTextFile(
    `${home}/mcp.json`,
    JSON.stringify({ mcpServers: Object.fromEntries(entries) }),
  );
  const daemon = await startDaemon({
    home,
    env: { HOME: home, SHELL: "/bin/sh", PATH: `${home}/bin:${Deno.env.get("PATH")}` },
  });
  return {
    home,
    url: daemon.url,
    pid: daemon.process.pid,
    projects,
    /** Processes of servers, by the system: by their program, and as children of the daemon. */
    async processes(): Promise<{ stubs: number; children: number }> {
      return {
        stubs: (await processesWith(stub)).length,
        children: (await childrenOf(daemon.process.pid)).length,
      };
    },
    /** How many processes of each server run, as `exai-daemon ps` has them. */
    async running(): Promise<Record<string, number>> {
      const { servers } = await (await fetch(new URL("/status", daemon.url.replace(/^ws/, "http")))).json();
      const counts: Record<string, number> = {};
      for (const { server, pid } of servers) if (pid) counts[server] = (counts[server] ?? 0) + 1;
      return counts;
    },
    async [Symbol.asyncDispose]() {
      signalProgram(daemon.process, "SIGTERM");
      await daemon.process.status;
      await daemon[Symbol.asyncDispose]();
      assertEquals(await processesWith(stub), []);
      await Deno.remove(home, { recursive: true });
    },
  };
}
