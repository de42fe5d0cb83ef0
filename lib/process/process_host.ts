import { type ChildProcess, spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { isAbsolute } from "@std/path";
import { ExaiError, type ExaiErrorOptions, messageOf } from "../base/errors.ts";
import { overCapacityFor } from "../base/exhaustion.ts";
import type { StdioServerConfig } from "../config/server_config.ts";
import { monotonicNow } from "../base/time.ts";
import { SECOND_MS } from "../base/units.ts";
import { type Executable, type ExecutableFiles, resolveCommand, searchedDirs } from "./executable.ts";
import { type Environment, inheritedFrom, type Platform, withVariables } from "./environment.ts";
import { loginEnvironment } from "./login_shell.ts";
import { type TreeFiles, treeFiles } from "./held_files.ts";
import { PosixTrees } from "./posix_trees.ts";
import { type TreeUsage, treeUsage } from "./process_table.ts";
import { isDirectory, searchPath } from "./search_path.ts";
import type { ProcessTrees } from "./process_trees.ts";
import { WindowsTrees } from "./windows_trees.ts";
import { PROCESS_LIMITS, type ProcessLimits, ServerProcess } from "./server_process.ts";

export interface ProcessHostOptions {
  /** The daemon's own environment. */
  env: Environment;
  /** Takes whole lines for the log of a server, by its name: its stderr, and when it starts and ends. */
  log?(name: string, text: string): void;
  limits?: Partial<ProcessLimits>;
}

/** The part of a {@linkcode StdioServerConfig}, bound to a session, that a process is started with. */
export type ServerCommand = Pick<StdioServerConfig, "name" | "title" | "command" | "args" | "env" | "cwd">;

/** What the system is given to start a process. */
interface Launch extends Executable {
  env: Readonly<Record<string, string>>;
  cwd: string;
}

const PLATFORM: Platform = Deno.build.os === "windows" ? "windows" : "posix";

/** After this time the login shell is asked again when a program is not found. */
const LOGIN_ENV_MAX_AGE_MS = 10 * SECOND_MS;

const FILES: ExecutableFiles = {
  isExecutable: async (path) => {
    const info = await Deno.stat(path).catch(() => undefined);
    if (!info?.isFile) return false;
    return PLATFORM === "windows" || await access(path, constants.X_OK).then(() => true, () => false);
  },
  readText: (path) => Deno.readTextFile(path),
};

/** Starts the stdio servers of one daemon as child processes and ends them with it. */
export class ProcessHost implements AsyncDisposable {
  readonly #options: ProcessHostOptions;
  readonly #trees: ProcessTrees = PLATFORM === "windows" ? new WindowsTrees() : new PosixTrees();
  readonly #running = new Set<ServerProcess>();
  readonly #looking = new Set<Promise<unknown>>();
  #login: { atMs: number; env: Promise<Record<string, string>> } | undefined;

  constructor(options: ProcessHostOptions) {
    this.#options = options;
  }

  /** The processes that have not ended. */
  get running(): ReadonlySet<ServerProcess> {
    return this.#running;
  }

  /** The environment of the user's login shell, empty when it is not known. Cached. */
  loginEnv(): Promise<Record<string, string>> {
    this.#login ??= {
      atMs: monotonicNow(),
      env: loginEnvironment(this.#options.env).then((env) => env ?? {}),
    };
    return this.#login.env;
  }

  /**
   * Resolves `command`: the executable, its environment, its directory.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when program or directory do not exist
   */
  async resolve(command: ServerCommand): Promise<Launch> {
    const cwd = command.cwd ?? this.#options.env.HOME ?? this.#options.env.USERPROFILE ?? "/";
    if (!isAbsolute(cwd) || !await isDirectory(cwd)) {
      // The fault of this session's directory, not of the server: other sessions may have another.
      const details = { server: command.title, fault: "caller" };
      const advice =
        "correct cwd in mcp.json or, if it is the window's own, open the window in a directory that is there";
      throw unavailable(command, `its directory ${cwd} does not exist; ${advice}`, { details });
    }
    const launch = await this.#find(command, cwd);
    if (launch) return launch;
    // It may have been installed, or added to the profile, since the shell was asked.
    if (this.#login && monotonicNow() - this.#login.atMs > LOGIN_ENV_MAX_AGE_MS) {
      this.#login = undefined;
      const retried = await this.#find(command, cwd);
      if (retried) return retried;
    }
    throw notFound(command, await this.#environmentFor(command));
  }

  /**
   * Starts `command`. Its messages are read from `start()` on.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when it cannot be started, `OVER_CAPACITY` when the machine is out of
   * something
   */
  async spawn(command: ServerCommand): Promise<ServerProcess> {
    const launch = await this.resolve(command);
    const child = await startChild(launch).catch((thrown) => {
      const overCapacity = overCapacityFor(`server "${command.title}" cannot start`, thrown, {
        server: command.title,
      });
      if (overCapacity) throw overCapacity;
      throw unavailable(command, `${launch.file} cannot be run: ${messageOf(thrown)}`, { cause: thrown });
    });
    const process = new ServerProcess(child, {
      ...PROCESS_LIMITS,
      ...this.#options.limits,
      server: command.title,
      trees: this.#trees,
      log: (text) => this.#options.log?.(command.name, text),
    });
    this.#running.add(process);
    process.closed.finally(() => this.#running.delete(process));
    return process;
  }

  /** The memory and the number of processes of each running process tree, by process id. */
  usage(): Promise<Map<number, TreeUsage>> {
    return treeUsage([...this.#running].map(({ pid }) => pid));
  }

  /** The files held by a running process tree; undefined where the system does not show them. */
  files(pid: number): Promise<TreeFiles | undefined> {
    const looking = treeFiles(pid);
    this.#looking.add(looking);
    looking.finally(() => this.#looking.delete(looking)).catch(() => {});
    return looking;
  }

  /** Ends every process. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#looking);
    await Promise.all([...this.#running].map((process) => process.close()));
    await this.#trees[Symbol.asyncDispose]();
  }

  async #find(command: ServerCommand, cwd: string): Promise<Launch | undefined> {
    const env = await this.#environmentFor(command);
    const options = { cwd, env, platform: PLATFORM, files: FILES };
    const executable = await resolveCommand(command.command, command.args, options);
    return executable && { ...executable, env, cwd };
  }

  async #environmentFor(command: ServerCommand): Promise<Record<string, string>> {
    const own = this.#options.env;
    const login = await this.loginEnv();
    const base = { ...inheritedFrom(login, PLATFORM), ...inheritedFrom(own, PLATFORM) };
    return withVariables({ ...base, PATH: await searchPath(login, own) }, command.env, PLATFORM);
  }
}

/** Starts the process; settles when the system has started it or failed to. */
function startChild(launch: Launch): Promise<ChildProcess & { pid: number }> {
  return new Promise((resolve, reject) => {
    const child = spawn(launch.file, [...launch.args], {
      cwd: launch.cwd,
      env: { ...launch.env },
      stdio: "pipe",
      // Its own process group, so that the tree can be ended. On Windows that would cost it its hidden console.
      detached: PLATFORM === "posix",
      windowsHide: true,
      windowsVerbatimArguments: launch.verbatim ?? false,
    });
    child.on("error", reject);
    if (child.pid !== undefined) resolve(child as ChildProcess & { pid: number });
  });
}

function unavailable(command: ServerCommand, why: string, options: ExaiErrorOptions = {}): ExaiError {
  return new ExaiError("UPSTREAM_UNAVAILABLE", `server "${command.title}" cannot start: ${why}`, {
    details: { server: command.title },
    ...options,
  });
}

function notFound(wanted: ServerCommand, env: Environment): ExaiError {
  const { command } = wanted;
  const dirs = searchedDirs(env, PLATFORM);
  const isPath = /[/\\]/.test(command);
  const where = isPath
    ? "there is no such program"
    : `no directory of the PATH has it (searched: ${dirs.join(", ")})`;
  const advice = /\s/.test(command)
    ? "write only the program into command and the rest into args, one a string"
    : isPath
    ? "correct command in mcp.json"
    : "install it, or write its full path as command in mcp.json";
  return unavailable(wanted, `command ${JSON.stringify(command)}: ${where}; ${advice}`);
}
