/** How a connection ended. */
export interface SocketEnd {
  code: number;
  reason: string;
}

/** The connection could not be opened. */
export class ConnectError extends Error {
  override name = "ConnectError";
  /** Whether nothing listens at the address, in contrast to a listener that does not answer as expected. */
  readonly isRefused: boolean;

  constructor(message: string, options: { isRefused: boolean }) {
    super(message);
    this.isRefused = options.isRefused;
  }
}

/** The client's end of an open WebSocket. Frames are kept until `onframe` is set. */
export class ClientSocket {
  /** Takes frames of bytes; without it they are dropped. To be set before `onframe`. */
  onbytes: ((bytes: Uint8Array<ArrayBuffer>) => void) | undefined;
  /** Resolves when the connection has ended, whichever side ended it. */
  readonly closed: Promise<SocketEnd>;
  readonly #socket: WebSocket;
  readonly #end: (end: SocketEnd) => void;
  #onframe: ((text: string) => void) | undefined;
  #pending: (string | Uint8Array<ArrayBuffer>)[] = [];
  #isOver = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    const { promise, resolve } = Promise.withResolvers<SocketEnd>();
    this.closed = promise;
    this.#end = (end) => {
      this.#isOver = true;
      resolve(end);
    };
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#receive(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
    socket.onclose = ({ code, reason }) => this.#end({ code, reason });
    socket.onerror = (event) => this.#end({ code: 1006, reason: (event as ErrorEvent).message });
  }

  set onframe(handler: ((text: string) => void) | undefined) {
    this.#onframe = handler;
    while (this.#onframe && this.#pending.length > 0) this.#deliver(this.#pending.shift()!);
  }

  /** Bytes not yet passed to the system. */
  get queuedBytes(): number {
    return this.#socket.bufferedAmount;
  }

  /** Whether frames can be sent. */
  get isOpen(): boolean {
    return !this.#isOver && this.#socket.readyState === WebSocket.OPEN;
  }

  /** Sends one frame, of text or of bytes; false when the connection has ended. */
  send(data: string | Uint8Array<ArrayBuffer>): boolean {
    if (!this.isOpen) return false;
    this.#socket.send(data);
    return true;
  }

  /** Starts the closing handshake; `closed` resolves when the peer has confirmed it. */
  close(code: number, reason?: string): void {
    if (this.#socket.readyState <= WebSocket.OPEN) this.#socket.close(code, reason);
  }

  /** Ends the connection at once, without waiting for the peer. */
  drop(reason: string): void {
    this.#end({ code: 1006, reason });
    this.#socket.close();
  }

  #receive(frame: string | Uint8Array<ArrayBuffer>): void {
    if (this.#isOver) return;
    if (this.#onframe) this.#deliver(frame);
    else this.#pending.push(frame);
  }

  #deliver(frame: string | Uint8Array<ArrayBuffer>): void {
    if (typeof frame === "string") this.#onframe?.(frame);
    else this.onbytes?.(frame);
  }
}

interface ConnectOptions {
  timeoutMs: number;
  /** Path of a Unix socket or named pipe; the URL then gives only the host of the request. */
  socket?: string;
  /** For `wss:`, as PEM: additional certificate authorities, and the client certificate. */
  tls?: { caCerts?: string[]; cert?: string; key?: string };
  /** Creates the HTTP client; Deno's own by default. */
  makeClient?(options: Deno.CreateHttpClientOptions): Deno.HttpClient;
}

/**
 * Opens a WebSocket to `url`.
 *
 * @throws {ConnectError} it cannot be opened in time
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

/** Waits until `socket`, which was just created, is open. */
export function opened(socket: WebSocket, options: { timeoutMs: number }): Promise<ClientSocket> {
  const { promise, resolve, reject } = Promise.withResolvers<ClientSocket>();
  const fail = (message: string, code?: string) => {
    clearTimeout(timer);
    reject(new ConnectError(message, { isRefused: isRefusal(message, code) }));
  };
  const timer = setTimeout(() => {
    fail(`no answer within ${options.timeoutMs} ms`);
    socket.close();
  }, options.timeoutMs);
  socket.onopen = () => {
    clearTimeout(timer);
    resolve(new ClientSocket(socket));
  };
  socket.onerror = (event) => {
    const { message, error } = event as ErrorEvent;
    fail(message || "the connection failed", error?.code);
  };
  socket.onclose = ({ code, reason }) => fail(`closed with ${code} ${reason}`.trimEnd());
  return promise;
}

// Deno gives a WebSocket error neither a code nor a cause: "tcp connect error" is all it says of a refused
// connection. That of a named pipe has a code, and a pipe that is not there has no listener.
function isRefusal(message: string, code: string | undefined): boolean {
  return code === "ENOENT" || /tcp connect error|refused/i.test(message);
}
