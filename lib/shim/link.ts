import { getLogger } from "@logtape/logtape";
import { isObject, type JsonObject } from "../base/json.ts";
import type { ClientTls } from "../config/tls.ts";
import { type ClientSocket, ConnectError, connectWebSocket } from "../transport/websocket_client.ts";
import { CLOSE } from "../wire/codes.ts";
import type { HelloAck } from "../wire/ops.ts";

const log = getLogger(["exai", "shim"]);

/**
 * Why there is no link: nobody listens; the token is not accepted; the daemon refuses what the hello says; what is
 * there does not answer, or not as a daemon does.
 */
export type LinkFault = "refused" | "unauthorized" | "rejected" | "unreachable";

/** No link to the daemon came about. The message is fit for the person at the client. */
export class LinkError extends Error {
  override name = "LinkError";
  readonly fault: LinkFault;

  constructor(fault: LinkFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** A connection on which the daemon has said welcome. */
export interface Link {
  socket: ClientSocket;
  ack: HelloAck;
}

/** Where and as whom to connect. */
export interface LinkTarget {
  /** Path of the daemon's Unix socket or named pipe, which is tried first. */
  socket?: string;
  /**
   * The daemon's address, `ws://host:port/`.
   *
   * @throws {LinkError} `refused` when there is none
   */
  readUrl(): Promise<string>;
  /** What a connection with TLS needs; undefined: what it has by itself. */
  readTls?(): Promise<ClientTls | undefined>;
  /** Read when the connection is open: by then a daemon that makes its token has made it. */
  readToken(): Promise<string | undefined>;
}

/** How long the daemon may take to accept a connection, and again to answer the hello. */
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

/**
 * Connects to the daemon and says `hello`, to which the token is added. Whatever is wrong with the socket, the address
 * is tried after it.
 *
 * @throws {LinkError}
 */
export async function openLink(target: LinkTarget, hello: JsonObject): Promise<Link> {
  const { socket } = target;
  if (socket) {
    try {
      const way = { url: SOCKET_URL, socket, timeoutMs: SOCKET_TIMEOUT_MS };
      // Nothing is held back on a socket, so nothing need be nudged.
      return await openWay(way, target, { ...hello, nudge: false });
    } catch (thrown) {
      log.debug("not through {socket}: {reason}", { socket, reason: (thrown as Error).message });
    }
  }
  const url = await target.readUrl();
  const tls = url.startsWith("wss:") ? await target.readTls?.() : undefined;
  return await openWay({ url, tls, timeoutMs: ANSWER_TIMEOUT_MS }, target, hello);
}

async function openWay(way: Way, { readToken }: LinkTarget, hello: JsonObject): Promise<Link> {
  const { url } = way;
  const socket = await connect(way);
  const token = await readToken();
  socket.send(JSON.stringify({ op: "hello", ...(token ? { token } : {}), ...hello }));
  const answer = await firstFrame(socket, way.timeoutMs);
  const ack = parseAck(answer.text);
  if (ack?.ok === true) return { socket, ack: ack as unknown as HelloAck };
  socket.drop("no use of it");
  if (answer.code === CLOSE.unauthorized || ack?.error === "unauthorized") {
    throw new LinkError("unauthorized", `the daemon at ${url} does not accept our token`);
  }
  const refusal = ack ? String(ack.error) : isOurCode(answer.code) && answer.why;
  if (refusal) throw new LinkError("rejected", `the daemon at ${url} refuses us: ${refusal}`);
  const said = answer.text === undefined ? answer.why : "its first frame is no hello_ack";
  throw new LinkError("unreachable", `what answers at ${url} is no EXAI daemon: ${said}`);
}

// The range WebSocket leaves to applications (RFC 6455, 7.4.2).
function isOurCode(code: number | undefined): boolean {
  return code !== undefined && code >= 4000 && code < 5000;
}

async function connect({ url, ...options }: Way): Promise<ClientSocket> {
  try {
    return await connectWebSocket(url, options);
  } catch (thrown) {
    const { message } = thrown as Error;
    log.debug("no connection to {url}: {message}", { url, message });
    const refused = thrown instanceof ConnectError && thrown.refused;
    if (refused) throw new LinkError("refused", `no daemon listens at ${url}`);
    throw new LinkError("unreachable", `what listens at ${url} does not answer as a daemon: ${message}`);
  }
}

interface Answer {
  text?: string;
  /** Close code, when the connection was closed in place of an answer. */
  code?: number;
  why?: string;
}

async function firstFrame(socket: ClientSocket, timeoutMs: number): Promise<Answer> {
  const { promise, resolve } = Promise.withResolvers<Answer>();
  const why = `no answer to our hello within ${timeoutMs} ms`;
  const timer = setTimeout(() => resolve({ why }), timeoutMs);
  socket.closed.then(({ code, reason }) => resolve({ code, why: `closed with ${code} ${reason}`.trimEnd() }));
  socket.onframe = (text) => {
    // What follows the answer waits for whoever takes the link.
    socket.onframe = undefined;
    resolve({ text });
  };
  const answer = await promise;
  clearTimeout(timer);
  return answer;
}

function parseAck(text: string | undefined): JsonObject | undefined {
  try {
    const frame: unknown = JSON.parse(text ?? "");
    return isObject(frame) && frame.op === "hello_ack" ? frame : undefined;
  } catch {
    return undefined;
  }
}
