const LIBC = {
  inotify_init1: { parameters: ["i32"], result: "i32" },
  inotify_add_watch: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  inotify_rm_watch: { parameters: ["i32", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
} as const;

// inotify(7)
const IN_NONBLOCK = 0o4000;
const IN_CLOEXEC = 0o2000000;
const IN_OPEN = 0x20;
const IN_ISDIR = 0x40000000;
const EVENT_BYTES = 16;
const BUFFER_BYTES = 4096;

/** Reads made at most to find a file, or to drop what is left. */
const MAX_READS = 64;

/** So many watches may be in use at once. */
const MAX_INSTANCES = 8;

type Libc = Deno.DynamicLibrary<typeof LIBC>;

let libc: Libc | "none" | undefined;

/** Instances of inotify that are not in use. They are not closed: that takes milliseconds. */
const unused: number[] = [];
let instances = 0;

/** Notices what is opened in directories, by whatever process, until it is disposed of. */
export interface DirectoryWatch extends Disposable {
  /** The name of a file that was opened since; undefined: none was, or none is known. */
  opened(): string | undefined;
  /** Whether {@linkcode opened}, before it found a file, has found that a directory was opened to be listed. */
  readonly isListed: boolean;
}

/**
 * Watches directories, not what is below them. `Deno.watchFs` does not tell of files that are only read.
 *
 * @returns undefined where the system has no such thing, or no more of it
 */
export function watchOpens(directories: readonly string[]): DirectoryWatch | undefined {
  const library = openLibc();
  if (library === "none") return undefined;
  const { symbols } = library;
  const fd = unused.pop() ??
    (instances < MAX_INSTANCES ? symbols.inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1);
  if (fd < 0) return undefined;
  instances++;
  const encoder = new TextEncoder();
  const watches = directories.map((directory) =>
    symbols.inotify_add_watch(fd, encoder.encode(`${directory}\0`), IN_OPEN)
  );
  const buffer = new Uint8Array(BUFFER_BYTES);
  let isListed = false;
  const read = () => Math.max(0, Number(symbols.read(fd, buffer, BigInt(buffer.length))));
  return {
    opened() {
      for (let reads = 0; reads < MAX_READS; reads++) {
        const bytes = read();
        const { name, isDirectory } = firstOpened(buffer.subarray(0, bytes));
        isListed ||= isDirectory;
        if (bytes === 0 || name !== undefined) return name;
      }
      return undefined;
    },
    get isListed() {
      return isListed;
    },
    [Symbol.dispose]() {
      for (const watch of watches) symbols.inotify_rm_watch(fd, watch);
      for (let reads = 0; reads < MAX_READS && read() > 0; reads++);
      instances--;
      unused.push(fd);
    },
  };
}

function openLibc(): Libc | "none" {
  if (libc) return libc;
  try {
    libc = Deno.build.os === "linux" ? Deno.dlopen("libc.so.6", LIBC) : "none";
  } catch {
    libc = "none";
  }
  return libc;
}

/** The name in the first event that is about a file, and whether one before it is about a directory. */
function firstOpened(events: Uint8Array<ArrayBuffer>): { name?: string; isDirectory: boolean } {
  const view = new DataView(events.buffer, events.byteOffset, events.length);
  let isDirectory = false;
  for (let at = 0; at + EVENT_BYTES <= events.length;) {
    const mask = view.getUint32(at + 4, true);
    const length = view.getUint32(at + 12, true);
    const name = events.subarray(at + EVENT_BYTES, at + EVENT_BYTES + length);
    if ((mask & IN_OPEN) !== 0 && (mask & IN_ISDIR) !== 0) isDirectory = true;
    else if (length > 0) return { name: new TextDecoder().decode(name).replace(/\0+$/, ""), isDirectory };
    at += EVENT_BYTES + length;
  }
  return { isDirectory };
}
