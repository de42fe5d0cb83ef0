import { KIB } from "../../base/units.ts";

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** The magic number of a write-ahead log without its last bit, which is set when checksums are big-endian. */
const MAGIC = 0x377f0682;
const MAX_PAGE_BYTES = 64 * KIB;

type Checksum = readonly [number, number];

/** Why SQLite would drop a committed transaction of a write-ahead log. */
interface WalDamage {
  /** As the rest of a sentence after "because". */
  reason: string;
  /** Whether the database is empty without the log. */
  isTotal: boolean;
}

/**
 * Looks for committed transactions in the write-ahead log of the database at `path` that SQLite would drop; undefined
 * when there are none. SQLite reads a log up to the first frame that does not match and silently drops the rest, as
 * what a crash left behind. (https://www.sqlite.org/fileformat2.html#walformat)
 *
 * An incomplete last transaction is what any crash leaves, and not damage.
 */
export function checkWal(path: string): WalDamage | undefined {
  const wal = open(`${path}-wal`);
  if (!wal) return undefined;
  using file = wal;
  const bytes = read(file, new Uint8Array(HEADER_BYTES));
  if (bytes.length === 0) return undefined;
  const header = bytes.length === HEADER_BYTES ? parseHeader(bytes) : undefined;
  const frames = header && scan(file, header);
  const isEmpty = frames?.valid === 0 && frames.damaged === undefined;
  if (!isEmpty && sizeOf(path) === 0) {
    return { reason: "it is empty, but its write-ahead log is not", isTotal: true };
  }
  if (!frames) return { reason: "the header of its write-ahead log is damaged", isTotal: false };
  if (frames.damaged === undefined) return undefined;
  return { reason: `its write-ahead log is damaged in frame ${frames.damaged}`, isTotal: false };
}

interface WalHeader {
  pageBytes: number;
  salts: Checksum;
  checksum: Checksum;
  isLittleEndian: boolean;
}

/** Undefined when it is not the header of a log. */
function parseHeader(bytes: Uint8Array): WalHeader | undefined {
  const view = viewOf(bytes);
  const magic = view.getUint32(0);
  const isLittleEndian = (magic & 1) === 0;
  // A page size of 65536 is stored as such here; in the header of a database it is stored as 1.
  const pageBytes = view.getUint32(8);
  const isPageSize = pageBytes >= 512 && pageBytes <= MAX_PAGE_BYTES && (pageBytes & (pageBytes - 1)) === 0;
  if ((magic & ~1) >>> 0 !== MAGIC || !isPageSize) return undefined;
  const checksum = add([0, 0], bytes.subarray(0, 24), isLittleEndian);
  if (!isEqual(checksum, pairAt(view, 24))) return undefined;
  return { pageBytes, isLittleEndian, salts: pairAt(view, 16), checksum };
}

/** The frames of a log, numbered from 1. */
interface WalFrames {
  /** How many are valid from the beginning. */
  valid: number;
  /** The first invalid one, when a committed transaction follows it. */
  damaged?: number;
}

/** Frames with other salts are older: after a checkpoint the log is written from its beginning again. */
function scan(file: Deno.FsFile, { pageBytes, salts, checksum, isLittleEndian }: WalHeader): WalFrames {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + pageBytes);
  const view = viewOf(frame);
  let valid = 0;
  let invalid: number | undefined;
  for (let number = 1; read(file, frame).length === frame.length; number++) {
    const isCurrent = isEqual(pairAt(view, 8), salts);
    if (invalid === undefined) {
      const sum = add(
        add(checksum, frame.subarray(0, 8), isLittleEndian),
        frame.subarray(FRAME_HEADER_BYTES),
        isLittleEndian,
      );
      if (isCurrent && isEqual(sum, pairAt(view, 16))) {
        checksum = sum;
        valid = number;
      } else invalid = number;
    } else if (isCurrent && view.getUint32(4) !== 0) {
      // Only a commit frame, the last of its transaction, has the size of the database in pages.
      return { valid, damaged: invalid };
    }
  }
  return { valid };
}

/** Continues a checksum of a write-ahead log over `bytes`, whose length is a multiple of eight. */
function add([first, second]: Checksum, bytes: Uint8Array, isLittleEndian: boolean): Checksum {
  const view = viewOf(bytes);
  for (let at = 0; at < bytes.length; at += 8) {
    first = (first + view.getUint32(at, isLittleEndian) + second) >>> 0;
    second = (second + view.getUint32(at + 4, isLittleEndian) + first) >>> 0;
  }
  return [first, second];
}

function pairAt(view: DataView, at: number): Checksum {
  return [view.getUint32(at), view.getUint32(at + 4)];
}

function isEqual(a: Checksum, b: Checksum): boolean {
  return a[0] === b[0] && a[1] === b[1];
}

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}

/** Reads until `into` is full or the file ends; the part that was read. */
function read(file: Deno.FsFile, into: Uint8Array): Uint8Array {
  let bytes = 0;
  while (bytes < into.length) {
    const more = file.readSync(into.subarray(bytes));
    if (more === null) break;
    bytes += more;
  }
  return into.subarray(0, bytes);
}

function open(path: string): Deno.FsFile | undefined {
  try {
    return Deno.openSync(path);
  } catch {
    // Missing, or of a kind that SQLite will report.
    return undefined;
  }
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}
