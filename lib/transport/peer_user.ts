import { addressBytes, isUnspecified, type SocketEndpoint } from "../base/ip_address.ts";
import type { SocketOwner, SocketOwners } from "./peer_user/owner.ts";

export type { SocketEndpoint } from "../base/ip_address.ts";
export type { SocketOwner } from "./peer_user/owner.ts";

/** Both ends of one TCP connection, as our own end sees them. */
interface PeerConnection {
  local: SocketEndpoint;
  remote: SocketEndpoint;
}

const UNKNOWN: SocketOwner = { kind: "unknown" };

/**
 * Tells which user of this machine holds the other end of a loopback TCP connection, or listens at a port. A loopback
 * port has no owner and no mode, unlike a Unix socket, so the system's table of sockets is asked.
 *
 * `unknown` must count as a stranger: a process can close its end before it is looked up.
 */
export class PeerUsers implements Disposable {
  readonly #owners: SocketOwners | undefined;

  private constructor(owners: SocketOwners | undefined) {
    this.#owners = owners;
  }

  /** Never throws: where the system cannot be asked, every answer is `unknown`. */
  static async open(): Promise<PeerUsers> {
    return new PeerUsers(await openOwners().catch(() => undefined));
  }

  /** Whether this system can be asked at all. */
  get works(): boolean {
    return this.#owners !== undefined;
  }

  /** Who holds the other end of a connection. Takes tens of microseconds where the system has an index to ask. */
  ofPeer({ local, remote }: PeerConnection): SocketOwner {
    const here = addressBytes(local.hostname);
    const there = addressBytes(remote.hostname);
    if (!here || !there || isUnspecified(here)) return UNKNOWN;
    // The peer's row has the ends the other way round.
    return this.#ask({
      local: { address: there, port: remote.port },
      remote: { address: here, port: local.port },
    });
  }

  /** Who listens at an address, by number or as `localhost`, in which case all that listen there must be of one user. */
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
      // As without file handles left: whoever cannot be told is a stranger.
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

/** Each system's way is loaded where it is used. */
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
