import { getLogger } from "@logtape/logtape";
import { messageOf } from "../base/errors.ts";
import { namesProxies, withoutProxies } from "../config/proxies.ts";
import type { ClientTls } from "../config/tls.ts";
import { type ClientSocket, ConnectError, connectWebSocket } from "../transport/websocket_client.ts";
import { LinkError, type LinkFault } from "./link_error.ts";
import { hostOf, isLoopback } from "./loopback.ts";
import { faultOfSocket } from "./own_files.ts";

const log = getLogger(["exai", "shim"]);

/** Where a daemon listens. */
export interface Place {
  /** Path of the daemon's Unix socket or named pipe, which is tried first. */
  socket?: string;
  /**
   * The daemon's address, `ws://host:port/`.
   *
   * @throws {LinkError} `refused` when there is none
   */
  readUrl(): Promise<string>;
}

/** Where and as whom to connect. */
export interface LinkTarget extends Place {
  /**
   * Where the daemon of our state directory says that it listens, when that is another place: when nobody listens at
   * ours, it is the one to use, since a state directory has one daemon.
   */
  elsewhere?: Place;
  /** What a connection with TLS needs; undefined: what it has by itself. */
  readTls?(): Promise<ClientTls | undefined>;
  /** Whether a token is used at all. */
  usesToken: boolean;
  /** Whether without one the daemon may be another user's. */
  ofAnyUser: boolean;
  /**
   * Read when the connection is open: by then a daemon that makes its token has made it.
   *
   * @throws {LinkError} `unproven` when there is none, so that nothing can be proved
   */
  readToken(): Promise<string | undefined>;
  /** What was wrong where the daemon was looked for. */
  fault?: string;
  /** Settles when the log has been set up, which goes on beside the first try to connect. */
  logReady?: Promise<unknown>;
}

/** How long the daemon may take to accept a connection, and again for each answer. */
const ANSWER_TIMEOUT_MS = 5000;
/** As above on the socket, which has the address behind it. */
const SOCKET_TIMEOUT_MS = 2000;

/** Whom a request on the socket is for: only its Host is of any use, and must be one the daemon allows. */
const SOCKET_URL = "ws://localhost/";

/** One way to the daemon. */
interface Way {
  url: string;
  socket?: string;
  tls?: ClientTls;
  timeoutMs: number;
}

/** A connection to a program that is our daemon, as far as can be known; the token has not been sent. */
export interface Reached {
  socket: ClientSocket;
  way: Way;
  /** What to show in place of the token; undefined where no token is used. */
  proof?: string;
}

/**
 * Connects to the daemon and hands the connection to `use`. Whatever goes wrong on the socket, the address is tried
 * after it, and elsewhere when nobody listens there; each way must prove itself, so that who only holds the port learns
 * nothing.
 *
 * @throws {LinkError}
 */
export async function reachDaemon<T>(target: LinkTarget, use: (reached: Reached) => Promise<T>): Promise<T> {
  const { elsewhere, fault } = target;
  if (fault !== undefined) {
    await target.logReady;
    log.warning("{fault}", { fault });
  }
  try {
    return await reachAt(target, target, use);
  } catch (thrown) {
    if (!elsewhere || !isFault(thrown, "refused")) throw thrown;
    return await reachElsewhere(elsewhere, { target, use, nobody: thrown });
  }
}

async function reachElsewhere<T>(
  elsewhere: Place,
  { target, use, nobody }: { target: LinkTarget; use: (reached: Reached) => Promise<T>; nobody: LinkError },
): Promise<T> {
  try {
    return await reachAt(elsewhere, target, async (reached) => {
      await target.logReady;
      const { url, socket } = reached.way;
      log.info("{nobody}; the daemon of this state directory, at {place}, is used", {
        nobody: nobody.message,
        place: socket ?? url,
      });
      return await use(reached);
    });
  } catch (thrown) {
    if (isFault(thrown, "unauthorized") || isFault(thrown, "rejected")) throw thrown;
    // No daemon is there any more, and whoever has its port is nobody we asked for.
    throw nobody;
  }
}

async function reachAt<T>(
  { socket, readUrl }: Place,
  target: LinkTarget,
  use: (reached: Reached) => Promise<T>,
): Promise<T> {
  if (socket && mayUse(socket, target)) {
    try {
      const fault = await faultOfSocket(socket);
      if (fault !== undefined) throw new LinkError("unproven", fault);
      return await use(await openWay({ url: SOCKET_URL, socket, timeoutMs: SOCKET_TIMEOUT_MS }, target));
    } catch (thrown) {
      await target.logReady;
      log.debug("not through {socket}: {reason}", { socket, reason: messageOf(thrown) });
    }
  }
  const url = await readUrl();
  const tls = url.startsWith("wss:") ? await target.readTls?.() : undefined;
  return await use(await openWay({ url, tls, timeoutMs: ANSWER_TIMEOUT_MS }, target));
}

function isFault(thrown: unknown, fault: LinkFault): thrown is LinkError {
  return thrown instanceof LinkError && thrown.fault === fault;
}

/** Nothing tells whose a named pipe is, so without a token the address is used, whose owner the system tells. */
function mayUse(socket: string, { usesToken }: LinkTarget): boolean {
  return usesToken || !socket.startsWith("\\\\");
}

/**
 * Opens one way and has what is there prove itself.
 *
 * @throws {LinkError}
 */
export async function openWay(
  way: Way,
  target: Pick<LinkTarget, "usesToken" | "ofAnyUser" | "readToken">,
): Promise<Reached> {
  const ownerMatters = !target.usesToken && !target.ofAnyUser && way.socket === undefined;
  // Loaded late, as few windows need them: most have a socket and no token.
  const listener = ownerMatters ? await import("./listener.ts") : undefined;
  const proving = target.usesToken ? await import("./handshake.ts") : undefined;
  await listener?.checkListener(way.url, { mayBeNobody: true });
  const socket = await connect(way);
  try {
    const token = proving && await target.readToken();
    if (token !== undefined) return { socket, way, proof: await proving!.handshake(socket, way, token) };
    await listener?.checkListener(way.url, { mayBeNobody: false });
    return { socket, way };
  } catch (thrown) {
    socket.drop("it has not proved itself");
    throw thrown;
  }
}

async function connect({ url, ...options }: Way): Promise<ClientSocket> {
  // What is on this machine is never behind a proxy; a daemon elsewhere may be.
  const isHere = options.socket !== undefined || isLoopback(hostOf(new URL(url)));
  const makeClient = isHere && namesProxies() ? directClient : undefined;
  try {
    return await connectWebSocket(url, { ...options, makeClient });
  } catch (thrown) {
    const message = messageOf(thrown);
    log.debug("no connection to {url}: {message}", { url, message });
    const refused = thrown instanceof ConnectError && thrown.isRefused;
    if (refused) throw new LinkError("refused", `no daemon listens at ${url}`);
    throw new LinkError("unreachable", `what listens at ${url} does not answer as a daemon: ${message}`);
  }
}

function directClient(options: Deno.CreateHttpClientOptions): Deno.HttpClient {
  return withoutProxies(() => Deno.createHttpClient(options));
}
