import {
  addressBytes,
  isUnspecified,
  mapped,
  sameAddress,
  type SocketAddress,
  type SocketEndpoint,
} from "../../base/ip_address.ts";
import type { SocketOwner, SocketOwners, WantedSocket } from "./socket_owner.ts";

const IPHLPAPI = {
  GetExtendedTcpTable: { parameters: ["buffer", "buffer", "i32", "u32", "i32", "u32"], result: "u32" },
} as const satisfies Deno.ForeignLibraryInterface;

const KERNEL32 = {
  OpenProcess: { parameters: ["u32", "i32", "u32"], result: "pointer" },
  CloseHandle: { parameters: ["pointer"], result: "i32" },
  LocalFree: { parameters: ["pointer"], result: "pointer" },
} as const satisfies Deno.ForeignLibraryInterface;

const ADVAPI32 = {
  OpenProcessToken: { parameters: ["pointer", "u32", "buffer"], result: "i32" },
  GetTokenInformation: { parameters: ["pointer", "i32", "buffer", "u32", "buffer"], result: "i32" },
  ConvertSidToStringSidW: { parameters: ["pointer", "buffer"], result: "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

const AF_INET = 2;
const AF_INET6 = 23;
const TCP_TABLE_OWNER_PID_LISTENER = 3;
const TCP_TABLE_OWNER_PID_CONNECTIONS = 4;
const ERROR_INSUFFICIENT_BUFFER = 122;
const PROCESS_QUERY_LIMITED_INFORMATION = 0x1000;
const TOKEN_QUERY = 0x0008;
const TOKEN_USER = 1;

const FIRST_TABLE_BYTES = 64 * 1024;
const MAX_TABLE_BYTES = 64 * 1024 * 1024;
const TABLE_ATTEMPTS = 5;

/** A row of `MIB_TCPTABLE_OWNER_PID` or `MIB_TCP6TABLE_OWNER_PID`. */
interface WindowsSocket {
  local: SocketAddress;
  remote: SocketAddress;
  pid: number;
}

export function openWindowsOwners(): SocketOwners {
  return new WindowsOwners();
}

/** The process that listens at an address; empty where there is none. */
export function windowsListener({ hostname, port }: SocketEndpoint): { pid?: number } {
  const address = addressBytes(hostname);
  using owners = new WindowsOwners();
  const pid = address && owners.row({ local: { address, port } })?.pid;
  return pid ? { pid } : {};
}

/** Whether a process listens at the address, or at the unspecified one. */
export function isListening({ hostname, port }: SocketEndpoint): boolean {
  const names = hostname.toLowerCase() === "localhost" ? ["127.0.0.1", "::1"] : [hostname];
  using owners = new WindowsOwners();
  return names.some((name) => {
    const address = addressBytes(name);
    return address === undefined || owners.row({ local: { address, port } }) !== undefined;
  });
}

/** Windows gives the process of each socket; the user is that of its token. */
class WindowsOwners implements SocketOwners {
  readonly #table = Deno.dlopen("iphlpapi.dll", IPHLPAPI);
  readonly #kernel = Deno.dlopen("kernel32.dll", KERNEL32);
  readonly #security = Deno.dlopen("advapi32.dll", ADVAPI32);
  readonly #own = this.#userOf(Deno.pid);

  find(wanted: WantedSocket): SocketOwner | undefined {
    const row = this.row(wanted);
    // A closed connection belongs to process 0.
    if (!row || row.pid === 0) return undefined;
    if (row.pid === Deno.pid) return { kind: "own", user: this.#own };
    const user = this.#userOf(row.pid);
    if (user === undefined || this.#own === undefined) return { kind: "unknown", user };
    return { kind: user === this.#own ? "own" : "other", user };
  }

  row(wanted: WantedSocket): WindowsSocket | undefined {
    const kind = wanted.remote ? TCP_TABLE_OWNER_PID_CONNECTIONS : TCP_TABLE_OWNER_PID_LISTENER;
    const rows = [AF_INET, AF_INET6].flatMap((family) => {
      const table = this.#read(family, kind);
      return table ? decodeTcpTable(table, family === AF_INET6) : [];
    });
    return findRow(rows, wanted);
  }

  [Symbol.dispose](): void {
    for (const library of [this.#table, this.#kernel, this.#security]) library.close();
  }

  /** The table may grow between asking for its size and reading it. */
  #read(family: number, kind: number): DataView | undefined {
    const size = new Uint32Array([FIRST_TABLE_BYTES]);
    for (let attempt = 0; attempt < TABLE_ATTEMPTS && size[0]! <= MAX_TABLE_BYTES; attempt++) {
      const buffer = new Uint8Array(size[0]!);
      const result = this.#table.symbols.GetExtendedTcpTable(buffer, size, 0, family, kind, 0);
      if (result === 0) return new DataView(buffer.buffer);
      if (result !== ERROR_INSUFFICIENT_BUFFER) return undefined;
    }
    return undefined;
  }

  /** The SID a process runs as; undefined without access, as to another user's processes. */
  #userOf(pid: number): string | undefined {
    const { OpenProcess, CloseHandle } = this.#kernel.symbols;
    const process = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, 0, pid);
    if (process === null) return undefined;
    try {
      const token = new BigUint64Array(1);
      if (this.#security.symbols.OpenProcessToken(process, TOKEN_QUERY, token) === 0) return undefined;
      const handle = Deno.UnsafePointer.create(token[0]!);
      try {
        return this.#userOfToken(handle);
      } finally {
        CloseHandle(handle);
      }
    } finally {
      CloseHandle(process);
    }
  }

  #userOfToken(token: Deno.PointerValue): string | undefined {
    // TOKEN_USER: a pointer to the SID, which follows in the same buffer, and attributes.
    const buffer = new Uint8Array(256);
    const length = new Uint32Array(1);
    const { GetTokenInformation, ConvertSidToStringSidW } = this.#security.symbols;
    if (GetTokenInformation(token, TOKEN_USER, buffer, buffer.length, length) === 0) return undefined;
    const sid = Deno.UnsafePointer.create(new DataView(buffer.buffer).getBigUint64(0, true));
    const text = new BigUint64Array(1);
    if (ConvertSidToStringSidW(sid, text) === 0) return undefined;
    const pointer = Deno.UnsafePointer.create(text[0]!);
    if (pointer === null) return undefined;
    const string = readUtf16(pointer);
    this.#kernel.symbols.LocalFree(pointer);
    return string;
  }
}

function readUtf16(pointer: Deno.PointerObject): string {
  const view = new Deno.UnsafePointerView(pointer);
  let text = "";
  for (let at = 0; at < 512; at += 2) {
    const unit = view.getUint16(at);
    if (unit === 0) break;
    text += String.fromCharCode(unit);
  }
  return text;
}

/** The row of the connection, or of the listener: at the exact address before the unspecified one. */
export function findRow(rows: readonly WindowsSocket[], wanted: WantedSocket): WindowsSocket | undefined {
  const { local, remote } = wanted;
  const atPort = rows.filter((row) => row.local.port === local.port);
  const isExact = (row: WindowsSocket) => sameAddress(row.local.address, local.address);
  if (!remote) return atPort.find(isExact) ?? atPort.find((row) => isUnspecified(row.local.address));
  return atPort.find((row) =>
    isExact(row) && row.remote.port === remote.port && sameAddress(row.remote.address, remote.address)
  );
}

const ROW_BYTES = 24;
const ROW6_BYTES = 56;

/** Decodes the result of GetExtendedTcpTable; ports are in network order in the low half of a DWORD. */
export function decodeTcpTable(view: DataView, isV6: boolean): WindowsSocket[] {
  const rowBytes = isV6 ? ROW6_BYTES : ROW_BYTES;
  const count = Math.min(view.getUint32(0, true), Math.floor((view.byteLength - 4) / rowBytes));
  return Array.from({ length: count }, (_, n) => {
    const at = 4 + n * rowBytes;
    const bytes = (offset: number, length: number) =>
      new Uint8Array(view.buffer, view.byteOffset + at + offset, length);
    if (!isV6) {
      return {
        local: { address: mapped(bytes(4, 4)), port: view.getUint16(at + 8) },
        remote: { address: mapped(bytes(12, 4)), port: view.getUint16(at + 16) },
        pid: view.getUint32(at + 20, true),
      };
    }
    return {
      local: { address: bytes(0, 16).slice(), port: view.getUint16(at + 20) },
      remote: { address: bytes(24, 16).slice(), port: view.getUint16(at + 44) },
      pid: view.getUint32(at + 52, true),
    };
  });
}
