import { Socket } from "node:net";
import { KIB } from "../base/units.ts";
import type { ByteSource, Taker } from "./line_source.ts";
import type { ByteSink } from "./line_writer.ts";

const CHUNK_BYTES = 64 * KIB;

/**
 * This process's stdin. A pipe or socket is read whenever the system says that something is there: reading through
 * `Deno.stdin` takes a thread's help each time, which together with writing was most of what the shim cost a call.
 */
export function openStdin(): ByteSource {
  const socket = openSocket(0, { readable: true, writable: false });
  return socket ? { readAll: (take) => readSocket(socket, take) } : { readAll: readStdin };
}

/** This process's stdout, written without a thread's help where that is possible, as {@linkcode openStdin} reads. */
export function openStdout(): ByteSink {
  const socket = openSocket(1, { readable: false, writable: true });
  return socket ? { write: (data) => writeSocket(socket, data) } : Deno.stdout;
}

/** undefined for a file or a terminal, which only `Deno.stdin` and `Deno.stdout` can deal with. */
function openSocket(fd: number, use: { readable: boolean; writable: boolean }): Socket | undefined {
  // Not tried on Windows, where whether a pipe can be waited for depends on who made it.
  if (Deno.build.os === "windows") return undefined;
  try {
    const socket = new Socket({ fd, ...use });
    // What fails is told to whoever reads or writes.
    return socket.on("error", () => {});
  } catch {
    return undefined;
  }
}

function readSocket(socket: Socket, take: Taker): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onData = (chunk: Uint8Array) => {
    const wait = take(chunk);
    if (wait) socket.pause();
    wait?.then(() => socket.resume(), reject);
  };
  socket.on("data", onData).once("end", resolve).once("error", reject).once("close", () => resolve());
  return promise;
}

async function readStdin(take: Taker): Promise<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  for (let count; (count = await Deno.stdin.read(buffer)) !== null;) {
    const wait = take(buffer.subarray(0, count));
    if (wait) await wait;
  }
}

function writeSocket(socket: Socket, data: Uint8Array): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  socket.write(data, (error) => error ? reject(error) : resolve(data.length));
  return promise;
}
