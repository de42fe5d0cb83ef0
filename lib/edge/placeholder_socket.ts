import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { addressBytes, isMapped, type SocketEndpoint } from "../base/ip_address.ts";
import { AF_INET, AF_INET6, LibcSocket, SHUT_RDWR, SOCK_STREAM } from "../transport/libc_socket.ts";

const log = getLogger(["exai", "edge"]);

/**
 * A second socket bound to the address that a server listens on. It does not listen; it keeps the port bound while the
 * server has no listening socket, so that no other user can bind it meanwhile. `SO_REUSEPORT`, set once it is bound, lets
 * only sockets of the same user with that option listen on the address. The kernel closes it with the process, and
 * children do not inherit it. Linux only.
 */
export class PlaceholderSocket implements Disposable {
  readonly port: number;
  readonly #socket: LibcSocket;

  private constructor(socket: LibcSocket, port: number) {
    this.#socket = socket;
    this.port = port;
  }

  /**
   * Binds the address. Undefined where that is not supported or fails: listening on the address reports the reason.
   *
   * @param at with port 0 the system assigns a free one
   */
  static bind(at: SocketEndpoint): PlaceholderSocket | undefined {
    const address = Deno.build.os === "linux" ? encodeAddress(at) : undefined;
    if (!address) return undefined;
    try {
      const socket = LibcSocket.open({ family: familyOf(address), type: SOCK_STREAM });
      const port = bindPlaceholder(socket, address);
      if (port !== undefined) return new PlaceholderSocket(socket, port);
      socket[Symbol.dispose]();
    } catch (thrown) {
      log.debug("the address is not bound by a second socket: {why}", { why: messageOf(thrown) });
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
/** Sizes of `sockaddr_in` and `sockaddr_in6`. */
const V4_BYTES = 16;
const V6_BYTES = 28;

/** Binds `socket` and returns its port; undefined when a system call fails. */
function bindPlaceholder(
  { fd, calls: { bind, getsockname, listen, setsockopt, shutdown } }: LibcSocket,
  address: Uint8Array<ArrayBuffer>,
): number | undefined {
  const set = (name: number, value: number) =>
    setsockopt(fd, SOL_SOCKET, name, new Int32Array([value]), 4) === 0;
  const isFixed = portOf(address) !== 0;
  // Without it, connections of the previous daemon in TIME_WAIT keep the port busy.
  if (isFixed && !set(SO_REUSEADDR, 1)) return undefined;
  if (bind(fd, address, address.length) !== 0) return undefined;
  // With that option several programs can bind the address until one of them listens. So it listens, which the kernel
  // allows only one of them, and clears the option before it stops. `shutdown` leaves the socket bound.
  if (isFixed && (listen(fd, 0) !== 0 || !set(SO_REUSEADDR, 0) || shutdown(fd, SHUT_RDWR) !== 0)) {
    return undefined;
  }
  if (!set(SO_REUSEPORT, 1)) return undefined;
  const bound = new Uint8Array(V6_BYTES);
  if (getsockname(fd, bound, new Uint32Array([bound.length])) !== 0) return undefined;
  return portOf(bound) || undefined;
}

/** The address as a `sockaddr`; undefined for a host name, and for an address with a scope. */
function encodeAddress({ hostname, port }: SocketEndpoint): Uint8Array<ArrayBuffer> | undefined {
  const address = hostname.includes("%") ? undefined : addressBytes(hostname);
  if (!address) return undefined;
  const isV4 = !hostname.includes(":") && isMapped(address);
  const bytes = new Uint8Array(isV4 ? V4_BYTES : V6_BYTES);
  new Uint16Array(bytes.buffer, 0, 1)[0] = isV4 ? AF_INET : AF_INET6;
  new DataView(bytes.buffer).setUint16(2, port);
  if (isV4) bytes.set(address.subarray(12), 4);
  else bytes.set(address, 8);
  return bytes;
}

function familyOf(address: Uint8Array<ArrayBuffer>): number {
  return new Uint16Array(address.buffer, 0, 1)[0]!;
}

function portOf(address: Uint8Array<ArrayBuffer>): number {
  return new DataView(address.buffer).getUint16(2);
}
