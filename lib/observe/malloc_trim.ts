import { getLogger } from "@logtape/logtape";

const log = getLogger(["exai", "daemon"]);

const SYMBOLS = { malloc_trim: { parameters: ["usize"], result: "i32", nonblocking: true } } as const;

let library: Deno.DynamicLibrary<typeof SYMBOLS> | undefined;

/**
 * Gives what is freed outside of V8's heap (buffers of sockets, of TLS, of decompression) back to the system: glibc keeps
 * it for the next time, as long as anything above it is in use. A few milliseconds, on a thread of its own. Only glibc
 * has it; elsewhere nothing is done.
 */
export async function trimMalloc(): Promise<void> {
  if (Deno.build.os !== "linux") return;
  try {
    library ??= Deno.dlopen("libc.so.6", SYMBOLS);
    await library.symbols.malloc_trim(0n);
  } catch (thrown) {
    log.debug("what is freed cannot be given back: {thrown}", { thrown });
  }
}
