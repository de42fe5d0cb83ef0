/** How a connection ended. */
export interface SocketEnd {
  code: number;
  reason: string;
}

/** Why no connection came about. */
export class ConnectError extends Error {
  override name = "ConnectError";
  /** Whether nobody listens at the address, as against someone who does not answer as expected. */
  readonly isRefused: boolean;

  constructor(message: string, options: { refused: boolean }) {
    super(message);
    this.isRefused = options.refused;
  }
}

/** The client's end of an open WebSocket that carries text frames. Frames wait until `onframe` is set. */
export class ClientSocket {
  /** Resolves when the connection has ended, whoever ended it. */
  readonly closed: Promise<SocketEnd>;
  readonly #socket: WebSocket;
  readonly #end: (end: SocketEnd) => void;
  #onframe: ((text: string) => void) | undefined;
  #early: string[] = [];
  #over = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<SocketEnd>();
    this.closed = promise;
    this.#end = (end) => {
      this.#over = true;
      resolve(end);
    };
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => this.#end({ code, reason });
    socket.onerror = (event) => this.#end({ code: 1006, reason: (event as ErrorEvent).message });
  }

  set onframe(handler: ((text: string) => void) | undefined) {
    this.#onframe = handler;
    while (this.#onframe && this.#early.length > 0) this.#onframe(this.#early.shift()!);
  }

  /** Bytes not yet handed to the system. */
  get queuedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** Whether frames can be sent. */
  get isOpen(): boolean {
    return !this.#over && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Sends one frame; false when the connection has ended. */
  send(text: string): boolean {
    if (!this.isOpen) return false;
    this.#socket.send(text);
    return true;
  }

  /** Begins to close properly; `closed` tells when the peer has confirmed. */
  close(code: number, reason?: string): void {
    if (this.#socket.readyState <= WebSocket.OPEN) this.#socket.close(code, reason);
  }

  /** Lets go of a connection that is of no more use, without waiting for its peer. */
  drop(reason: string): void {
    this.#end({ code: 1006, reason });
    this.#socket.close();
  }

  #receive(data: unknown): void {
    if (this.#over || typeof data !== "string") return;
    if (this.#onframe) this.#onframe(data);
    else this.#early.push(data);
  }
}

/** How to reach the peer. */
interface ConnectOptions {
  timeoutMs: number;
  /** Path of the Unix socket to go through; the URL then only names the host in the request. */
  socket?: string;
  /** For `wss:`, as PEM: whom to trust beside the usual authorities, and what to show. */
  tls?: { caCerts?: string[]; cert?: string; key?: string };
  /** Makes the HTTP client to connect with; Deno's own unless said otherwise. */
  makeClient?(options: Deno.CreateHttpClientOptions): Deno.HttpClient;
}

/**
 * Opens a WebSocket to `url`.
 *
 * @throws {ConnectError}
 */
export async function connectWebSocket(url: string, options: ConnectOptions): Promise<ClientSocket> {
  const { socket, tls, makeClient } = options;
  if (socket === undefined && tls === undefined && makeClient === undefined) {
    return await opened(new WebSocket(url), options);
  }
  if (socket && isPipe(socket)) {
    const { openPipe } = await import("./pipe_client.ts");
    return await opened(openPipe(url, socket), options);
  }
  const how = socket ? { proxy: { transport: "unix", path: socket } as const } : tls ?? {};
  using client = (makeClient ?? Deno.createHttpClient)(how as Deno.CreateHttpClientOptions);
  return await opened(new WebSocket(url, { client }), options);
}

function isPipe(path: string): boolean {
  return path.startsWith("\\\\.\\pipe\\");
}

/** Waits until `socket`, which has just been made, is open. */
export function opened(socket: WebSocket, options: { timeoutMs: number }): Promise<ClientSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<ClientSocket>();
  const fail = (message: string) => {
    clearTimeout(timer);
    reject(new ConnectError(message, { refused: isRefusal(message) }));
  };
  const timer = setTimeout(() => {
    fail(`no answer within ${options.timeoutMs} ms`);
    socket.close();
  }, options.timeoutMs);
  socket.onopen = () => {
    clearTimeout(timer);
    resolve(new ClientSocket(socket));
  };
  socket.onerror = (event) => fail((event as ErrorEvent).message || "the connection failed");
  socket.onclose = ({ code, reason }) => fail(`closed with ${code} ${reason}`.trimEnd());
  return promise;
}

// Deno names no system error here: "tcp connect error" is all it says when nobody listens.
function isRefusal(message: string): boolean {
  return /tcp connect error|refused/i.test(message);
}
