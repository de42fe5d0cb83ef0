import { isAbsolute } from "@std/path";
import { untilAborted } from "../base/abort.ts";
import { ExaiError, type ExaiErrorOptions, messageOf } from "../base/errors.ts";
import { overCapacityFor } from "../base/exhaustion.ts";
import { redact } from "../base/log.ts";
import { visible } from "../base/visible.ts";
import type { StdioServerConfig } from "../config/server_config.ts";
import { MINUTE_MS, SECOND_MS } from "../base/units.ts";
import { adviceOnScript, searchedDirs } from "./executable.ts";
import type { Environment } from "./environment.ts";
import { PLATFORM } from "../config/inherited_variables.ts";
import { isDirectory } from "../config/path_kind.ts";
import { type Launch, type StartedChild, startServer } from "./launch.ts";
import { type TreeFiles, treeFiles } from "./held_files.ts";
import { type TreeUsage, treeUsage } from "./process_table.ts";
import { ProgramSearch } from "./program_search.ts";
import type { ProcessTrees } from "./process_trees.ts";
import { systemTrees } from "./system_trees.ts";
import { PROCESS_LIMITS, type ProcessLimits, ServerProcess } from "./server_process.ts";
import { behindCmd } from "./wrappers/read_wrapper.ts";
import { type ProgramBehind, type Wrapped, WrapperResolver } from "./wrappers/wrapper_resolver.ts";

export interface ProcessHostOptions {
  /** The environment of the user's login shell, where it is known already. */
  login?: Record<string, string>;
  /** The daemon's own environment. */
  env: Environment;
  /** Takes whole lines for the log of a server, by its name: its stderr, and when it starts and ends. */
  log?(name: string, text: string): void;
  limits?: Partial<ProcessLimits>;
  /** A directory of the daemon's own; set to start the program behind `npx` and the like in place of the wrapper. */
  wrapperDir?: string;
}

/** The part of a {@linkcode StdioServerConfig}, bound to a session, that a process is started with. */
export type ServerCommand =
  & Pick<StdioServerConfig, "name" | "title" | "command" | "args" | "env" | "cwd">
  & Partial<Pick<StdioServerConfig, "startTimeoutMs">>;

/** How a command is started: as it is written, or as the program behind a wrapper. */
interface Start {
  written: Launch;
  program?: ProgramBehind;
}

const START_TIMEOUT_MS = MINUTE_MS;

/** Longest line about a start in the log of a server, in characters. */
const MAX_LINE_CHARS = 4096;

/** Starts the stdio servers of one daemon as child processes and ends them with it. */
export class ProcessHost implements AsyncDisposable {
  readonly #options: ProcessHostOptions;
  readonly #trees: ProcessTrees = systemTrees();
  readonly #running = new Set<ServerProcess>();
  readonly #looking = new Set<Promise<unknown>>();
  readonly #wrappers: WrapperResolver | undefined;
  readonly #search: ProgramSearch;

  constructor(options: ProcessHostOptions) {
    this.#options = options;
    this.#search = new ProgramSearch(options);
    const { wrapperDir: dir } = options;
    this.#wrappers = dir === undefined ? undefined : new WrapperResolver({ dir, trees: this.#trees });
  }

  /** The processes that have not ended. */
  get running(): ReadonlySet<ServerProcess> {
    return this.#running;
  }

  /** The process beside the daemon that ends these if the daemon is killed, while there is one. */
  get guardPid(): number | undefined {
    return this.#trees.guardPid;
  }

  /** The environment of the user's login shell, empty when it is not known. Cached. */
  loginEnv(): Promise<Record<string, string>> {
    return this.#search.loginEnv();
  }

  /** Has the login shell asked again when its environment is needed next: its profile may have changed. */
  forgetLoginEnv(): void {
    this.#search.forgetLoginEnv();
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
    const launch = await this.#search.find(command, cwd);
    if (launch) return launch;
    throw notFound(command, await this.#search.environmentFor(command.env));
  }

  /**
   * Starts `command`. Its messages are read from `start()` on. Where `signal` aborts before the process is started none
   * is; a wrapper that installs goes on, as others may wait for the same package.
   *
   * @throws {ExaiError} `UPSTREAM_UNAVAILABLE` when it cannot be started, `OVER_CAPACITY` when the machine is out of
   * something, the signal's reason, or `CANCELLED`
   */
  async spawn(command: ServerCommand, signal?: AbortSignal): Promise<ServerProcess> {
    const finding = this.#find(command);
    const { wrapped, ...start } = await (signal ? untilAborted(finding, signal) : finding);
    const { child, runs } = await this.#start(command, start);
    const process = new ServerProcess(child, {
      ...PROCESS_LIMITS,
      ...this.#options.limits,
      server: command.title,
      runs,
      trees: this.#trees,
      log: (text) => this.#options.log?.(command.name, text),
    });
    this.#running.add(process);
    process.closed.then(({ wasClosed }) => {
      this.#running.delete(process);
      // Its files may have been removed in part, or replaced.
      if (!wasClosed && runs !== undefined && wrapped) this.#wrappers?.forget(wrapped);
    });
    return process;
  }

  /** Asks wrappers again what they run, at the next start of each. */
  forgetPrograms(): void {
    this.#wrappers?.forgetAll();
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
    await Promise.all([
      this.#wrappers?.[Symbol.asyncDispose](),
      ...Array.from(this.#running, (process) => process.close()),
    ]);
    await this.#trees[Symbol.asyncDispose]();
  }

  async #find(command: ServerCommand): Promise<Start & { wrapped?: Wrapped }> {
    const written = await this.resolve(command);
    const wrapped = await this.#wrapperOf(command, written);
    return { written, wrapped, program: wrapped && await this.#programBehind(command, wrapped) };
  }

  /** The wrapper in `command`, as it would be started; on Windows it is often behind `cmd /c`. */
  async #wrapperOf(command: ServerCommand, launch: Launch): Promise<Wrapped | undefined> {
    const { startTimeoutMs: timeoutMs = START_TIMEOUT_MS } = command;
    if (!this.#wrappers) return undefined;
    const inner = PLATFORM === "windows" ? behindCmd(command.command, command.args) : undefined;
    if (!inner) return { ...command, launch, timeoutMs };
    const found = await this.#search.findNow({ ...command, ...inner }, launch.cwd);
    return found && { ...inner, launch: found, timeoutMs };
  }

  async #programBehind(command: ServerCommand, wrapped: Wrapped): Promise<ProgramBehind | undefined> {
    const { timeoutMs } = wrapped;
    const found = await this.#wrappers!.resolve(wrapped);
    switch (found.kind) {
      case "program":
        this.#log(command, `${found.wrapper} runs as ${found.program.runs}`);
        return found.program;
      case "as written":
        this.#log(command, `${found.wrapper} runs as it is written: ${found.why}`);
        return undefined;
      case "installing": {
        const limit = `within ${timeoutMs / SECOND_MS} s`;
        const advice =
          "it goes on, so call again later, or give the server a longer startTimeoutMs in mcp.json";
        throw unavailable(command, `${found.wrapper} did not install it ${limit}; ${advice}`);
      }
    }
  }

  async #start(
    command: ServerCommand,
    { written, program }: Start,
  ): Promise<{ child: StartedChild; runs?: string }> {
    if (program) {
      try {
        return { child: await startServer(program), runs: program.runs };
      } catch (thrown) {
        this.#log(command, `${program.runs} cannot be run (${messageOf(thrown)}); its wrapper is started`);
      }
    }
    return {
      child: await startServer(written).catch((thrown) => {
        const { title: server } = command;
        const overCapacity = overCapacityFor(`server "${server}" cannot start`, thrown, { server });
        if (overCapacity) throw overCapacity;
        throw unavailable(command, `${written.file} cannot be run: ${messageOf(thrown)}`, { cause: thrown });
      }),
    };
  }

  #log(command: ServerCommand, line: string): void {
    this.#options.log?.(
      command.name,
      `${new Date().toISOString()} (${visible(redact(line), MAX_LINE_CHARS)})\n`,
    );
  }
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
  const script = PLATFORM === "windows" ? adviceOnScript(command) : undefined;
  const where = isPath ? "there is no such program" : "no directory of the PATH has it";
  const advice = script
    ? script
    : /\s/.test(command)
    ? "write only the program into command and the rest into args, one a string"
    : isPath
    ? "correct command in mcp.json"
    : `install it, or write its full path as command in mcp.json (searched: ${dirs.join(", ")})`;
  // A relative path may be there in other directories.
  const isMissingEverywhere = !isPath || isAbsolute(command);
  return unavailable(wanted, `command ${JSON.stringify(command)}: ${where}; ${advice}`, {
    details: { server: wanted.title, ...(isMissingEverywhere ? { missing: "program" } : {}) },
  });
}
