import { KIB } from "../../base/units.ts";

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
/** The magic number of a write-ahead log, but for its last bit: that is set when checksums are big-endian. */
const MAGIC = 0x377f0682;
const MAX_PAGE_BYTES = 64 * KIB;

type Checksum = readonly [number, number];

/** A log that SQLite would not read to its end. */
interface WalFault {
  /** In words that go on after "because". */
  reason: string;
  /** Whether the database is of no use without what is lost. */
  losesAll: boolean;
}

/**
 * What is wrong with the write-ahead log beside the database at `path`; undefined when SQLite will read all of it that
 * was ever committed. SQLite reads a log up to the first frame that does not fit and takes the rest for the remains of
 * a crash, without a word; if there is a committed transaction behind that frame, it is lost.
 * (https://www.sqlite.org/fileformat2.html#walformat)
 *
 * A last transaction that was not written to its end is what any crash leaves, and is no fault.
 */
export function walFault(path: string): WalFault | undefined {
  const wal = open(`${path}-wal`);
  if (!wal) return undefined;
  using file = wal;
  const header = read(file, new Uint8Array(HEADER_BYTES));
  if (header.length === 0) return undefined;
  const log = header.length === HEADER_BYTES ? readHeader(header) : undefined;
  const frames = log ? scan(file, log) : undefined;
  if (frames !== 0 && sizeOf(path) === 0) {
    return { reason: "it is empty, but its write-ahead log is not", losesAll: true };
  }
  if (frames === undefined) {
    return { reason: "the header of its write-ahead log is damaged", losesAll: false };
  }
  if (frames >= 0) return undefined;
  return { reason: `its write-ahead log is damaged in frame ${-frames}`, losesAll: false };
}

/** What the header of a log says of its frames. */
interface Log {
  pageBytes: number;
  salts: Checksum;
  checksum: Checksum;
  isLittleEndian: boolean;
}

function readHeader(bytes: Uint8Array): Log | undefined {
  const view = viewOf(bytes);
  const magic = view.getUint32(0);
  const isLittleEndian = (magic & 1) === 0;
  // A page size of 65536 does not fit into the database's header, but does into this one.
  const pageBytes = view.getUint32(8);
  const isPageSize = pageBytes >= 512 && pageBytes <= MAX_PAGE_BYTES && (pageBytes & (pageBytes - 1)) === 0;
  if ((magic & ~1) >>> 0 !== MAGIC || !isPageSize) return undefined;
  const checksum = add([0, 0], bytes.subarray(0, 24), isLittleEndian);
  if (!isEqual(checksum, pairAt(view, 24))) return undefined;
  return { pageBytes, isLittleEndian, salts: pairAt(view, 16), checksum };
}

/**
 * How many frames fit; negative, the number of the first that does not, when a committed transaction comes behind it.
 * Frames of another salt are older: the log is written from its beginning again after each checkpoint.
 */
function scan(file: Deno.FsFile, { pageBytes, salts, checksum, isLittleEndian }: Log): number {
  const frame = new Uint8Array(FRAME_HEADER_BYTES + pageBytes);
  const view = viewOf(frame);
  let good = 0;
  let misfit: number | undefined;
  for (let number = 1; read(file, frame).length === frame.length; number++) {
    const isOfThisLog = isEqual(pairAt(view, 8), salts);
    if (misfit === undefined) {
      const sum = add(
        add(checksum, frame.subarray(0, 8), isLittleEndian),
        frame.subarray(FRAME_HEADER_BYTES),
        isLittleEndian,
      );
      if (isOfThisLog && isEqual(sum, pairAt(view, 16))) {
        checksum = sum;
        good = number;
      } else misfit = number;
    } else if (isOfThisLog && view.getUint32(4) !== 0) {
      // Only the last frame of a transaction that was committed says how many pages the database has.
      return -misfit;
    }
  }
  return good;
}

/** The checksum of SQLite's logs, gone on with over `bytes`, whose length is a multiple of eight. */
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

/** Reads until `into` is full or the file ends; what was read. */
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
    // Not there, or of a kind that SQLite will complain about.
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
