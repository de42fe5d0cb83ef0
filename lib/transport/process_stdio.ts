import type { Socket } from "node:net";
import { KIB, SECOND_MS } from "../base/units.ts";
import type { ByteSource, ChunkHandler } from "./line_source.ts";
import type { ByteSink } from "./line_writer.ts";

const CHUNK_BYTES = 64 * KIB;

/**
 * What a pipe takes whole or not at all (`PIPE_BUF`). Of a longer write to a descriptor that another process has made
 * non-blocking, `Deno.stdout` does not tell how much was written when the pipe is full.
 */
const ATOMIC_BYTES = { linux: 4 * KIB, windows: Infinity }[Deno.build.os as string] ?? 512;

/** From this on many such writes take longer than to load `node:net`. */
const LARGE_BYTES = 512 * KIB;

interface StdioOptions {
  /**
   * A client that sends this many chunks within `busyMs`, or has as many parts of answers written, is worth what it
   * costs to load `node:net`.
   */
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
  /** Set once sockets are used. */
  #net: typeof import("node:net") | undefined;
  #stdout: Socket | undefined;
  #chunks = 0;
  #countedSinceMs = performance.now();
  #pendingWrites = 0;

  constructor({ busyChunks = 64, busyMs = SECOND_MS }: StdioOptions = {}) {
    this.#busyChunks = busyChunks;
    this.#busyMs = busyMs;
  }

  async readAll(handle: ChunkHandler): Promise<void> {
    const buffer = new Uint8Array(CHUNK_BYTES);
    while (!this.#net) {
      const count = await Deno.stdin.read(buffer);
      if (count === null) return;
      const wait = handle(buffer.subarray(0, count));
      if (wait) await wait;
      if (this.#isBusy()) await this.#useSockets();
    }
    // Between two reads: the socket begins to read at once.
    const socket = openSocket(this.#net, { fd: 0, readable: true, writable: false });
    await (socket ? readSocket(socket, handle) : readFile(buffer, handle));
  }

  async write(data: Uint8Array): Promise<number> {
    if (data.length >= LARGE_BYTES) await this.#useSockets();
    if (this.#stdout) return await writeSocket(this.#stdout, data);
    // An answer of 100 KB goes in 25 parts, each by way of a thread.
    if (data.length > ATOMIC_BYTES) this.#chunks++;
    this.#pendingWrites++;
    try {
      return await Deno.stdout.write(this.#net ? data : data.subarray(0, ATOMIC_BYTES));
    } catch (thrown) {
      // Nothing was written. The rest is left to a socket, which can wait; it may have been opened since.
      if (!(thrown instanceof Deno.errors.WouldBlock)) throw thrown;
      await this.#useSockets();
      if (!this.#stdout) throw thrown;
      return 0;
    } finally {
      this.#pendingWrites--;
    }
  }

  #isBusy(): boolean {
    // A pipe of Windows supports sockets only if its creator opened it so.
    if (++this.#chunks < this.#busyChunks || Deno.build.os === "windows") return false;
    if (this.#pendingWrites > 0) return false;
    const nowMs = performance.now();
    const isBusy = nowMs - this.#countedSinceMs < this.#busyMs;
    this.#chunks = 0;
    this.#countedSinceMs = nowMs;
    return isBusy;
  }

  async #useSockets(): Promise<void> {
    if (this.#net || Deno.build.os === "windows") return;
    const net = await import("node:net");
    if (this.#net) return;
    this.#stdout = openSocket(net, { fd: 1, readable: false, writable: true });
    this.#net = net;
  }
}

/** The descriptor as a socket; undefined for a file or a terminal. */
function openSocket(
  { Socket }: typeof import("node:net"),
  options: { fd: number; readable: boolean; writable: boolean },
): Socket | undefined {
  try {
    // A failure reaches the reader or the writer.
    return new Socket(options).on("error", () => {});
  } catch {
    return undefined;
  }
}

async function readFile(buffer: Uint8Array, handle: ChunkHandler): Promise<void> {
  for (let count; (count = await Deno.stdin.read(buffer)) !== null;) {
    const wait = handle(buffer.subarray(0, count));
    if (wait) await wait;
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
