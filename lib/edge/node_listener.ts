import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Duplex } from "node:stream";
import { getRequestListener } from "@hono/node-server";
import { getLogger } from "@logtape/logtape";
// @ts-types="@types/ws"
import { type WebSocket as NodeWebSocket, WebSocketServer } from "ws";
import { MIB } from "../base/units.ts";
import { withVariable } from "../config/process_variables.ts";
import type {
  HttpRequestHandler,
  RequestContext,
  TlsOptions,
  UpgradedConnection,
  WebSocketUpgradeOptions,
} from "./request_context.ts";
import { SOCKET_ENDPOINT } from "../wire/proof.ts";
import { AddressUnavailableError, endpointOf } from "./deno_listener.ts";

const log = getLogger(["exai", "edge"]);

/** The limit of `Deno.serve`; the configured limit is checked later. */
const MAX_PAYLOAD_BYTES = 64 * MIB;

/**
 * How many connections a named pipe may have (CreateNamedPipe, nMaxInstances). Deno takes the number that Node.js has for
 * pending ones for it, which is 4 by default, and stops accepting for good once there are as many.
 */
const MAX_PIPE_INSTANCES = 254;

/** Further connections are closed, so that the limit is never reached; a shim then uses the address. */
const MAX_PIPE_CONNECTIONS = 200;

function withPipeInstances(listen: () => void): void {
  withVariable("NODE_PENDING_PIPE_INSTANCES", String(MAX_PIPE_INSTANCES), listen);
}

type NodeListenOptions = { handler: HttpRequestHandler } & NodeListenAt;

type NodeListenAt =
  /** A Unix socket or a named pipe. */
  | { path: string }
  /** With port 0 the system assigns a free one. */
  | { hostname: string; port: number; tls: TlsOptions }
  /** The descriptor of a TCP socket that is listened on. */
  | { fd: number; tls?: TlsOptions };

/**
 * An HTTP server on `node:http`, for what `Deno.serve` does not support: named pipes, client certificates and sockets that
 * are inherited. Loaded only where it is used.
 */
export class NodeListener implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server, { isPipe }: { isPipe: boolean }) {
    this.#server = server;
    server.on("connection", (socket: Socket) => {
      if (isPipe && this.#sockets.size >= MAX_PIPE_CONNECTIONS) return void socket.destroy();
      this.#sockets.add(socket);
      // A named pipe has no half-closed state: the client sees the end when the pipe is closed, and until then waits for
      // it, half a minute for that of a WebSocket.
      if (isPipe) socket.once("finish", () => socket.destroy());
      socket.on("close", () => this.#sockets.delete(socket));
      socket.on("error", ({ message }) => log.debug("connection error: {message}", { message }));
    });
  }

  /**
   * Resolves when the server listens.
   *
   * @throws {AddressUnavailableError} when another program listens on the address, or the system does not give it
   * @throws any other error of the system
   */
  static async listen(options: NodeListenOptions): Promise<NodeListener> {
    // The port is known once the server listens.
    const handler: HttpRequestHandler = (request, context) =>
      options.handler(request, { ...context, endpoint: endpoint() });
    const tls = "tls" in options ? options.tls : undefined;
    const endpoint = () =>
      "path" in options ? SOCKET_ENDPOINT : endpointOf(listener.address, tls !== undefined);
    const server = tls
      ? createTlsServer(tlsOptions(tls), requestListener(handler))
      : createServer(requestListener(handler));
    const isPipe = "path" in options;
    server.on(
      tls ? "secureConnection" : "connection",
      (socket: Socket) => recordConnection(socket, isPipe),
    );
    const upgrades = new WebSocketServer({ noServer: true, maxPayload: MAX_PAYLOAD_BYTES });
    server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      void handleUpgrade({ request, socket: socket as Socket, head, upgrades, handler });
    });
    server.on(
      "tlsClientError",
      ({ message }: Error) => log.debug("TLS handshake failed: {message}", { message }),
    );
    const listener = new NodeListener(server, { isPipe });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    server.once("error", (thrown) => reject(addressUnavailable(thrown, options) ?? thrown));
    if ("path" in options) withPipeInstances(() => server.listen(options.path, resolve));
    else if ("fd" in options) server.listen({ fd: options.fd }, resolve);
    else server.listen(options.port, options.hostname, resolve);
    await promise;
    server.on("error", ({ message }) => log.error("the listener has a fault: {message}", { message }));
    return listener;
  }

  /** The address it listens on; not for a pipe. */
  get address(): Deno.NetAddr {
    const { address, port } = this.#server.address() as AddressInfo;
    return { transport: "tcp", hostname: address, port };
  }

  /** Stops accepting connections; resolves when the last one is closed. */
  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    this.#server.closeIdleConnections();
    await promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) await this.stop();
  }
}

function tlsOptions({ cert, key, clientCa }: TlsOptions) {
  return { cert, key, ...(clientCa ? { ca: clientCa, requestCert: true, rejectUnauthorized: true } : {}) };
}

function addressUnavailable(thrown: Error, at: NodeListenAt): AddressUnavailableError | undefined {
  const { code } = thrown as { code?: string };
  if (!("port" in at)) return undefined;
  if (code === "EADDRINUSE") return new AddressUnavailableError(at, "in use");
  return code === "EACCES" ? new AddressUnavailableError(at, "denied") : undefined;
}

function requestListener(handler: HttpRequestHandler) {
  return getRequestListener((request, env) => {
    const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: NodeJS.EventEmitter };
    const completed = new Promise<void>((resolve, reject) => {
      outgoing.on("finish", resolve);
      outgoing.on("close", () => reject(new Error("the client has gone")));
    });
    completed.catch(() => {});
    return handler(request, { completed, ...connectionInfoOf(incoming.socket), endpoint: "" });
  }, { overrideGlobalObjects: false });
}

interface UpgradeRequest {
  request: IncomingMessage;
  socket: Socket;
  head: Buffer;
  upgrades: WebSocketServer;
  handler: HttpRequestHandler;
}

async function handleUpgrade({ request, socket, head, upgrades, handler }: UpgradeRequest): Promise<void> {
  let upgraded = false;
  const upgrade = (_: Request, options: WebSocketUpgradeOptions): UpgradedConnection => {
    let opened: NodeWebSocket | undefined;
    upgrades.options.handleProtocols = () => options.protocol ?? false;
    upgrades.handleUpgrade(request, socket, head, (made) => opened = made);
    upgraded = true;
    // An invalid request: ws has sent the error response.
    if (!opened) return { socket: new EventTarget() as unknown as WebSocket, response: new Response(null) };
    startHeartbeat(opened, options.idleTimeoutMs);
    return { socket: opened as unknown as WebSocket, response: new Response(null) };
  };
  try {
    const upgradeRequest = toRequest(request);
    if (!upgradeRequest) {
      return await reject(socket, new Response("not a valid WebSocket request\n", { status: 400 }));
    }
    const response = await handler(upgradeRequest, {
      completed: Promise.resolve(),
      ...connectionInfoOf(socket),
      endpoint: "",
      upgrade,
    });
    if (!upgraded) await reject(socket, response);
  } catch (thrown) {
    log.error("a connection could not be upgraded: {thrown}", { thrown });
    socket.destroy();
  }
}

/** Undefined when method, path or headers are not valid for a `Request`. */
function toRequest({ method, url, rawHeaders }: IncomingMessage): Request | undefined {
  try {
    const headers = new Headers();
    for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
      headers.append(rawHeaders[at]!, rawHeaders[at + 1]!);
    }
    return new Request(new URL(url ?? "/", "http://localhost"), { method, headers });
  } catch {
    return undefined;
  }
}

async function reject(socket: Socket, response: Response): Promise<void> {
  const body = Buffer.from(await response.arrayBuffer());
  response.headers.set("content-length", String(body.length));
  response.headers.set("connection", "close");
  const lines = Array.from(response.headers, ([name, value]) => `${name}: ${value}\r\n`).join("");
  socket.write(`HTTP/1.1 ${response.status} ${STATUS_CODES[response.status] ?? ""}\r\n${lines}\r\n`);
  socket.end(body);
}

/** The idle timeout of `Deno.upgradeWebSocket`: pings after half of the time, closes the connection after all of it. */
function startHeartbeat(socket: NodeWebSocket, idleTimeoutMs: number): void {
  let isAlive = true;
  const timer = setInterval(() => {
    if (!isAlive) return socket.terminate();
    isAlive = false;
    socket.ping();
  }, idleTimeoutMs / 2);
  const markAlive = () => isAlive = true;
  socket.on("pong", markAlive).on("ping", markAlive).on("message", markAlive);
  socket.on("close", () => clearInterval(timer));
}

type ConnectionInfo = Pick<RequestContext, "localAddr" | "remoteAddr" | "clientCertificate">;

/** Recorded when a connection is accepted: a closed socket has no addresses, and would look like a pipe. */
const connections = new WeakMap<Socket, ConnectionInfo>();

function connectionInfoOf(socket: Socket): ConnectionInfo {
  const noted = connections.get(socket);
  if (noted) return noted;
  throw new Error("a request on a connection that was not recorded");
}

function recordConnection(socket: Socket, isPipe: boolean): void {
  const pipe = { transport: "unix", path: "" } as const;
  const end = (hostname = "", port = 0) => ({ transport: "tcp", hostname, port }) as const;
  connections.set(socket, {
    localAddr: isPipe ? pipe : end(socket.localAddress, socket.localPort),
    remoteAddr: isPipe ? pipe : end(socket.remoteAddress, socket.remotePort),
    clientCertificate: isPipe ? undefined : fingerprintOf(socket as TLSSocket),
  });
}

function fingerprintOf(socket: TLSSocket): string | undefined {
  return socket.getPeerCertificate?.()?.fingerprint256;
}
