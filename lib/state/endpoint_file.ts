import { readRegularFile } from "../config/regular_file.ts";
import { writePrivateFile } from "./state_files.ts";

/** What the running daemon says of itself for shims and commands that look for it. */
interface DaemonEndpoint {
  url: string;
  /** Its Unix socket or named pipe, if it has one. */
  socket?: string;
  pid: number;
  version: string;
}

/** The file that says where the daemon of this state directory listens; there while it runs. */
export class EndpointFile implements AsyncDisposable {
  readonly #path: string;
  readonly #text: string;

  private constructor(path: string, text: string) {
    this.#path = path;
    this.#text = text;
  }

  static async write(path: string, endpoint: DaemonEndpoint): Promise<EndpointFile> {
    const text = JSON.stringify(endpoint) + "\n";
    await writePrivateFile(path, text);
    return new EndpointFile(path, text);
  }

  /** Removes the file, unless another daemon has written its own by now. */
  async [Symbol.asyncDispose](): Promise<void> {
    const found = await readRegularFile(this.#path).catch(() => undefined);
    if (found === this.#text) await Deno.remove(this.#path).catch(() => {});
  }
}
