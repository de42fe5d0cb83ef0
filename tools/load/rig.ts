import { fromFileUrl, join } from "@std/path";
import { endTree } from "../lib/end_tree.ts";
import { hold } from "../lib/held.ts";
import { addressOf, commandFor, privateEnv, SOURCE } from "../lib/programs.ts";
import { Spawned } from "../lib/spawned.ts";
import { type Account, readRecord, Tally } from "./tally.ts";
import { LoadWindow } from "./window.ts";
import { freePort } from "../lib/free_port.ts";

const COUNTER = fromFileUrl(new URL("counter_server.ts", import.meta.url));
const CONFIG = fromFileUrl(new URL("../../deno.json", import.meta.url));

export interface RigOptions {
  /** Settings of daemon and shims. */
  env?: Readonly<Record<string, string>>;
  /** State directory; made when left out. */
  home?: string;
  /** Put before the daemon's command line. */
  prefix?: readonly string[];
}

/** A daemon of its own, the counter mounted in it, and windows that call it; all real programs. */
export class Rig implements AsyncDisposable {
  readonly home: string;
  /** Port of the daemon: always the same, so that it can be started again. */
  readonly port: number;
  readonly tally = new Tally();
  /** Holds one line for each execution; outside of the state directory. */
  readonly recordPath: string;
  readonly #options: RigOptions;
  readonly #windows = new Set<LoadWindow>();
  readonly #held = new AsyncDisposableStack();
  #daemon: Spawned | undefined;
  #opened = 0;

  private constructor(home: string, recordPath: string, options: RigOptions) {
    this.home = home;
    this.recordPath = recordPath;
    this.#options = options;
    this.port = freePort();
    // A daemon started by a shim is not a child of this process.
    this.#held.use(hold("process", () => this.#endStrayDaemon()));
  }

  /** Makes the directories; starts nothing. */
  static async open(options: RigOptions = {}): Promise<Rig> {
    const held: AsyncDisposable[] = [];
    const makeDir = async () => {
      const path = await Deno.makeTempDir({ prefix: "exai-load-" });
      held.push(hold("directory", () => Deno.remove(path, { recursive: true })));
      return path;
    };
    const home = options.home ?? await makeDir();
    const outside = await makeDir();
    const recordPath = join(outside, "executions");
    await Deno.chmod(home, 0o700);
    await Deno.writeTextFile(recordPath, "");
    const args = ["run", "-A", "--no-check", "--no-lock", "--config", CONFIG, COUNTER, recordPath];
    const cache = Deno.env.get("DENO_DIR");
    const counter = {
      command: Deno.execPath(),
      args,
      share: "machine",
      env: cache ? { DENO_DIR: cache } : {},
    };
    await Deno.writeTextFile(join(home, "mcp.json"), JSON.stringify({ mcpServers: { counter } }));
    await Deno.writeTextFile(join(home, "exai.json"), JSON.stringify({ globalMaxInflight: 200 }));
    const rig = new Rig(home, recordPath, options);
    for (const each of held) rig.#held.use(each);
    return rig;
  }

  /** Starts the daemon; resolves when it listens. */
  async startDaemon(): Promise<void> {
    const { command, args } = commandFor(SOURCE.daemon);
    const [first, ...others] = [...this.#options.prefix ?? [], command, ...args];
    const daemon = new Spawned({ command: first!, args: others, env: this.#environment() });
    daemon.child.stdout.resume();
    this.#daemon = daemon;
    await addressOf(daemon, "the daemon");
  }

  /** The process id of the daemon, whether this rig or a shim started it. */
  async daemonPid(): Promise<number> {
    return this.#daemon?.pid ?? JSON.parse(await Deno.readTextFile(join(this.home, "daemon.json"))).pid;
  }

  /** Ends the daemon as a crash would; resolves when it has ended. */
  async killDaemon(): Promise<void> {
    const pid = await this.daemonPid();
    Deno.kill(pid, "SIGKILL");
    if (this.#daemon) await this.#daemon.exited;
    else await endTree(pid, { graceMs: 0 });
    this.#daemon = undefined;
  }

  /** Starts the daemon program with `args` on the same state directory, beside whatever runs there. */
  startBeside(args: readonly string[]): Spawned {
    const { command, args: first } = commandFor(SOURCE.daemon);
    return new Spawned({ command, args: [...first, ...args], env: this.#environment() });
  }

  /** The process id of the counter that was started last. */
  async counterPid(): Promise<number> {
    return Number(await Deno.readTextFile(`${this.recordPath}.pid`));
  }

  /** Opens windows with shims that connect to `port` (the daemon's own when left out). */
  async openWindows(
    count: number,
    options: { port?: number; env?: Record<string, string>; account?: Account } = {},
  ): Promise<LoadWindow[]> {
    const env = { ...this.#environment(), EXAI_WS_PORT: String(options.port ?? this.port), ...options.env };
    const opened = Array.from({ length: count }, () => {
      const name = `w${this.#opened++}`;
      const window = new LoadWindow(name, { ...commandFor(SOURCE.shim), env }, options.account ?? this.tally);
      this.#windows.add(window);
      return window;
    });
    await Promise.all(opened.map((window) => window.open()));
    return opened;
  }

  /** Ends one window before the others. */
  async closeWindow(window: LoadWindow): Promise<void> {
    this.#windows.delete(window);
    await window[Symbol.asyncDispose]();
  }

  /** What became of every call so far. */
  async judge() {
    return this.tally.judge(await readRecord(this.recordPath));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#windows].map((window) => window[Symbol.asyncDispose]()));
    await this.#daemon?.[Symbol.asyncDispose]();
    await this.#endStrayDaemon();
    await this.#held.disposeAsync();
  }

  #environment(): Record<string, string> {
    return {
      ...privateEnv(this.home),
      EXAI_WS_PORT: String(this.port),
      EXAI_WS_AUTOSTART: "false",
      ...this.#options.env,
    };
  }

  async #endStrayDaemon(): Promise<void> {
    const { pid } = JSON.parse(await Deno.readTextFile(join(this.home, "daemon.json")).catch(() => "{}"));
    if (pid) await endTree(pid, { graceMs: 0 });
  }
}
