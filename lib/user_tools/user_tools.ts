import { getLogger } from "@logtape/logtape";
import { delay } from "@std/async/delay";
import { join } from "@std/path";
import { messageOf } from "../base/errors.ts";
import { SECOND_MS } from "../base/units.ts";
import { FileWatch, type FileWatchOptions } from "../config/file_watch.ts";
import type { Tool } from "../tool/tool.ts";
import { readToolFiles, type ToolFiles } from "./directory.ts";
import { UserModule } from "./user_module.ts";

const log = getLogger(["exai", "tool"]);

/** How long a module may take to load, in milliseconds. */
const LOAD_TIMEOUT_MS = 10 * SECOND_MS;

/** How long the tools that are loaded wait for those that are not yet, in milliseconds. */
const PATIENCE_MS = SECOND_MS;

interface UserToolsOptions extends Pick<FileWatchOptions, "databaseDir"> {
  loadTimeoutMs?: number;
  /** Called when the tools in force, or what is wrong with some, have changed. */
  onchange?(tools: readonly Tool[]): void;
}

/** A file as it was loaded last. */
interface LoadedTool {
  fingerprint: string;
  /** The last version without a fault. */
  module?: UserModule;
  fault?: string;
}

/** The tools of the user's own, kept up to date with their directory. Each faulty one keeps its last good version. */
export class UserTools implements AsyncDisposable {
  readonly #dir: string;
  readonly #options: UserToolsOptions;
  readonly #watch: FileWatch<void>;
  readonly #files = new Map<string, LoadedTool>();
  #helpers = "";
  #dirFault: string | undefined;
  #refused: ReadonlyMap<string, string> = new Map();
  /** Names of tools that two files give themselves, by the file that comes second. */
  #twice: ReadonlyMap<string, string> = new Map();
  #tools: readonly Tool[] = [];
  #told: readonly string[] = [];
  #isAnew = false;
  readonly #opened = Promise.withResolvers<void>();
  readonly #closing = new AbortController();

  private constructor(dir: string, options: UserToolsOptions) {
    this.#dir = dir;
    this.#options = options;
    this.#watch = new FileWatch(dir, () => this.#read(), options);
  }

  /** Loads what is in `dir`; what is wrong with it is part of {@linkcode faults}, never thrown. */
  static async open(dir: string, options: UserToolsOptions = {}): Promise<UserTools> {
    const tools = new UserTools(dir, options);
    // A module that hangs does not keep the daemon from its start.
    await Promise.race([tools.reload(), tools.#opened.promise]);
    return tools;
  }

  /** The tools in force, by the names of their files. */
  get tools(): readonly Tool[] {
    return this.#tools;
  }

  /** What is wrong with files and directory, each in a sentence that names it. */
  faults(): string[] {
    const faulty = Array.from(this.#files, ([name, { fault }]) => [name, fault] as const)
      .flatMap(([name, fault]) => fault === undefined ? [] : [[name, fault] as const]);
    const files = [...faulty, ...this.#refused, ...this.#twice];
    const lines = files.map(([name, fault]) => `${join(this.#dir, name)}: ${fault}`);
    return this.#dirFault === undefined ? lines : [this.#dirFault, ...lines];
  }

  /** Loads every file anew. */
  async reload(): Promise<void> {
    this.#isAnew = true;
    await this.#watch.reload();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#watch[Symbol.asyncDispose]();
    for (const { module } of this.#files.values()) module?.[Symbol.dispose]();
  }

  async #read(): Promise<void> {
    const found = await readToolFiles(this.#dir);
    this.#dirFault = found.fault;
    // What can no longer be trusted or read is not loaded; what runs already is not made worse by that.
    const loading = found.fault === undefined ? this.#take(found) : Promise.resolve();
    using patience = new DisposableStack();
    const timer = patience.adopt(new AbortController(), (controller) => controller.abort());
    await Promise.race([loading, delay(PATIENCE_MS, { signal: timer.signal }).catch(() => {})]);
    this.#apply();
    this.#opened.resolve();
    await loading;
    this.#apply();
  }

  /** Puts in force what is loaded by now. */
  #apply(): void {
    const before = { tools: this.#tools, faults: this.#told };
    this.#assemble();
    const faults = this.#told = this.faults();
    for (const fault of faults) if (!before.faults.includes(fault)) log.error("{fault}", { fault });
    const isSame = before.tools.length === this.#tools.length &&
      before.tools.every((tool, i) => tool === this.#tools[i]) && before.faults.join() === faults.join();
    if (!isSame && !this.#watch.isClosed) this.#options.onchange?.(this.#tools);
  }

  async #take({ files, helpers, refused }: ToolFiles): Promise<void> {
    const isAnew = this.#isAnew || helpers !== this.#helpers;
    this.#isAnew = false;
    this.#helpers = helpers;
    this.#refused = refused;
    for (const [name, { module }] of [...this.#files]) {
      if (files.has(name) || refused.has(name)) continue;
      module?.retire();
      this.#files.delete(name);
    }
    const stale = [...files].filter(([name, print]) =>
      isAnew || this.#files.get(name)?.fingerprint !== print
    );
    await Promise.all(stale.map(([name, print]) => this.#load(name, print)));
  }

  async #load(name: string, fingerprint: string): Promise<void> {
    const last = this.#files.get(name)?.module;
    try {
      const timeoutMs = this.#options.loadTimeoutMs ?? LOAD_TIMEOUT_MS;
      const { signal } = this.#closing;
      const module = await UserModule.load(join(this.#dir, name), { timeoutMs, signal });
      this.#files.set(name, { fingerprint, module });
      last?.retire();
    } catch (thrown) {
      const kept = last === undefined ? "" : " (its last good version stays)";
      this.#files.set(name, { fingerprint, module: last, fault: `${messageOf(thrown)}${kept}` });
    }
  }

  #assemble(): void {
    const byName = new Map<string, { file: string; tool: Tool }>();
    const twice = new Map<string, string>();
    for (const [file, { module }] of [...this.#files].sort(([a], [b]) => a < b ? -1 : 1)) {
      if (module === undefined) continue;
      const first = byName.get(module.tool.name);
      if (first === undefined) byName.set(module.tool.name, { file, tool: module.tool });
      else twice.set(file, `its tool is called ${module.tool.name}, as the one in ${first.file}; rename one`);
    }
    this.#twice = twice;
    this.#tools = Array.from(byName.values(), ({ tool }) => tool);
  }
}
