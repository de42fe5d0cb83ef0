import { isMapped, sameAddress } from "../../base/ip_address.ts";
import { AF_INET, AF_INET6, LibcSocket } from "../libc_socket.ts";
import type { LinuxSocket, WantedSocket } from "./socket_owner.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NETLINK_SOCK_DIAG = 4;
const MSG_DONTWAIT = 0x40;
const IPPROTO_TCP = 6;

/** `nlmsghdr`, `inet_diag_req_v2` and `inet_diag_msg` of <linux/netlink.h> and <linux/inet_diag.h>. */
const HEADER_BYTES = 16;
const REQUEST_BYTES = HEADER_BYTES + 8 + 48;
const REPLY_BYTES = HEADER_BYTES + 72;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_REQUEST = 1;
const NLMSG_ERROR = 2;
const ANY_STATE = 0xffffffff;
const NO_COOKIE = 0xffffffff;

const MAX_STALE_REPLIES = 8;

/** Looks up one TCP socket by its ends, over netlink (sock_diag(7)). */
export class SocketDiag implements Disposable {
  readonly #socket: LibcSocket;
  readonly #reply = new Uint8Array(1024);
  #sequence = 0;

  private constructor(socket: LibcSocket) {
    this.#socket = socket;
  }

  /** Undefined without glibc, or where the system refuses a netlink socket. */
  static open(): SocketDiag | undefined {
    try {
      return new SocketDiag(
        LibcSocket.open({ family: AF_NETLINK, type: SOCK_RAW, protocol: NETLINK_SOCK_DIAG }),
      );
    } catch {
      return undefined;
    }
  }

  /** The socket, the kernel's error number if it has none, or undefined without a reply. */
  find(wanted: WantedSocket): LinuxSocket | number | undefined {
    const sequence = this.#sequence = (this.#sequence + 1) >>> 0;
    const request = encodeRequest(wanted, sequence);
    const { fd, calls: { send, recv } } = this.#socket;
    if (Number(send(fd, request, BigInt(request.length), 0)) !== request.length) return undefined;
    const reply = this.#reply;
    // The reply is there when `send` returns. Replies to interrupted requests are skipped.
    for (let n = 0; n < MAX_STALE_REPLIES; n++) {
      const length = Number(recv(fd, reply, BigInt(reply.length), MSG_DONTWAIT));
      if (length < HEADER_BYTES) return undefined;
      const view = new DataView(reply.buffer, 0, length);
      if (view.getUint32(8, true) === sequence) return decodeReply(view, wanted);
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

function encodeRequest({ local, remote }: WantedSocket, sequence: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, REQUEST_BYTES, true);
  view.setUint16(4, SOCK_DIAG_BY_FAMILY, true);
  view.setUint16(6, NLM_F_REQUEST, true);
  view.setUint32(8, sequence, true);
  const isV4 = isMapped(local.address);
  view.setUint8(16, isV4 ? AF_INET : AF_INET6);
  view.setUint8(17, IPPROTO_TCP);
  view.setUint32(20, ANY_STATE, true);
  view.setUint16(24, local.port);
  view.setUint16(26, remote?.port ?? 0);
  bytes.set(isV4 ? local.address.subarray(12) : local.address, 28);
  if (remote) bytes.set(isV4 ? remote.address.subarray(12) : remote.address, 44);
  view.setUint32(64, NO_COOKIE, true);
  view.setUint32(68, NO_COOKIE, true);
  return bytes;
}

/**
 * Decodes the reply. Without such a connection the kernel returns the listener at its end, which is another socket.
 */
function decodeReply(view: DataView, { local, remote }: WantedSocket): LinuxSocket | number | undefined {
  const type = view.getUint16(4, true);
  if (type === NLMSG_ERROR && view.byteLength >= HEADER_BYTES + 4) return -view.getInt32(16, true);
  if (type !== SOCK_DIAG_BY_FAMILY || view.byteLength < REPLY_BYTES) return undefined;
  const isSame = view.getUint16(20) === local.port && view.getUint16(22) === (remote?.port ?? 0);
  if (!isSame) return { uid: 0, inode: 0 };
  if (remote && !endsIn(view, 40, remote.address)) return { uid: 0, inode: 0 };
  return { uid: view.getUint32(80, true), inode: view.getUint32(84, true) };
}

/** Whether the address at `offset`, 4 bytes or 16, is `address`. */
function endsIn(view: DataView, offset: number, address: Uint8Array): boolean {
  const bytes = (length: number) => new Uint8Array(view.buffer, view.byteOffset + offset, length);
  if (view.getUint8(16) === AF_INET) {
    return isMapped(address) && sameAddress(bytes(4), address.subarray(12));
  }
  return sameAddress(bytes(16), address);
}
