import type { ClientTls } from "../config/tls.ts";
import type { ClientSocket } from "../transport/websocket_client.ts";

/**
 * Why there is no link to a daemon:
 *
 * - `refused`: nothing listens, or no daemon can be started;
 * - `unauthorized`: the daemon does not accept the token;
 * - `rejected`: the daemon does not accept the hello;
 * - `unproven`: the listener has not proved that it is the user's daemon;
 * - `unreachable`: the listener does not answer, or not as a daemon does;
 * - `occupied`: another program has the default port and no daemon of this state directory runs: one that is started
 *   takes another port.
 */
export type LinkFault = "refused" | "unauthorized" | "rejected" | "unproven" | "unreachable" | "occupied";

/** Whether there is no daemon, so that one may be started. */
export function isNoDaemon({ fault }: LinkError): boolean {
  return fault === "refused" || fault === "occupied";
}

/** No link to the daemon could be made. The message is shown to the user. */
export class LinkError extends Error {
  override name = "LinkError";
  readonly fault: LinkFault;

  constructor(fault: LinkFault, message: string) {
    super(message);
    this.fault = fault;
  }
}

/** Where a daemon listens. */
export interface DaemonLocation {
  /** Path of the daemon's Unix socket or named pipe, which is tried first. */
  socket?: string;
  /**
   * The daemon's address, `ws://host:port/`.
   *
   * @throws {LinkError} `refused` when there is none
   */
  readUrl(): Promise<string>;
}

/** Where and how to connect. */
export interface LinkTarget extends DaemonLocation {
  /** Where the daemon of the state directory says that it listens, if elsewhere; used when nothing listens here. */
  fallback?: DaemonLocation;
  /**
   * Whether what listens at the address, if it does not answer as our daemon, is a program that our daemon would take
   * another port for: the port is the default one, and no daemon of the state directory runs.
   */
  mayBeStranger?(): Promise<boolean>;
  /** Reads the TLS options; undefined when the defaults do. */
  readTls?(): Promise<ClientTls | undefined>;
  usesToken: boolean;
  /** Whether, without a token, the daemon may be another user's. */
  allowsAnyUser: boolean;
  /**
   * Called when the connection is open, since a daemon that generates its token does so before it listens.
   *
   * @throws {LinkError} `unproven` when there is none
   */
  readToken(): Promise<string | undefined>;
  /** What was wrong with the endpoint file. */
  fault?: string;
  /** Settles when the log is set up, which runs beside the first attempt to connect. */
  logReady?: Promise<unknown>;
}

/** How to open one connection. */
export interface DialOptions {
  /** The address; on a socket only its `Host` matters. */
  url: string;
  socket?: string;
  tls?: ClientTls;
  /** Bounds the connection, and again each answer on it. */
  timeoutMs: number;
}

/** A connection whose other end has proved, as far as possible, that it is the user's daemon. */
export interface VerifiedConnection {
  socket: ClientSocket;
  dialed: DialOptions;
  /** Sent in place of the token; undefined where no token is used. */
  proof?: string;
}
