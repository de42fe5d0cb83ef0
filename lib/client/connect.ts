import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { namesProxies, withoutProxies } from "../config/process_variables.ts";
import { type ClientSocket, ConnectError, connectWebSocket } from "../transport/websocket_client.ts";
import { hostOf, isLoopbackHost } from "./daemon_url.ts";
import {
  type DaemonLocation,
  type DialOptions,
  LinkError,
  type LinkFault,
  type LinkTarget,
  type VerifiedConnection,
} from "./link_target.ts";
import { whySocketUntrusted } from "./own_files.ts";

const log = getLogger(["exai", "shim"]);

/** Time for the daemon to accept a connection, and for each answer. */
const TCP_TIMEOUT_MS = 5000;
/** As above where another program may have the port and no daemon of ours runs, so that one is soon started. */
const STRANGER_TIMEOUT_MS = 1500;
/** As above on the socket, after which TCP is tried. */
const SOCKET_TIMEOUT_MS = 2000;

/** The URL of requests on the socket: only its `Host` is used, which the daemon must allow. */
const SOCKET_URL = "ws://localhost/";

/**
 * Connects to the daemon and passes the connection to `use`. Whatever fails on the socket, the address is tried next, and
 * the fallback when nothing listens there. Each connection must prove itself, so a program that only holds the port
 * learns nothing.
 *
 * @throws {LinkError}
 */
export async function connectToDaemon<T>(
  target: LinkTarget,
  use: (connection: VerifiedConnection) => Promise<T>,
): Promise<T> {
  const { fallback, fault } = target;
  if (fault !== undefined) {
    await target.logReady;
    log.warning("{fault}", { fault });
  }
  try {
    return await connectAt(target, target, use);
  } catch (thrown) {
    if (!fallback || !hasFault(thrown, "refused")) throw await asOccupied(thrown, target);
    return await connectToFallback(fallback, { target, use, refused: thrown });
  }
}

/** `thrown`, as `occupied` where it says that another program has the default port and no daemon of ours runs. */
async function asOccupied(thrown: unknown, target: LinkTarget): Promise<unknown> {
  const isStranger = hasFault(thrown, "unproven") || hasFault(thrown, "unreachable");
  if (!isStranger || !await target.mayBeStranger?.()) return thrown;
  return new LinkError("occupied", `${thrown.message}; no daemon of this state directory runs`);
}

async function connectToFallback<T>(
  fallback: DaemonLocation,
  { target, use, refused }: {
    target: LinkTarget;
    use: (connection: VerifiedConnection) => Promise<T>;
    refused: LinkError;
  },
): Promise<T> {
  try {
    return await connectAt(fallback, target, async (connection) => {
      await target.logReady;
      const { url, socket } = connection.dialed;
      log.info("{reason}; the daemon of this state directory, at {place}, is used", {
        reason: refused.message,
        place: socket ?? url,
      });
      return await use(connection);
    });
  } catch (thrown) {
    if (hasFault(thrown, "unauthorized") || hasFault(thrown, "rejected")) throw thrown;
    // The daemon has ended, and another program may have its port by now.
    throw refused;
  }
}

async function connectAt<T>(
  { socket, readUrl }: DaemonLocation,
  target: LinkTarget,
  use: (connection: VerifiedConnection) => Promise<T>,
): Promise<T> {
  if (socket && mayUseSocket(socket, target)) {
    try {
      const distrust = await whySocketUntrusted(socket);
      if (distrust !== undefined) throw new LinkError("unproven", distrust);
      return await use(await openVerified({ url: SOCKET_URL, socket, timeoutMs: SOCKET_TIMEOUT_MS }, target));
    } catch (thrown) {
      await target.logReady;
      log.debug("not through {socket}: {reason}", { socket, reason: messageOf(thrown) });
    }
  }
  const url = await readUrl();
  const tls = url.startsWith("wss:") ? await target.readTls?.() : undefined;
  const timeoutMs = await target.mayBeStranger?.() ? STRANGER_TIMEOUT_MS : TCP_TIMEOUT_MS;
  return await use(await openVerified({ url, tls, timeoutMs }, target));
}

function hasFault(thrown: unknown, fault: LinkFault): thrown is LinkError {
  return thrown instanceof LinkError && thrown.fault === fault;
}

/** The owner of a named pipe cannot be determined, so without a token TCP is used, where the owner of the listener can. */
function mayUseSocket(socket: string, { usesToken }: LinkTarget): boolean {
  return usesToken || !socket.startsWith("\\\\");
}

/**
 * Opens one connection and has its other end prove itself.
 *
 * @throws {LinkError}
 */
export async function openVerified(
  dialed: DialOptions,
  target: Pick<LinkTarget, "usesToken" | "allowsAnyUser" | "readToken">,
): Promise<VerifiedConnection> {
  const ownerMatters = !target.usesToken && !target.allowsAnyUser && dialed.socket === undefined;
  // Imported on demand: most windows use a socket without a token and need neither.
  const listener = ownerMatters ? await import("./listener_owner.ts") : undefined;
  const handshake = target.usesToken ? await import("./authenticate_daemon.ts") : undefined;
  await listener?.checkListenerOwner(dialed.url, { allowsUnknown: true });
  const socket = await dial(dialed);
  try {
    const token = handshake && await target.readToken();
    if (token !== undefined) {
      return { socket, dialed, proof: await handshake!.authenticateDaemon(socket, dialed, token) };
    }
    await listener?.checkListenerOwner(dialed.url, { allowsUnknown: false });
    return { socket, dialed };
  } catch (thrown) {
    socket.drop("it has not proved itself");
    throw thrown;
  }
}

async function dial({ url, ...options }: DialOptions): Promise<ClientSocket> {
  // A daemon on this machine is not behind a proxy; one elsewhere may be.
  const isHere = options.socket !== undefined || isLoopbackHost(hostOf(new URL(url)));
  if (isHere && options.socket === undefined && !await mayListen(url)) throw nobodyAt(url);
  const makeClient = isHere && namesProxies() ? directClient : undefined;
  try {
    return await connectWebSocket(url, { ...options, makeClient });
  } catch (thrown) {
    const message = messageOf(thrown);
    log.debug("no connection to {url}: {message}", { url, message });
    const isRefused = thrown instanceof ConnectError && thrown.isRefused;
    if (isRefused) throw nobodyAt(url);
    throw new LinkError("unreachable", `what listens at ${url} does not answer as a daemon: ${message}`);
  }
}

function nobodyAt(url: string): LinkError {
  return new LinkError("refused", `no daemon listens at ${url}`);
}

/**
 * Whether something may listen at a loopback address. Windows tries a refused connection again and again, for two seconds
 * in all, but tells at once who listens where.
 */
async function mayListen(url: string): Promise<boolean> {
  if (Deno.build.os !== "windows") return true;
  try {
    const { isListening } = await import("../transport/listener_process.ts");
    const { hostname, port, protocol } = new URL(url);
    const defaultPort = protocol === "wss:" ? 443 : 80;
    return await isListening({
      hostname: hostname.replace(/^\[|\]$/g, ""),
      port: Number(port || defaultPort),
    });
  } catch {
    // A shim that may not call functions of the system.
    return true;
  }
}

function directClient(options: Deno.CreateHttpClientOptions): Deno.HttpClient {
  return withoutProxies(() => Deno.createHttpClient(options));
}
