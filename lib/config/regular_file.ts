import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { ExaiError } from "../base/errors.ts";
import { decodeText } from "../base/text_encoding.ts";
import { formatBytes, MIB } from "../base/units.ts";

/** Far more than any configuration file holds. */
const MAX_BYTES = 16 * MIB;

interface RegularFileOptions {
  maxBytes?: number;
}

/**
 * Reads a small text file of the user's, in any encoding that editors write. Anything but a regular file is refused before it is opened: opening a named pipe
 * blocks until it has a writer, and a device may have no end; either would block the start.
 *
 * @throws errors of the file system; `TypeError` for anything else than a small regular file, with the reason as a clause
 */
export async function readRegularFile(path: string, options: RegularFileOptions = {}): Promise<string> {
  check(await Deno.stat(path), options);
  return decodeText(await Deno.readFile(path)).text;
}

/** As {@linkcode readRegularFile}, for a text whose encoding is not known. */
export async function readRegularBytes(path: string, options: RegularFileOptions = {}): Promise<Uint8Array> {
  check(await Deno.stat(path), options);
  return await Deno.readFile(path);
}

/** As {@linkcode readRegularFile}. */
export function readRegularFileSync(path: string, options: RegularFileOptions = {}): string {
  check(Deno.statSync(path), options);
  return decodeText(Deno.readFileSync(path)).text;
}

/** What a path leads to in place of a regular file; undefined for a regular file. */
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

/**
 * Whether the file at `path` stands in its directory. Looking is cheap; building the error of a missing file takes a
 * tenth of the time a shim needs to start.
 */
export function isListed(path: string): boolean {
  const wanted = basename(path);
  try {
    for (const { name } of Deno.readDirSync(dirname(path))) if (name === wanted) return true;
  } catch {
    // A directory that cannot be listed has nothing to read.
  }
  return false;
}

/**
 * The variables of the `.env` file at `path`.
 *
 * @throws errors of the file system; `TypeError` for anything else than a small regular file
 */
export async function readEnvFile(path: string): Promise<Record<string, string>> {
  return parseEnvFile(await readRegularFile(path));
}

/**
 * The variables in the text of a `.env` file.
 *
 * @throws {ExaiError} `CONFIG` when this runtime cannot read such files
 */
export function parseEnvFile(text: string): Record<string, string> {
  // Loaded when needed: importing `node:util` takes 12 ms, and most starts have no such file. Deno 2.6 has no parseEnv.
  const util = globalThis.process.getBuiltinModule("node:util");
  if (typeof util.parseEnv !== "function") {
    throw new ExaiError("CONFIG", "this Deno cannot read env files, 2.9 can; set the variables themselves");
  }
  // `parseEnv` takes the mark for a part of the first name.
  return util.parseEnv(text.replace(/^\uFEFF/, "")) as Record<string, string>;
}
