const LIBC = {
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const SOCK_CLOEXEC = 0o2000000;

/** Constants of Linux's <sys/socket.h>. */
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SHUT_RDWR = 2;
export const SOCK_STREAM = 1;

interface LibcSocketOptions {
  family: number;
  type: number;
  protocol?: number;
}

/** A Linux socket with the system calls that Deno has no API for. Children do not inherit it. */
export class LibcSocket implements Disposable {
  readonly fd: number;
  readonly #library: Deno.DynamicLibrary<typeof LIBC>;
  #isDisposed = false;

  private constructor(library: Deno.DynamicLibrary<typeof LIBC>, fd: number) {
    this.#library = library;
    this.fd = fd;
  }

  /** @throws {Error} where there is no glibc, or the system refuses the socket */
  static open({ family, type, protocol = 0 }: LibcSocketOptions): LibcSocket {
    const library = Deno.dlopen("libc.so.6", LIBC);
    const fd = library.symbols.socket(family, type | SOCK_CLOEXEC, protocol);
    if (fd >= 0) return new LibcSocket(library, fd);
    library.close();
    throw new Error(`the system refuses a socket of the family ${family}`);
  }

  /** The system calls; each takes {@linkcode fd} as its first argument. */
  get calls(): Deno.DynamicLibrary<typeof LIBC>["symbols"] {
    return this.#library.symbols;
  }

  [Symbol.dispose](): void {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    this.#library.symbols.close(this.fd);
    this.#library.close();
  }
}
