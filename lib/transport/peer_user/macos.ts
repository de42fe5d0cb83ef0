import { isUnspecified, mapped, sameAddress, type SocketAddress } from "../../base/ip_address.ts";
import type { SocketOwner, SocketOwners, WantedSocket } from "./socket_owner.ts";

const LIBPROC = {
  proc_listpids: { parameters: ["u32", "u32", "buffer", "i32"], result: "i32" },
  proc_pidinfo: { parameters: ["i32", "i32", "u64", "buffer", "i32"], result: "i32" },
  proc_pidfdinfo: { parameters: ["i32", "i32", "i32", "buffer", "i32"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const PROC_UID_ONLY = 4;
const PROC_PIDLISTFDS = 1;
const PROC_PIDFDSOCKETINFO = 3;
const PROX_FDTYPE_SOCKET = 2;
const SOCKINFO_TCP = 2;
const INI_IPV4 = 1;

/** `proc_fdinfo`: a descriptor and its kind. */
const FDINFO_BYTES = 8;

/** `socket_fdinfo` of <sys/proc_info.h> has 792 bytes; the kernel accepts a larger buffer. */
const SOCKET_INFO_BYTES = 1024;
const KIND_OFFSET = 256;
const REMOTE_PORT_OFFSET = 264;
const LOCAL_PORT_OFFSET = 268;
const VERSION_OFFSET = 288;
const REMOTE_ADDRESS_OFFSET = 296;
const LOCAL_ADDRESS_OFFSET = 312;

const MAX_PIDS = 16_384;
const MAX_DESCRIPTORS = 65_536;
const MAX_REMEMBERED_PIDS = 64;

export function openMacOwners(): SocketOwners | undefined {
  const uid = Deno.uid();
  return uid === null ? undefined : new MacOwners(uid);
}

/**
 * macOS shows a user the sockets of their own processes, which is enough: any other socket is another user's. Every
 * process has to be searched, those with earlier matches first.
 */
class MacOwners implements SocketOwners {
  readonly #library = Deno.dlopen("/usr/lib/libproc.dylib", LIBPROC);
  readonly #uid: number;
  /** Processes with earlier matches, the latest last. */
  readonly #likely = new Set<number>();

  constructor(uid: number) {
    this.#uid = uid;
  }

  find(wanted: WantedSocket): SocketOwner | undefined {
    const isOwner = (pid: number) => this.#sockets(pid).some((socket) => isWanted(socket, wanted));
    const likely = [...this.#likely].reverse();
    // A process id may belong to another user by now: only listed ones count.
    const own = new Set(this.#ownPids());
    const pid = likely.filter((pid) => own.has(pid)).find(isOwner) ??
      [...own].find((pid) => !this.#likely.has(pid) && isOwner(pid));
    if (pid === undefined) return undefined;
    this.#remember(pid);
    return { kind: "own", user: String(this.#uid) };
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }

  #remember(pid: number): void {
    this.#likely.delete(pid);
    this.#likely.add(pid);
    if (this.#likely.size > MAX_REMEMBERED_PIDS) this.#likely.delete(this.#likely.values().next().value!);
  }

  #ownPids(): number[] {
    const pids = new Int32Array(MAX_PIDS);
    const bytes = this.#library.symbols.proc_listpids(PROC_UID_ONLY, this.#uid, pids, pids.byteLength);
    return [...pids.subarray(0, Math.max(0, bytes) / 4)].filter((pid) => pid > 0);
  }

  *#sockets(pid: number): Generator<MacSocket> {
    const { proc_pidinfo, proc_pidfdinfo } = this.#library.symbols;
    const needed = proc_pidinfo(pid, PROC_PIDLISTFDS, 0n, null, 0);
    if (needed <= 0) return;
    const list = new Uint8Array(Math.min(needed + 32 * FDINFO_BYTES, MAX_DESCRIPTORS * FDINFO_BYTES));
    const bytes = proc_pidinfo(pid, PROC_PIDLISTFDS, 0n, list, list.length);
    const info = new DataView(new ArrayBuffer(SOCKET_INFO_BYTES));
    for (const fd of socketDescriptors(new DataView(list.buffer, 0, Math.max(0, bytes)))) {
      const length = proc_pidfdinfo(pid, fd, PROC_PIDFDSOCKETINFO, info.buffer, info.byteLength);
      const socket = length > 0 ? decodeSocketInfo(info) : undefined;
      if (socket) yield socket;
    }
  }
}

/** A TCP socket of a process. */
interface MacSocket {
  local: SocketAddress;
  remote: SocketAddress;
}

/** The descriptors that are sockets, of an array of `proc_fdinfo`. */
export function socketDescriptors(list: DataView): number[] {
  const found: number[] = [];
  for (let at = 0; at + FDINFO_BYTES <= list.byteLength; at += FDINFO_BYTES) {
    if (list.getUint32(at + 4, true) === PROX_FDTYPE_SOCKET) found.push(list.getInt32(at, true));
  }
  return found;
}

/** Decodes a `socket_fdinfo`; undefined for a socket that is not TCP. Ports and addresses are in network order. */
export function decodeSocketInfo(info: DataView): MacSocket | undefined {
  if (info.getInt32(KIND_OFFSET, true) !== SOCKINFO_TCP) return undefined;
  const isV4 = (info.getUint8(VERSION_OFFSET) & INI_IPV4) !== 0;
  const address = (offset: number) => {
    const bytes = new Uint8Array(info.buffer, info.byteOffset + offset, 16);
    // An IPv4 address is in the last of the four words.
    return isV4 ? mapped(bytes.subarray(12)) : bytes.slice();
  };
  return {
    local: { address: address(LOCAL_ADDRESS_OFFSET), port: info.getUint16(LOCAL_PORT_OFFSET) },
    remote: { address: address(REMOTE_ADDRESS_OFFSET), port: info.getUint16(REMOTE_PORT_OFFSET) },
  };
}

export function isWanted(socket: MacSocket, { local, remote }: WantedSocket): boolean {
  if (socket.local.port !== local.port) return false;
  if (remote) {
    return sameAddress(socket.local.address, local.address) &&
      socket.remote.port === remote.port && sameAddress(socket.remote.address, remote.address);
  }
  return socket.remote.port === 0 &&
    (sameAddress(socket.local.address, local.address) || isUnspecified(socket.local.address));
}
