import { Socket } from "node:net";
import { KIB } from "../base/units.ts";
import type { ByteSource, ChunkHandler } from "./line_source.ts";
import type { ByteSink } from "./line_writer.ts";

const CHUNK_BYTES = 64 * KIB;

/**
 * This process's stdin. A pipe or a socket is read by the event loop: `Deno.stdin` needs a thread of the pool for each
 * read, which together with writing was most of what the shim cost a call.
 */
export function openStdin(): ByteSource {
  const socket = openSocket(0, { readable: true, writable: false });
  return socket ? { readAll: (handle) => readSocket(socket, handle) } : { readAll: readStdin };
}

/** This process's stdout, written without a thread of the pool where that is possible, as {@linkcode openStdin}. */
export function openStdout(): ByteSink {
  const socket = openSocket(1, { readable: false, writable: true });
  return socket ? { write: (data) => writeSocket(socket, data) } : Deno.stdout;
}

/** The descriptor as a socket; undefined for a file or a terminal, which need `Deno.stdin` and `Deno.stdout`. */
function openSocket(fd: number, use: { readable: boolean; writable: boolean }): Socket | undefined {
  // Not on Windows, where a pipe supports this only if its creator opened it so.
  if (Deno.build.os === "windows") return undefined;
  try {
    const socket = new Socket({ fd, ...use });
    // A failure reaches the reader or the writer.
    return socket.on("error", () => {});
  } catch {
    return undefined;
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

async function readStdin(handle: ChunkHandler): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let count; (count = await Deno.stdin.read(buffer)) !== null;) {
    const wait = handle(buffer.subarray(0, count));
    if (wait) await wait;
  }
}

function writeSocket(socket: Socket, data: Uint8Array): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  socket.write(data, (error) => error ? reject(error) : resolve(data.length));
  return promise;
}
