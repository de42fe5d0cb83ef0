import { getLogger } from "@logtape/logtape";

const log = getLogger(["exai", "edge"]);

const SYMBOLS = {
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
} as const;

const AF_INET = 2;
const AF_INET6 = 10;
const SHUT_RDWR = 2;
const FD_DIR = "/proc/self/fd";

let library: Deno.DynamicLibrary<typeof SYMBOLS> | undefined;

/**
 * Cuts the TCP connection from `remote`. What the runtime has begun to write to a peer that does not read is held until
 * that peer is gone, and closing the WebSocket only waits behind it; the system itself is asked to end the connection.
 * Linux only; elsewhere, and where the process may not, it does nothing and the memory comes back when the peer goes.
 */
export function forceClose(remote: Deno.Addr): boolean {
  if (Deno.build.os !== "linux" || remote.transport !== "tcp") return false;
  try {
    library ??= Deno.dlopen("libc.so.6", SYMBOLS);
    const { getpeername, shutdown } = library.symbols;
    const found = openHandles().filter((fd) => isPeer(fd, remote, getpeername));
    // A connection of our own to the same place would be a second one: neither is touched.
    return found.length === 1 && shutdown(found[0]!, SHUT_RDWR) === 0;
  } catch (thrown) {
    log.debug("a connection could not be cut: {thrown}", { thrown });
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
  // The port with the family is enough to tell it by: whose address is written in which way is not compared.
  return family === AF_INET6 && hostname.includes(":");
}
