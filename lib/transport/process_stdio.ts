import type { Socket } from "node:net";
import { KIB, SECOND_MS } from "../base/units.ts";
import type { ByteSource, ChunkHandler } from "./line_source.ts";
import type { ByteSink } from "./line_writer.ts";

const CHUNK_BYTES = 64 * KIB;

/**
 * What a pipe takes whole or not at all (`PIPE_BUF`). Of a longer write to a descriptor that another process has made
 * non-blocking, `Deno.stdout` does not tell how much was written when the pipe is full.
 */
const ATOMIC_BYTES = Deno.build.os === "linux" ? 4 * KIB : 512;

/** From this on many such writes take longer than to load `node:net`. */
const LARGE_BYTES = 512 * KIB;

interface StdioOptions {
  /** A client that sends this many chunks within `busyMs` is worth what it costs to load `node:net`. */
  busyChunks?: number;
  busyMs?: number;
}

/**
 * This process's stdin and stdout, read and written by two means. `Deno.stdin` and `Deno.stdout` are there at once, and
 * need a thread of the pool for each read and write, which adds a third to the time of a call. Sockets of `node:net` are
 * read and written by the event loop, but cost a window 4 MB and its start 18 ms, so they are used from when the client
 * turns out to be busy.
 */
export class ProcessStdio implements ByteSource, ByteSink {
  readonly #busyChunks: number;
  readonly #busyMs: number;
  #wantsSockets = false;
  #stdin: Tried | undefined;
  #stdout: Tried | undefined;
  #chunks = 0;
  #countedSinceMs = performance.now();
  #pendingWrites = 0;

  constructor({ busyChunks = 512, busyMs = SECOND_MS }: StdioOptions = {}) {
    this.#busyChunks = busyChunks;
    this.#busyMs = busyMs;
  }

  async readAll(handle: ChunkHandler): Promise<void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    while (!this.#stdin?.socket) {
      // Here no read is under way, which would take what comes before the first of the socket's, or after it. A write may
      // be: both ends may be one description, which is non-blocking from then on.
      if (this.#wantsSockets && !this.#stdin && this.#pendingWrites === 0) {
        this.#stdin = await trySocket({ fd: 0, readable: true, writable: false });
        continue;
      }
      const count = await this.#waited(Deno.stdin.read(buffer), this.#stdin);
      if (count === null) return;
      const wait = count > 0 ? handle(buffer.subarray(0, count)) : undefined;
      if (wait) await wait;
      if (this.#isBusy()) this.#wantsSockets = true;
    }
    await readSocket(this.#stdin.socket, handle);
  }

  async write(data: Uint8Array): Promise<number> {
    if (data.length >= LARGE_BYTES) this.#wantsSockets = true;
    if (this.#wantsSockets) this.#stdout ??= await trySocket({ fd: 1, readable: false, writable: true });
    if (this.#stdout?.socket) return await writeSocket(this.#stdout.socket, data);
    this.#pendingWrites++;
    try {
      const part = this.#stdout ? data : data.subarray(0, ATOMIC_BYTES);
      return await this.#waited(Deno.stdout.write(part), this.#stdout) ?? 0;
    } finally {
      this.#pendingWrites--;
    }
  }

  /** Bytes transferred: none where the descriptor does not wait, whose next transfer is a socket's. */
  async #waited(transfer: Promise<number | null>, tried: Tried | undefined): Promise<number | null> {
    try {
      return await transfer;
    } catch (thrown) {
      if (tried || !(thrown instanceof Deno.errors.WouldBlock)) throw thrown;
      this.#wantsSockets = true;
      return 0;
    }
  }

  #isBusy(): boolean {
    if (this.#wantsSockets || ++this.#chunks < this.#busyChunks) return false;
    const nowMs = performance.now();
    const isBusy = nowMs - this.#countedSinceMs < this.#busyMs;
    this.#chunks = 0;
    this.#countedSinceMs = nowMs;
    return isBusy;
  }
}

/** A descriptor that was to be a socket; a file or a terminal cannot be one. */
interface Tried {
  socket?: Socket;
}

async function trySocket(options: { fd: number; readable: boolean; writable: boolean }): Promise<Tried> {
  // A pipe of Windows supports this only if its creator opened it so.
  if (Deno.build.os === "windows") return {};
  const { Socket } = await import("node:net");
  try {
    // A failure reaches the reader or the writer.
    return { socket: new Socket(options).on("error", () => {}) };
  } catch {
    return {};
  }
}

function readSocket(socket: Socket, handle: ChunkHandler): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onData = (chunk: Uint8Array) => {
    const wait = handle(chunk);
    if (wait) socket.pause();
    wait?.then(() => socket.resume(), reject);
  };
  socket.on("data", onData).once("end", resolve).once("error", reject).once("close", () => resolve());
  return promise;
}

function writeSocket(socket: Socket, data: Uint8Array): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  socket.write(data, (error) => error ? reject(error) : resolve(data.length));
  return promise;
}
