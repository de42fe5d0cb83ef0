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

/** Time limit of loading a module, in milliseconds. */
const LOAD_TIMEOUT_MS = 10 * SECOND_MS;

/** How long loaded tools wait for slower ones before they are offered, in milliseconds. */
const LOAD_WAIT_MS = SECOND_MS;

interface UserToolsOptions extends Pick<FileWatchOptions, "databaseDir"> {
  loadTimeoutMs?: number;
  /** Called when the tools or their faults have changed. */
  onChange?(tools: readonly Tool[]): void;
}

/** A file as of its last load. */
interface LoadedTool {
  fingerprint: string;
  /** The last good version. */
  module?: UserModule;
  fault?: string;
}

/** The tools the user has written, kept up to date with their directory. A faulty file keeps its last good version. */
export class UserTools implements AsyncDisposable {
  readonly #dir: string;
  readonly #options: UserToolsOptions;
  readonly #watch: FileWatch<void>;
  readonly #files = new Map<string, LoadedTool>();
  #helpers = "";
  #dirFault: string | undefined;
  #refused: ReadonlyMap<string, string> = new Map();
  /** Faults of files whose tool has the name of an earlier one, by file. */
  #duplicates: ReadonlyMap<string, string> = new Map();
  #tools: readonly Tool[] = [];
  #reported: readonly string[] = [];
  /** Whether unchanged files are loaded again too. */
  #loadsAll = false;
  readonly #opened = Promise.withResolvers<void>();
  readonly #closing = new AbortController();

  private constructor(dir: string, options: UserToolsOptions) {
    this.#dir = dir;
    this.#options = options;
    this.#watch = new FileWatch(dir, () => this.#read(), options);
  }

  /** Loads the tools in `dir`. Its errors are among {@linkcode faults}, never thrown. */
  static async open(dir: string, options: UserToolsOptions = {}): Promise<UserTools> {
    const tools = new UserTools(dir, options);
    // A module that hangs does not delay the start of the daemon.
    await Promise.race([tools.reload(), tools.#opened.promise]);
    return tools;
  }

  /** The loaded tools, ordered by the names of their files. */
  get tools(): readonly Tool[] {
    return this.#tools;
  }

  /** Faults of the files and the directory, each in a sentence that names it. */
  faults(): string[] {
    const faulty = [...this.#files].flatMap(([name, { fault }]) =>
      fault === undefined ? [] : [[name, fault] as const]
    );
    const files = [...faulty, ...this.#refused, ...this.#duplicates];
    const lines = files.map(([name, fault]) => `${join(this.#dir, name)}: ${fault}`);
    return this.#dirFault === undefined ? lines : [this.#dirFault, ...lines];
  }

  /** Loads every file again. */
  async reload(): Promise<void> {
    this.#loadsAll = true;
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
    // Nothing is loaded from an untrusted or unreadable directory; loaded tools stay.
    const loading = found.fault === undefined ? this.#update(found) : Promise.resolve();
    using stack = new DisposableStack();
    const timer = stack.adopt(new AbortController(), (controller) => controller.abort());
    await Promise.race([loading, delay(LOAD_WAIT_MS, { signal: timer.signal }).catch(() => {})]);
    this.#apply();
    this.#opened.resolve();
    await loading;
    this.#apply();
  }

  /** Offers the tools that are loaded by now. */
  #apply(): void {
    const before = { tools: this.#tools, faults: this.#reported };
    this.#assemble();
    const faults = this.#reported = this.faults();
    for (const fault of faults) if (!before.faults.includes(fault)) log.error("{fault}", { fault });
    const isSame = before.tools.length === this.#tools.length &&
      before.tools.every((tool, i) => tool === this.#tools[i]) && before.faults.join() === faults.join();
    if (!isSame && !this.#watch.isClosed) this.#options.onChange?.(this.#tools);
  }

  async #update({ files, helpers, refused }: ToolFiles): Promise<void> {
    const loadsAll = this.#loadsAll || helpers !== this.#helpers;
    this.#loadsAll = false;
    this.#helpers = helpers;
    this.#refused = refused;
    for (const [name, { module }] of [...this.#files]) {
      if (files.has(name) || refused.has(name)) continue;
      module?.retire();
      this.#files.delete(name);
    }
    const stale = [...files].filter(([name, print]) =>
      loadsAll || this.#files.get(name)?.fingerprint !== print
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
    const duplicates = new Map<string, string>();
    for (const [file, { module }] of [...this.#files].sort(([a], [b]) => a < b ? -1 : 1)) {
      if (module === undefined) continue;
      const first = byName.get(module.tool.name);
      if (first === undefined) byName.set(module.tool.name, { file, tool: module.tool });
      else {duplicates.set(
          file,
          `its tool is called ${module.tool.name}, as the one in ${first.file}; rename one`,
        );}
    }
    this.#duplicates = duplicates;
    this.#tools = Array.from(byName.values(), ({ tool }) => tool);
  }
}
