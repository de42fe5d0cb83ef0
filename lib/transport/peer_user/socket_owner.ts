import type { SocketAddress } from "../../base/ip_address.ts";

/** The owner of a socket. */
export interface SocketOwner {
  kind: "own" | "other" | "unknown";
  /** The user's id (a SID on Windows), if known. */
  user?: string;
}

/** The socket to look up, by its own ends; without `remote`, the listener at `local`. */
export interface WantedSocket {
  local: SocketAddress;
  remote?: SocketAddress;
}

/** The system's table of sockets. */
export interface SocketOwners extends Disposable {
  /** Undefined when there is no such socket, or its user is not known. */
  find(wanted: WantedSocket): SocketOwner | undefined;
}

/** A socket's row in the kernel's table. */
export interface LinuxSocket {
  uid: number;
  /** 0 for a socket that no process holds; its uid is meaningless then. */
  inode: number;
}
