import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { addressBytes, isMapped, type SocketEndpoint } from "../base/ip_address.ts";

const log = getLogger(["exai", "edge"]);

const LIBC = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

type Libc = Deno.DynamicLibrary<typeof LIBC>;

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM_CLOEXEC = 1 | 0o2000000;
const SHUT_RDWR = 2;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
/** `sockaddr_in` and `sockaddr_in6`. */
const V4_BYTES = 16;
const V6_BYTES = 28;

/**
 * A second socket bound to the address a server listens on. It never listens itself; it keeps the port taken while the
 * server has no listening socket, so that no other user can bind it in between. `SO_REUSEPORT`, set on it once it is
 * bound, lets sockets of the same user with that option listen on the address, and nobody else. The kernel closes it
 * with the process, however that ends, and children do not inherit it. Linux only.
 */
export class PlaceholderSocket implements Disposable {
  readonly port: number;
  readonly #library: Libc;
  readonly #fd: number;
  #isDisposed = false;

  private constructor(library: Libc, fd: number, port: number) {
    this.#library = library;
    this.#fd = fd;
    this.port = port;
  }

  /**
   * Takes the address. Undefined where that cannot be done, or the address is in use: listening on it says why.
   *
   * @param at port 0 takes a free one from the system
   */
  static bind(at: SocketEndpoint): PlaceholderSocket | undefined {
    const address = Deno.build.os === "linux" ? encodeAddress(at) : undefined;
    if (!address) return undefined;
    let library: Libc;
    try {
      library = Deno.dlopen("libc.so.6", LIBC);
    } catch (thrown) {
      log.debug("the address is not held by a second socket: {why}", { why: messageOf(thrown) });
      return undefined;
    }
    const fd = library.symbols.socket(familyOf(address), SOCK_STREAM_CLOEXEC, 0);
    const port = fd < 0 ? undefined : bindPlaceholder(library, fd, address);
    if (port !== undefined) return new PlaceholderSocket(library, fd, port);
    if (fd >= 0) library.symbols.close(fd);
    library.close();
    return undefined;
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#library.symbols.close(this.#fd);
    this.#library.close();
  }
}

/** Binds `fd`, and gives its port; undefined when the system refuses any of it. */
function bindPlaceholder(library: Libc, fd: number, address: Uint8Array<ArrayBuffer>): number | undefined {
  const { bind, listen, shutdown } = library.symbols;
  const set = (name: number, value: number) =>
    library.symbols.setsockopt(fd, SOL_SOCKET, name, new Int32Array([value]), 4) === 0;
  const isFixed = portOf(address) !== 0;
  // Connections of the daemon before this one, in TIME_WAIT, count as users of the port without this option.
  if (isFixed && !set(SO_REUSEADDR, 1)) return undefined;
  if (bind(fd, address, address.length) !== 0) return undefined;
  // With that option two programs can bind one address until one of them listens. So it listens for a moment, which
  // the kernel grants to one alone, and the option is gone before that ends. `shutdown` leaves it bound.
  if (isFixed && (listen(fd, 0) !== 0 || !set(SO_REUSEADDR, 0) || shutdown(fd, SHUT_RDWR) !== 0)) {
    return undefined;
  }
  if (!set(SO_REUSEPORT, 1)) return undefined;
  const bound = new Uint8Array(V6_BYTES);
  if (library.symbols.getsockname(fd, bound, new Uint32Array([bound.length])) !== 0) return undefined;
  return portOf(bound) || undefined;
}

/** The address as `bind` takes it; undefined for a name, and for an address with a scope. */
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
