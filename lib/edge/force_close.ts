import { getLogger } from "@logtape/logtape";
import { AF_INET, AF_INET6, SHUT_RDWR } from "../transport/libc_socket.ts";

const log = getLogger(["exai", "edge"]);

const SYMBOLS = {
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
} as const;

const FD_DIR = "/proc/self/fd";

let library: Deno.DynamicLibrary<typeof SYMBOLS> | undefined;

/**
 * Shuts down the TCP connection from `remote` by a system call. A write to a peer that does not read stays in memory
 * until that peer is gone, and the close of the WebSocket waits behind it. Linux only; elsewhere, or without permission,
 * it does nothing, and the memory is freed when the peer disconnects.
 *
 * @returns whether the connection was shut down
 */
export function forceClose(remote: Deno.Addr): boolean {
  if (Deno.build.os !== "linux" || remote.transport !== "tcp") return false;
  try {
    library ??= Deno.dlopen("libc.so.6", SYMBOLS);
    const { getpeername, shutdown } = library.symbols;
    const found = openHandles().filter((fd) => isPeer(fd, remote, getpeername));
    // A connection of this process to the same peer would match as well: then neither is closed.
    return found.length === 1 && shutdown(found[0]!, SHUT_RDWR) === 0;
  } catch (thrown) {
    log.debug("a connection could not be closed: {thrown}", { thrown });
    return false;
  }
}

function openHandles(): number[] {
  return Array.from(Deno.readDirSync(FD_DIR), ({ name }) => Number(name));
}

type GetPeerName = (fd: number, address: BufferSource, length: BufferSource) => number;

function isPeer(fd: number, { hostname, port }: Deno.NetAddr, getpeername: GetPeerName): boolean {
  const address = new Uint8Array(28);
  const view = new DataView(address.buffer);
  if (getpeername(fd, address, new Uint32Array([address.length])) !== 0) return false;
  if (view.getUint16(2) !== port) return false;
  const family = new Uint16Array(address.buffer)[0];
  if (family === AF_INET) return address.subarray(4, 8).join(".") === hostname;
  // Port and family identify it: IPv6 addresses have several notations, so they are not compared.
  return family === AF_INET6 && hostname.includes(":");
}
