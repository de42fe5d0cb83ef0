import { isUnspecified, mapped, sameAddress, type SocketAddress } from "../../base/ip_address.ts";
import type { LinuxSocket, WantedSocket } from "./socket_owner.ts";

const TABLES = ["/proc/net/tcp", "/proc/net/tcp6"];

/** How much of a table is read: two hundred thousand sockets. */
const MAX_TABLE_BYTES = 32 * 1024 * 1024;

const STATE_LISTEN = "0A";

interface ProcRow extends LinuxSocket {
  local: SocketAddress;
  remote: SocketAddress;
  state: string;
}

/** Finds the socket in the tables of /proc/net, which every kernel has. */
export function findInProc(wanted: WantedSocket): LinuxSocket | undefined {
  return findSocket(wanted, () => TABLES.values().map(readTable));
}

/** As {@linkcode findInProc}, in the text of the tables. */
export function findSocket(wanted: WantedSocket, tables: () => Iterable<string>): LinuxSocket | undefined {
  if (!wanted.remote) return listenerAt(wanted.local, rowsOf(tables(), wanted));
  // A read can miss rows when others are removed meanwhile.
  for (let attempt = 0; attempt < 2; attempt++) {
    const found = rowsOf(tables(), wanted).find((row) => isConnection(row, wanted));
    if (found) return found;
  }
  return undefined;
}

function isConnection({ local, remote }: ProcRow, wanted: WantedSocket): boolean {
  return sameAddress(local.address, wanted.local.address) &&
    remote.port === wanted.remote!.port && sameAddress(remote.address, wanted.remote!.address);
}

/** The kernel prefers a listener at the exact address over one at the unspecified address. */
function listenerAt({ address }: SocketAddress, rows: Iterable<ProcRow>): LinuxSocket | undefined {
  const listening = [...rows].filter(({ state }) => state === STATE_LISTEN);
  return listening.find(({ local }) => sameAddress(local.address, address)) ??
    listening.find(({ local }) => isUnspecified(local.address));
}

/** The rows with the wanted local port. */
function* rowsOf(tables: Iterable<string>, { local }: WantedSocket): Generator<ProcRow> {
  const port = `:${local.port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const table of tables) {
    for (const line of table.split("\n")) {
      if (!line.includes(port)) continue;
      const row = parseRow(line);
      if (row?.local.port === local.port) yield row;
    }
  }
}

function parseRow(line: string): ProcRow | undefined {
  const [, localText, remoteText, state, , , , uid, , inode] = line.trim().split(/\s+/);
  const local = parseAddress(localText);
  const remote = parseAddress(remoteText);
  if (!local || !remote || state === undefined || !/^\d+$/.test(inode ?? "")) return undefined;
  return { local, remote, state, uid: Number(uid), inode: Number(inode) };
}

/**
 * `0100007F:1F90`, or four such words for IPv6, each in the byte order of the machine: little endian wherever Deno
 * runs.
 */
function parseAddress(text: string | undefined): SocketAddress | undefined {
  const found = /^((?:[0-9A-F]{8}){1,4}):([0-9A-F]{4})$/i.exec(text ?? "");
  if (!found) return undefined;
  const words = found[1]!.match(/.{8}/g)!;
  const bytes = words.flatMap((word) => word.match(/../g)!.reverse().map((pair) => parseInt(pair, 16)));
  if (bytes.length !== 4 && bytes.length !== 16) return undefined;
  const address = bytes.length === 4 ? mapped(bytes) : new Uint8Array(bytes);
  return { address, port: parseInt(found[2]!, 16) };
}

/** A file of /proc has no size and is read in parts. */
function readTable(path: string): string {
  using file = openTable(path);
  if (!file) return "";
  const part = new Uint8Array(64 * 1024);
  const decoder = new TextDecoder();
  let text = "";
  for (let n = file.readSync(part); n !== null && n > 0; n = file.readSync(part)) {
    text += decoder.decode(part.subarray(0, n), { stream: true });
    if (text.length > MAX_TABLE_BYTES) break;
  }
  return text;
}

/** Undefined where the kernel has no IPv6. */
function openTable(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path);
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return undefined;
    throw thrown;
  }
}
