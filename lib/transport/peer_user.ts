import { addressBytes, isUnspecified, type SocketEndpoint } from "../base/ip_address.ts";
import type { SocketOwner, SocketOwners } from "./peer_user/socket_owner.ts";

export type { SocketEndpoint } from "../base/ip_address.ts";
export type { SocketOwner } from "./peer_user/socket_owner.ts";

/** Both ends of one TCP connection, as this end sees them. */
export interface PeerConnection {
  local: SocketEndpoint;
  remote: SocketEndpoint;
}

const UNKNOWN: SocketOwner = { kind: "unknown" };

/**
 * Finds the user of this machine at the other end of a loopback TCP connection, or of a listener. Unlike a Unix
 * socket, a loopback port has no owner and no mode, so the system's table of sockets is read.
 *
 * `unknown` must count as another user: a process can close its end before it is looked up.
 */
export class PeerUsers implements Disposable {
  readonly #owners: SocketOwners | undefined;

  private constructor(owners: SocketOwners | undefined) {
    this.#owners = owners;
  }

  /** Never throws: if the system has no such table, every result is `unknown`. */
  static async open(): Promise<PeerUsers> {
    return new PeerUsers(await openOwners().catch(() => undefined));
  }

  /** Whether this system has such a table. */
  get isSupported(): boolean {
    return this.#owners !== undefined;
  }

  /** The user at the other end of a connection. Takes tens of microseconds where the system has an index. */
  ofPeer({ local, remote }: PeerConnection): SocketOwner {
    const here = addressBytes(local.hostname);
    const there = addressBytes(remote.hostname);
    if (!here || !there || isUnspecified(here)) return UNKNOWN;
    // The peer's row has the ends swapped.
    return this.#ask({
      local: { address: there, port: remote.port },
      remote: { address: here, port: local.port },
    });
  }

  /**
   * The user who listens at an address, which may be `localhost`: then another user on either loopback address
   * counts.
   */
  ofListener({ hostname, port }: SocketEndpoint): SocketOwner {
    if (hostname.toLowerCase() !== "localhost") return this.#listener(hostname, port);
    const found = ["127.0.0.1", "::1"].map((loopback) => this.#listener(loopback, port));
    const known = found.filter(({ kind }) => kind !== "unknown");
    return known.find(({ kind }) => kind === "other") ?? known[0] ?? UNKNOWN;
  }

  [Symbol.dispose](): void {
    this.#owners?.[Symbol.dispose]();
  }

  #listener(hostname: string, port: number): SocketOwner {
    const address = addressBytes(hostname);
    return address ? this.#ask({ local: { address, port } }) : UNKNOWN;
  }

  #ask(wanted: Parameters<SocketOwners["find"]>[0]): SocketOwner {
    try {
      return this.#owners?.find(wanted) ?? UNKNOWN;
    } catch {
      // For example without file handles: what cannot be looked up is unknown.
      return UNKNOWN;
    }
  }
}

/** Whether the other end of a loopback connection belongs to our own user. */
export async function isOwnPeer(connection: PeerConnection): Promise<boolean> {
  using users = await PeerUsers.open();
  return users.ofPeer(connection).kind === "own";
}

/** Whether what listens at an address of this machine belongs to our own user. */
export async function isOwnListener(at: SocketEndpoint): Promise<boolean> {
  using users = await PeerUsers.open();
  return users.ofListener(at).kind === "own";
}

/** Loads the code of this system only. */
async function openOwners(): Promise<SocketOwners | undefined> {
  switch (Deno.build.os) {
    case "linux":
      return (await import("./peer_user/linux.ts")).openLinuxOwners();
    case "windows":
      return (await import("./peer_user/windows.ts")).openWindowsOwners();
    case "darwin":
      return (await import("./peer_user/macos.ts")).openMacOwners();
    default:
      return undefined;
  }
}
