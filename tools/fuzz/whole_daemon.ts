import { fromFileUrl, join } from "@std/path";
import type { JsonObject } from "../../lib/base/json.ts";
import { setupLog } from "../../lib/base/log.ts";
import { Daemon } from "../../lib/app/daemon.ts";
import { RotatingFile } from "../../lib/state/rotating_file.ts";
import { defaultSettings } from "../../lib/config/load.ts";
import { statePaths } from "../../lib/config/paths.ts";
import { privateEnv } from "../lib/programs.ts";
import { Bystander } from "./bystander.ts";
import { unsafeLine } from "./texts.ts";

const PROGRAM = fromFileUrl(new URL("../../daemon.ts", import.meta.url));
const LOG_BYTES = 4 * 1024 * 1024;

export interface WholeDaemonOptions {
  onfault(what: string): void;
  /** What mcp.json names. */
  servers?: Readonly<Record<string, JsonObject>>;
  /** A tool the bystander may call. */
  bystanderTool?: string;
}

/** A daemon in this process with all its doors, its log in a file, and a well-behaved client beside the fuzzer. */
export class WholeDaemon implements AsyncDisposable {
  readonly url: string;
  readonly bystander: Bystander;
  readonly #home: string;
  readonly #daemon: Daemon;
  readonly #log: RotatingFile;

  private constructor(parts: { home: string; daemon: Daemon; log: RotatingFile; bystander: Bystander }) {
    this.url = parts.daemon.url;
    this.#home = parts.home;
    this.#daemon = parts.daemon;
    this.#log = parts.log;
    this.bystander = parts.bystander;
  }

  static async open({ onfault, servers, bystanderTool }: WholeDaemonOptions): Promise<WholeDaemon> {
    const home = await Deno.makeTempDir({ prefix: "exai-fuzz-" });
    await Deno.chmod(home, 0o700);
    if (servers) await Deno.writeTextFile(join(home, "mcp.json"), JSON.stringify({ mcpServers: servers }));
    const settings = defaultSettings({
      port: 0,
      drainTimeoutMs: 0,
      home,
      queueMax: 10_000,
      sessionMaxInflight: 2000,
      globalMaxInflight: 4000,
      helloRate: 0,
      breakerFailures: 0,
    });
    const paths = statePaths(settings);
    await Deno.mkdir(paths.logs, { recursive: true, mode: 0o700 });
    const log = new RotatingFile(join(paths.logs, "daemon.log"), { maxBytes: LOG_BYTES });
    setupLog({
      level: "info",
      format: "text",
      sinks: {
        file: (format) => (record) => log.append(format(record)),
        faults: (format) => ({ level, ...rest }) => {
          if (level === "error" || level === "fatal") onfault(`logged: ${format({ level, ...rest })}`);
        },
      },
    });
    const daemon = await Daemon.start({ settings, paths });
    const bystander = await Bystander.join(daemon.url, bystanderTool);
    return new WholeDaemon({ home, daemon, log, bystander });
  }

  /** Lines with control characters in a log file, or in what the commands show of a visitor with an unkind name. */
  async inspect(): Promise<string[]> {
    const visitor = await Bystander.join(this.url, "\u001b[2Jno such\r\ntool", {
      name: "\u001b]0;owned\u0007\r\nSESSION \u202eforged",
      version: "\u009b31m",
    });
    await visitor.tryIt();
    await this.#log.flush();
    const [ps, calls] = await Promise.all([this.#run("ps"), this.#run("calls")]);
    await visitor[Symbol.asyncDispose]();
    const texts: [string, string][] = [["exai-daemon ps", ps], ["exai-daemon calls", calls]];
    const dir = statePaths({ home: this.#home }).logs;
    for await (const { name, isFile } of Deno.readDir(dir)) {
      if (isFile) texts.push([name, await Deno.readTextFile(join(dir, name))]);
    }
    return texts.flatMap(([name, text]) => {
      const line = unsafeLine(text);
      return line === undefined ? [] : [`a control character in ${name}: ${line}`];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.bystander[Symbol.asyncDispose]();
    await this.#daemon.stop();
    await this.#log.flush();
    await Deno.remove(this.#home, { recursive: true });
  }

  async #run(command: string): Promise<string> {
    const output = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", PROGRAM, command],
      env: privateEnv(this.#home),
    }).output();
    if (output.success) return new TextDecoder().decode(output.stdout);
    throw new Error(`exai-daemon ${command} failed: ${new TextDecoder().decode(output.stderr)}`);
  }
}
