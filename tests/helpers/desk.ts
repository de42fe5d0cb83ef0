// @ts-types="@modelcontextprotocol/sdk/client/index"
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
// @ts-types="@modelcontextprotocol/sdk/client/stdio"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js";
// @ts-types="@modelcontextprotocol/sdk/types"
import { LoggingMessageNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { fromFileUrl, join } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { tempDir } from "./files.ts";
import { signalProgram } from "./program.ts";

const ROOT = fromFileUrl(new URL("../../", import.meta.url));
const PROJECT = "shop";

/** What one command line came to. */
interface Ran {
  code: number;
  /** What was written to stdout and stderr, in that order. */
  said: string;
}

interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  input?: string;
}

/** The home directory of somebody who has EXAI installed, with `exai-daemon` and `exai-shim` in the `PATH`. */
export class Desk implements AsyncDisposable {
  readonly home: string;
  /** A project that windows are opened in. */
  readonly project: string;
  readonly env: Record<string, string>;
  readonly write: (name: string, content: string) => Promise<void>;
  readonly #dir: Awaited<ReturnType<typeof tempDir>>;
  readonly #windows: DeskWindow[] = [];

  private constructor(dir: Awaited<ReturnType<typeof tempDir>>, env: Record<string, string>) {
    this.#dir = dir;
    this.home = dir.path;
    this.project = join(dir.path, PROJECT);
    this.write = dir.write;
    this.env = {
      HOME: dir.path,
      PATH: `${join(dir.path, "bin")}:${Deno.env.get("PATH")}`,
      SHELL: "/bin/sh",
      TERM: "dumb",
      NO_COLOR: "1",
      DENO_DIR: Deno.env.get("DENO_DIR") ?? join(Deno.env.get("HOME") ?? "/", ".cache/deno"),
      XDG_RUNTIME_DIR: join(dir.path, "run"),
      // A daemon may take long to start on a machine that runs other tests.
      EXAI_WS_CONNECT_TIMEOUT: "55",
      ...env,
    };
  }

  /**
   * @param servers the entries of `mcp.json`
   * @param settings `exai.json`
   */
  static async open(
    { servers = {}, settings = {}, env = {}, program = ROOT }: {
      servers?: Record<string, JsonObject>;
      settings?: JsonObject;
      env?: Record<string, string>;
      /** Where `daemon.ts` and `shim.ts` are. */
      program?: string;
    } = {},
  ): Promise<Desk> {
    const dir = await tempDir({
      [`${PROJECT}/README`]: "a project",
      "run/README": "",
      ".config/exai/exai.json": JSON.stringify({ port: 0, keychain: "off", ...settings }, null, 2),
      ".config/exai/mcp.json": JSON.stringify({ mcpServers: servers }, null, 2),
    });
    const desk = new Desk(dir, env);
    await Deno.chmod(join(dir.path, "run"), 0o700);
    await desk.install(program);
    return desk;
  }

  /** The programs of the release that is in `root`. */
  async install(root: string): Promise<void> {
    for (const name of ["daemon", "shim"]) {
      const line = `exec '${Deno.execPath()}' run -A --no-check '${join(root, `${name}.ts`)}' "$@"`;
      await this.program(`exai-${name}`, line);
    }
  }

  /** Puts a program, a shell script, into the `PATH`. */
  async program(name: string, script: string): Promise<void> {
    await this.write(`bin/${name}`, `#!/bin/sh\n${script}\n`);
    await Deno.chmod(join(this.home, "bin", name), 0o755);
  }

  servers(servers: Record<string, JsonObject>): Promise<void> {
    return this.write(".config/exai/mcp.json", JSON.stringify({ mcpServers: servers }, null, 2));
  }

  /** A path below the state directory. */
  state(name: string): string {
    return join(this.home, ".local/state/exai", name);
  }

  /** Starts what stands on a command line. */
  start(script: string, { env, cwd = this.project, input }: RunOptions = {}): Deno.ChildProcess {
    const child = new Deno.Command("/bin/sh", {
      args: ["-c", script],
      clearEnv: true,
      env: { ...this.env, ...env },
      cwd,
      stdin: input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    if (input !== undefined) void new Blob([input]).stream().pipeTo(child.stdin);
    return child;
  }

  /** Types a command line, and reads what it says. */
  async run(script: string, options: RunOptions = {}): Promise<Ran> {
    const { code, stdout, stderr } = await this.start(script, options).output();
    const said = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("");
    return { code, said };
  }

  /** Opens a window of a client, which starts the shim as its configuration says. */
  async window(
    { name = "desk", cwd = this.project, env = {}, command = join(this.home, "bin/exai-shim") } = {},
  ): Promise<DeskWindow> {
    const transport = new StdioClientTransport({
      command,
      env: { ...this.env, ...env },
      cwd,
      stderr: "ignore",
    });
    const window = new DeskWindow(new Client({ name, version: "1" }));
    await window.client.connect(transport);
    this.#windows.push(window);
    return window;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { client } of this.#windows) await client.close();
    // A process that was stopped does not end by itself.
    const text = await Deno.readTextFile(this.state("daemon.json")).catch(() => "{}");
    const { pid } = JSON.parse(text);
    if (pid !== undefined) signalPid(pid, "SIGCONT");
    await this.run("exai-daemon stop --force --timeout=10");
    await this.#dir[Symbol.asyncDispose]();
  }
}

/** Sends `signal` to a process that may have ended. */
export function signalPid(pid: number, signal: Deno.Signal): void {
  signalProgram({ kill: (sent: Deno.Signal) => Deno.kill(pid, sent) } as Deno.ChildProcess, signal);
}

/** A window, with all that its client was told. */
export class DeskWindow {
  readonly client: Client;
  /** The messages that a client shows in its log. */
  readonly logged: string[] = [];

  constructor(client: Client) {
    this.client = client;
    client.setNotificationHandler(
      LoggingMessageNotificationSchema,
      ({ params }) => void this.logged.push(JSON.stringify(params.data)),
    );
  }

  /** What a new window tells its model. */
  get instructions(): string {
    return this.client.getInstructions() ?? "";
  }

  async tools(): Promise<string[]> {
    return (await this.client.listTools()).tools.map(({ name }) => name);
  }

  /** What a tool answered, or why it could not be called. */
  async call(name: string, args: JsonObject = {}): Promise<string> {
    try {
      const { content } = await this.client.callTool({ name, arguments: args });
      return (content as { text?: string }[]).map(({ text }) => text).join("\n");
    } catch (thrown) {
      return String(thrown);
    }
  }
}
