import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { NodeListener } from "./node_listener.ts";
import type { HttpRequestHandler, TlsOptions } from "./request_context.ts";

const log = getLogger(["exai", "edge"]);

const LIBC = { fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" } } as const;
/** Of fcntl(2) on Linux. */
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** Where the settings say that the daemon listens. */
interface InheritedAt {
  hostname: string;
  port: number;
  tls?: TlsOptions;
  handler: HttpRequestHandler;
}

/**
 * Serves the socket `fd`, which systemd listens on: connections that came before the daemon was there wait in it.
 *
 * @returns undefined when it is not at the address of the settings, which have changed since the service was installed
 */
export async function listenOnInherited(
  fd: number,
  { hostname, port, ...options }: InheritedAt,
): Promise<NodeListener | undefined> {
  keepFromPrograms(fd);
  const listener = await NodeListener.listen({ fd, ...options });
  const { address } = listener;
  if (address.hostname === hostname && address.port === port) return listener;
  log.warning(
    "systemd listens on {theirs} for this daemon, and its settings say {ours}; run exai-daemon service install again",
    { theirs: `${address.hostname}:${address.port}`, ours: `${hostname}:${port}` },
  );
  await listener[Symbol.asyncDispose]();
  return undefined;
}

/** A mounted server that inherits the socket would keep it open. */
function keepFromPrograms(fd: number): void {
  try {
    const library = Deno.dlopen("libc.so.6", LIBC);
    library.symbols.fcntl(fd, F_SETFD, FD_CLOEXEC);
    library.close();
  } catch (thrown) {
    log.warning("mounted servers inherit the socket of systemd: {reason}", { reason: messageOf(thrown) });
  }
}
