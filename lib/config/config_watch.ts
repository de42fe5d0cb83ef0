import { isDeepStrictEqual } from "node:util";
import { resolve } from "@std/path";
import { FileWatch, type FileWatchOptions } from "./file_watch.ts";

/** The content of a configuration file that is in force, kept up to date with the file. */
export interface ConfigWatch<Content> extends AsyncDisposable {
  /** What was read last. */
  readonly current: Content;
  /** Reads the file now, whether it changed or not: the values of its variables may have changed. */
  reload(): Promise<Content>;
}

interface ConfigWatchOptions<Content> extends FileWatchOptions {
  /** Reads the file at `path` and merges it with what was in force before. */
  read(path: string, before: Content): Promise<Content>;
  /** What was in force before the first reading. */
  initial: Content;
  /** The part of the content whose changes matter to listeners; all of it when left out. */
  newsOf?(content: Content): unknown;
  /** Called after each reading but the first whose news differ from the one before. */
  onChange(content: Content): void;
}

/**
 * Reads the configuration file at `path` and again whenever it changes. The path need not exist yet.
 *
 * @throws what `read` throws at the first reading
 */
export async function watchConfig<Content>(
  path: string,
  options: ConfigWatchOptions<Content>,
): Promise<ConfigWatch<Content>> {
  const watch = new WatchedConfig(resolve(path), options);
  await watch.reload();
  return watch;
}

class WatchedConfig<Content> implements ConfigWatch<Content> {
  current: Content;
  readonly #path: string;
  readonly #options: ConfigWatchOptions<Content>;
  readonly #file: FileWatch<Content>;
  #isFirst = true;

  constructor(path: string, options: ConfigWatchOptions<Content>) {
    this.current = options.initial;
    this.#path = path;
    this.#options = options;
    this.#file = new FileWatch(path, () => this.#read(), options);
  }

  reload(): Promise<Content> {
    return this.#file.reload();
  }

  async #read(): Promise<Content> {
    const { read, newsOf = (content: Content): unknown => content, onChange } = this.#options;
    const before = this.current;
    this.current = await read(this.#path, before);
    const isNews = !this.#isFirst && !isDeepStrictEqual(newsOf(before), newsOf(this.current));
    this.#isFirst = false;
    if (isNews && !this.#file.isClosed) onChange(this.current);
    return this.current;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }
}
