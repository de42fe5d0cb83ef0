import { processTable, treeOf } from "./process_table.ts";

/** Processes and open files looked at in one tree; what is beyond is not seen. */
const MAX_PROCESSES = 32;
const MAX_FILES = 512;

/** Flags of open(2) in octal: any of these but 0 in the lowest two bits means that the file may be written. */
const ACCESS_MODE = 0o3;

/** A file that a process holds open. */
interface HeldFile {
  /** Absolute. */
  path: string;
  isWritable: boolean;
}

/** What the processes of one tree hold open, and what they have written. */
export interface TreeFiles {
  files: readonly HeldFile[];
  /** What the running processes of the tree have written to disks so far. */
  writtenBytes: number;
}

/** The files held by a process and its descendants; undefined where the system does not show them, or it has ended. */
export async function treeFiles(root: number): Promise<TreeFiles | undefined> {
  if (Deno.build.os !== "linux") return undefined;
  const tree = treeOf([root], await processTable()).slice(0, MAX_PROCESSES);
  const held = await Promise.all(tree.map(({ pid }) => heldFiles(pid)));
  if (!held.some((files) => files !== undefined)) return undefined;
  const written = await Promise.all(tree.map(({ pid }) => writtenBytes(pid)));
  return {
    files: held.flatMap((files) => files ?? []),
    writtenBytes: written.reduce((sum, bytes) => sum + bytes, 0),
  };
}

/** Undefined when the process has ended or is another user's. */
async function heldFiles(pid: number): Promise<HeldFile[] | undefined> {
  try {
    const fds = await Array.fromAsync(Deno.readDir(`/proc/${pid}/fd`), ({ name }) => name);
    const files = await Promise.all(fds.slice(0, MAX_FILES).map((fd) => heldFile(pid, fd)));
    return files.filter((file) => file !== undefined);
  } catch {
    return undefined;
  }
}

/** Undefined for what is no file of a directory: a pipe, a socket, a device, a deleted file. */
async function heldFile(pid: number, fd: string): Promise<HeldFile | undefined> {
  const path = await Deno.readLink(`/proc/${pid}/fd/${fd}`).catch(() => "");
  if (!path.startsWith("/") || /^\/(dev|proc|sys|memfd:)/.test(path) || path.endsWith(" (deleted)")) {
    return undefined;
  }
  const info = await Deno.readTextFile(`/proc/${pid}/fdinfo/${fd}`).catch(() => "");
  const flags = parseInt(/^flags:\s+([0-7]+)/m.exec(info)?.[1] ?? "0", 8);
  return { path, isWritable: (flags & ACCESS_MODE) !== 0 };
}

async function writtenBytes(pid: number): Promise<number> {
  const io = await Deno.readTextFile(`/proc/${pid}/io`).catch(() => "");
  return Number(/^write_bytes:\s+(\d+)/m.exec(io)?.[1] ?? 0);
}
