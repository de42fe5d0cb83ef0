export interface WebSocketUpgradeOptions {
  /** A connection is pinged after half of this time of silence, and given up after the whole. */
  idleTimeoutMs: number;
  /** The subprotocol chosen. */
  protocol?: string;
}

/** What a door knows of a request beside the request itself. */
export interface RequestContext {
  /** Resolves when the response has been sent as a whole, rejects when the client has gone before. */
  completed: Promise<void>;
  remoteAddr: Deno.Addr;
  /** Our end of the connection; of a server that listens everywhere, that address. */
  localAddr: Deno.Addr;
  /** SHA-256 fingerprint of the certificate the client has shown, if one was asked. */
  clientCertificate?: string;
  /** The address or socket it came to, as `wire/proof.ts` writes it. */
  endpoint: string;
  /** Makes a WebSocket of the connection; left out: as `Deno.serve` does it. */
  upgrade?(request: Request, options: WebSocketUpgradeOptions): UpgradedConnection;
}

export interface UpgradedConnection {
  socket: WebSocket;
  response: Response;
}

/** How every door of the daemon has its requests answered. */
export type HttpRequestHandler = (request: Request, arrival: RequestContext) => Response | Promise<Response>;

/** How a door speaks TLS, as PEM. */
export interface TlsOptions {
  cert: string;
  key: string;
  /** The CA whose certificates clients must show; undefined: none is asked. */
  clientCa?: string;
}
