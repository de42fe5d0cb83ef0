import type { SocketAddress } from "../../base/ip_address.ts";

/** Whose a socket is. */
export interface SocketOwner {
  kind: "own" | "other" | "unknown";
  /** The user's id (a SID on Windows) where it is known. */
  user?: string;
}

/** The socket that is asked about, by its own ends; without `remote`: the one that listens at `local`. */
export interface WantedSocket {
  local: SocketAddress;
  remote?: SocketAddress;
}

/** The system's table of sockets. */
export interface SocketOwners extends Disposable {
  /** Undefined when there is no such socket, or its user cannot be told. */
  find(wanted: WantedSocket): SocketOwner | undefined;
}

/** A socket's row in the kernel's table. */
export interface LinuxSocket {
  uid: number;
  /** 0 for a socket no process holds any more, or none yet; its uid says nothing then. */
  inode: number;
}
