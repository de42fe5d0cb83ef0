import { fromFileUrl } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { signalProgram } from "./program.ts";

const shimFile = fromFileUrl(new URL("../../shim.ts", import.meta.url));

export interface ShimOptions {
  port: number;
  env?: Record<string, string>;
  args?: string[];
  /** State directory; made for this run when left out. */
  home?: string;
  /** Directory of the window. */
  cwd?: string;
  /** Another build of the shim. */
  program?: string;
}

export const INITIALIZE = {
  protocolVersion: "2025-06-18",
  capabilities: {},
  clientInfo: { name: "test window", version: "1" },
};

/** The real `shim.ts` in a process of its own, as the client that started it sees it. */
export class Shim implements AsyncDisposable {
  readonly process: Deno.ChildProcess;
  readonly home: string;
  /** Every line on stdout, as it came. */
  readonly lines: string[] = [];
  readonly #ownsHome: boolean;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #takers: (PromiseWithResolvers<JsonObject> & { wanted(message: JsonObject): boolean })[] = [];
  readonly #untaken: JsonObject[] = [];
  readonly #watchers = new Set<() => void>();
  readonly #read: Promise<unknown>;
  #stderr = "";
  #over = false;
  #nextId = 1000;

  private constructor(options: ShimOptions & { home: string; ownsHome: boolean }) {
    this.home = options.home;
    this.#ownsHome = options.ownsHome;
    this.process = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", options.program ?? shimFile, ...options.args ?? []],
      env: {
        EXAI_HOME: options.home,
        // What a daemon that is killed leaves in memory goes with its home.
        XDG_RUNTIME_DIR: options.home,
        EXAI_WS_PORT: String(options.port),
        EXAI_WS_AUTOSTART: "false",
        ENV_FILE: "",
        ...options.env,
      },
      cwd: options.cwd,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#writer = this.process.stdin.getWriter();
    this.#read = Promise.all([this.#readStdout(), this.#readStderr()]);
  }

  static async start(options: ShimOptions): Promise<Shim> {
    const home = options.home ?? await Deno.makeTempDir({ prefix: "exai-shim-" });
    return new Shim({ ...options, home, ownsHome: options.home === undefined });
  }

  /** A shim whose client has initialized. */
  static async ready(options: ShimOptions): Promise<Shim> {
    const shim = await Shim.start(options);
    await shim.initialize();
    return shim;
  }

  async initialize(params: JsonObject = INITIALIZE): Promise<JsonObject> {
    const answer = await this.ask("initialize", params);
    await this.send({ jsonrpc: "2.0", method: "notifications/initialized" });
    return answer;
  }

  /** Everything on stderr so far. */
  get stderr(): string {
    return this.#stderr;
  }

  send(message: JsonObject | string): Promise<void> {
    const text = typeof message === "string" ? message : JSON.stringify(message);
    return this.#writer.write(new TextEncoder().encode(text + "\n"));
  }

  /** Makes a request and waits for its answer; what else comes is left for `next`. */
  async ask(
    method: string,
    params: JsonObject = {},
    id: string | number = this.#nextId++,
  ): Promise<JsonObject> {
    await this.send({ jsonrpc: "2.0", id, method, params });
    return this.answer(id);
  }

  call(name: string, args: JsonObject = {}, id?: string | number): Promise<JsonObject> {
    return this.ask("tools/call", { name, arguments: args }, id);
  }

  /** The answer to the request `id`. */
  answer(id: string | number): Promise<JsonObject> {
    return this.next((message) => message.id === id && message.method === undefined);
  }

  /** The next message not taken yet that `wanted` accepts. */
  next(wanted: (message: JsonObject) => boolean = () => true): Promise<JsonObject> {
    const index = this.#untaken.findIndex(wanted);
    if (index >= 0) return Promise.resolve(this.#untaken.splice(index, 1)[0]!);
    if (this.#over) return Promise.reject(new Error(`the shim has ended: ${this.#stderr}`));
    const taker = { wanted, ...Promise.withResolvers<JsonObject>() };
    this.#takers.push(taker);
    return taker.promise;
  }

  /** Resolves when stderr holds `text`. */
  async logged(text: string): Promise<void> {
    if (this.#stderr.includes(text)) return;
    await new Promise<void>((resolve) => {
      const watcher = () => {
        if (!this.#stderr.includes(text)) return;
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
    });
  }

  /** Closes stdin and waits for the end of the process and of all it wrote. */
  async end(): Promise<Deno.CommandStatus> {
    await this.#writer.close();
    await this.#read;
    return await this.process.status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close().catch(() => {});
    const timer = setTimeout(() => signalProgram(this.process, "SIGKILL"), 5000);
    await this.process.status;
    clearTimeout(timer);
    await this.#read;
    if (this.#ownsHome) await Deno.remove(this.home, { recursive: true });
  }

  async #readStdout(): Promise<void> {
    const parts: string[] = [];
    for await (const text of this.process.stdout.pipeThrough(new TextDecoderStream())) {
      const [first, ...others] = text.split("\n");
      parts.push(first!);
      for (const next of others) {
        this.#take(parts.splice(0).join(""));
        parts.push(next);
      }
    }
    if (parts.join("") !== "") this.lines.push(parts.join(""));
    this.#over = true;
    for (const { reject } of this.#takers) reject(new Error(`the shim has ended: ${this.#stderr}`));
  }

  #take(line: string): void {
    this.lines.push(line);
    const message = JSON.parse(line);
    const index = this.#takers.findIndex(({ wanted }) => wanted(message));
    if (index >= 0) this.#takers.splice(index, 1)[0]!.resolve(message);
    else this.#untaken.push(message);
  }

  async #readStderr(): Promise<void> {
    for await (const text of this.process.stderr.pipeThrough(new TextDecoderStream())) {
      this.#stderr += text;
      for (const watcher of [...this.#watchers]) watcher();
    }
  }
}
