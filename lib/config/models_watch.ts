import { isDeepStrictEqual } from "node:util";
import { resolve } from "@std/path";
import { FileWatch, type FileWatchOptions } from "./file_watch.ts";
import { type CustomProvider, type ModelOverride, type ModelsFile, readModels } from "./models.ts";
import type { ConfigFault } from "./servers/fault.ts";

/** What `models.json` says that is in force, and what is wrong with it. */
export interface ModelsInForce {
  providers: readonly CustomProvider[];
  models: readonly ModelOverride[];
  faults: readonly ConfigFault[];
}

interface ModelsWatchOptions extends FileWatchOptions {
  /** Where variables in the file get their values from. */
  env: Record<string, string | undefined>;
}

/** The providers and models of `models.json`, kept up to date with the file. */
export interface ModelsWatch extends AsyncDisposable {
  /** What was read last. */
  readonly current: ModelsInForce;
  /** Reads the file now, whether it changed or not. */
  reload(): Promise<ModelsInForce>;
}

/**
 * Reads the file at `path` and again whenever it changes; `onChange` hears of each later reading that differs from the
 * one before. What is faulty stays as it last was without a fault: one entry, or all of them when the file cannot be
 * read or is gone.
 */
export async function watchModels(
  path: string,
  onChange: (inForce: ModelsInForce) => void,
  options: ModelsWatchOptions,
): Promise<ModelsWatch> {
  const watch = new ModelsFileWatch(resolve(path), onChange, options);
  await watch.reload();
  return watch;
}

class ModelsFileWatch implements ModelsWatch {
  current: ModelsInForce = { providers: [], models: [], faults: [] };
  readonly #path: string;
  readonly #onChange: (inForce: ModelsInForce) => void;
  readonly #options: ModelsWatchOptions;
  readonly #file: FileWatch<ModelsInForce>;
  #isFirst = true;

  constructor(path: string, onChange: (inForce: ModelsInForce) => void, options: ModelsWatchOptions) {
    this.#path = path;
    this.#onChange = onChange;
    this.#options = options;
    this.#file = new FileWatch(path, () => this.#read(), options);
  }

  reload(): Promise<ModelsInForce> {
    return this.#file.reload();
  }

  async #read(): Promise<ModelsInForce> {
    const before = this.current;
    const file = await readModels(this.#path, this.#options.env);
    // A file that is gone or empty is most likely being replaced.
    if (file.isBlank && before.providers.length + before.models.length > 0) {
      const message = "is gone or empty; what it said stays; to take that back, write {} into it";
      Object.assign(file, { readable: false, faults: [{ path: this.#path, message }] });
    }
    this.current = keepGood(before, file);
    const tell = !this.#isFirst && !this.#file.isClosed && !isDeepStrictEqual(before, this.current);
    this.#isFirst = false;
    if (tell) this.#onChange(this.current);
    return this.current;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}

/** What `file` says, and of what it holds a fault about what was in force `before`. */
function keepGood(before: ModelsInForce, file: ModelsFile): ModelsInForce {
  const { faults, readable, faultyProviders, faultyModels } = file;
  const stays = (faulty: readonly string[], good: readonly Named[]) => (one: Named) =>
    (!readable || faulty.includes(one.name)) &&
    !good.some(({ name, provider }) => name === one.name && provider === one.provider);
  return {
    providers: [...file.providers, ...before.providers.filter(stays(faultyProviders, file.providers))],
    models: [...file.models, ...before.models.filter(stays(faultyModels, file.models))],
    faults,
  };
}

interface Named {
  name: string;
  provider?: string;
}
