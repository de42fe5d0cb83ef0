import { join } from "@std/path";
import { serverLogName } from "../config/paths.ts";
import { RotatingFile } from "../state/rotating_file.ts";

/** The stderr of servers: a rotated file for each in the log directory. */
export class ServerLogs implements AsyncDisposable {
  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #files = new Map<string, RotatingFile>();
  #isClosed = false;

  constructor(dir: string, maxBytes: number) {
    this.#dir = dir;
    this.#maxBytes = maxBytes;
  }

  append(server: string, text: string): void {
    // A process that ends late must not make a file in a directory that is no longer this daemon's.
    if (this.#isClosed) return;
    let file = this.#files.get(server);
    if (!file) {
      file = new RotatingFile(join(this.#dir, serverLogName(server)), { maxBytes: this.#maxBytes });
      this.#files.set(server, file);
    }
    file.append(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all(Array.from(this.#files.values(), (file) => file[Symbol.asyncDispose]()));
  }
}
