import { join } from "@std/path";
import { RotatingFile } from "../state/rotating_file.ts";

/** The stderr of servers: a rotated file for each in the log directory. */
export class ServerLogs implements AsyncDisposable {
  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #files = new Map<string, RotatingFile>();

  constructor(dir: string, maxBytes: number) {
    this.#dir = dir;
    this.#maxBytes = maxBytes;
  }

  append(server: string, text: string): void {
    let file = this.#files.get(server);
    if (!file) {
      file = new RotatingFile(join(this.#dir, `server-${server}.log`), { maxBytes: this.#maxBytes });
      this.#files.set(server, file);
    }
    file.append(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(Array.from(this.#files.values(), (file) => file[Symbol.asyncDispose]()));
  }
}
