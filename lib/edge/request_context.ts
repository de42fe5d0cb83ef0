export interface WebSocketUpgradeOptions {
  /** A connection is pinged after half of this time without traffic, and closed after all of it. */
  idleTimeoutMs: number;
  /** The negotiated subprotocol. */
  protocol?: string;
}

/** What a listener knows of a request in addition to the request itself. */
export interface RequestContext {
  /** Resolves when the whole response has been sent, rejects when the client disconnects before. */
  completed: Promise<void>;
  remoteAddr: Deno.Addr;
  /** The local address of the connection, also for a server that listens on a wildcard address. */
  localAddr: Deno.Addr;
  /** SHA-256 fingerprint of the client's certificate, if one was requested. */
  clientCertificate?: string;
  /** The address or socket the request was sent to, in the form of `ProofExchange.endpoint`. */
  endpoint: string;
  /** Upgrades the connection to a WebSocket; default: `Deno.upgradeWebSocket`. */
  upgrade?(request: Request, options: WebSocketUpgradeOptions): UpgradedConnection;
}

export interface UpgradedConnection {
  socket: WebSocket;
  response: Response;
}

/** Handles the requests of every listener. */
export type HttpRequestHandler = (request: Request, context: RequestContext) => Response | Promise<Response>;

/** TLS configuration of a listener, as PEM. */
export interface TlsOptions {
  cert: string;
  key: string;
  /** The CA that must have signed the certificates of clients; undefined: no certificate is requested. */
  clientCa?: string;
}
