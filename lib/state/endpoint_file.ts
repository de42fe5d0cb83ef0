import { readRegularFile } from "../config/regular_file.ts";
import { writePrivateFile } from "./state_files.ts";

/** How shims and commands reach the running daemon. */
interface DaemonEndpoint {
  url: string;
  /** The port of its settings, where it listens on another because that one could not be had. */
  instead_of?: number;
  /** Its Unix socket or named pipe. */
  socket?: string;
  pid: number;
  version: string;
  /** When the commit it was built from was made, if it knows. */
  committed_at?: string;
  /** Set if it ends in favour of a newer daemon. */
  hands_over: true;
}

/** The file with the addresses of the daemon of this state directory; it exists while the daemon runs. */
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

  /** Removes the file unless another daemon has written its own since. */
  async [Symbol.asyncDispose](): Promise<void> {
    const found = await readRegularFile(this.#path).catch(() => undefined);
    if (found === this.#text) await Deno.remove(this.#path).catch(() => {});
  }
}
