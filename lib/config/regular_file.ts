import { formatBytes, MIB } from "../base/units.ts";

/** Far more than any file of a user's holds that is read as a whole. */
const MAX_BYTES = 16 * MIB;

interface RegularFileOptions {
  maxBytes?: number;
}

/**
 * Reads a text file of the user's that is to be small. What is no regular file is refused before it is opened: opening
 * a named pipe waits until somebody writes to it, a device may have no end, and either would stop the start.
 *
 * @throws what the file system says; `TypeError` for what is no such file, with the reason as a clause
 */
export async function readRegularFile(path: string, options: RegularFileOptions = {}): Promise<string> {
  check(await Deno.stat(path), options);
  return await Deno.readTextFile(path);
}

/** As {@linkcode readRegularFile}. */
export function readRegularFileSync(path: string, options: RegularFileOptions = {}): string {
  check(Deno.statSync(path), options);
  return Deno.readTextFileSync(path);
}

/** What stands in place of a regular file; undefined when it is one. */
function kindInPlaceOfFile(info: Deno.FileInfo): string | undefined {
  if (info.isFile) return undefined;
  if (info.isDirectory) return "a directory";
  if (info.isFifo) return "a named pipe";
  return info.isSocket ? "a socket" : "a device";
}

function check(info: Deno.FileInfo, { maxBytes = MAX_BYTES }: RegularFileOptions): void {
  const kind = kindInPlaceOfFile(info);
  if (kind !== undefined) throw new TypeError(`it is ${kind}, not a regular file; put a file there`);
  if (info.size > maxBytes) {
    throw new TypeError(`it has ${formatBytes(info.size)}, and at most ${formatBytes(maxBytes)} are read`);
  }
}
