import { dirname } from "@std/path/dirname";
import { basename } from "@std/path/basename";
import { join } from "@std/path/join";
import { isAbsolute } from "@std/path/is-absolute";
import { ExaiError, messageOf } from "../base/errors.ts";
import { MIB, SECOND_MS } from "../base/units.ts";

/** A file as it was read. */
export interface FileImage {
  /** As it was asked for. */
  path: string;
  /** Where its content is: another path where `path` is a link. */
  target: string;
  bytes: Uint8Array<ArrayBuffer>;
  /** Its content, with a byte order mark if it has one. */
  text: string;
}

/** Claude Code keeps all its state in one file. */
const MAX_BYTES = 64 * MIB;
const ANY_WRITE = 0o222;
/** Programs that lock a file with a directory beside it touch that every few seconds. */
const LOCK_AGE_MS = 10 * SECOND_MS;

/**
 * Reads the text file at `path`.
 *
 * @returns undefined where there is none
 * @throws {ExaiError} `CONFIG`, with the reason as a clause, for anything but a text file in UTF-8
 */
export async function readFileImage(path: string): Promise<FileImage | undefined> {
  try {
    const info = await Deno.stat(path);
    if (!info.isFile) throw refused("is no regular file");
    if (info.size > MAX_BYTES) throw refused("is over 64 MiB");
    const target = await Deno.realPath(path);
    const bytes = await Deno.readFile(target);
    return { path, target, bytes, text: decode(bytes) };
  } catch (thrown) {
    if (thrown instanceof Deno.errors.NotFound) return undefined;
    if (thrown instanceof Deno.errors.NotADirectory) return undefined;
    if (thrown instanceof Deno.errors.PermissionDenied) throw refused("cannot be read by this user", thrown);
    throw thrown instanceof ExaiError ? thrown : refused(`cannot be read: ${messageOf(thrown)}`, thrown);
  }
}

/**
 * Puts `text` into the file at `path`, as a whole or not at all: it is written beside it and renamed. A link stays and
 * its target is replaced; mode and owner stay. A missing file is made, for this user alone.
 *
 * @param before the file as it was when `text` was made of it; undefined where there was none
 * @throws {ExaiError} `CONFIG`, with the reason as a clause: read-only, changed meanwhile, open elsewhere, no space
 */
export async function replaceFile(
  path: string,
  text: string | Uint8Array<ArrayBuffer>,
  before: FileImage | undefined,
): Promise<void> {
  const target = before?.target ?? await linkTarget(path);
  await checkUnlocked(path);
  const info = await statOf(target);
  if (before === undefined ? info !== undefined : !sameBytes(await bytesOf(target), before.bytes)) {
    throw refused("has been changed by another program meanwhile; run the command again");
  }
  if (info !== undefined) await checkWritable(target, info);
  else await Deno.mkdir(dirname(target), { recursive: true, mode: 0o700 }).catch(rethrow);
  const beside = join(dirname(target), `.${basename(target)}.${Deno.pid}.exai-new`);
  try {
    await writeNew(beside, typeof text === "string" ? new TextEncoder().encode(text) : text, info);
    await Deno.rename(beside, target);
  } catch (thrown) {
    await Deno.remove(beside).catch(() => {});
    throw refusal(thrown);
  }
}

/**
 * Whether {@linkcode replaceFile} could replace a file that is there.
 *
 * @throws {ExaiError} `CONFIG`, with the reason as a clause
 */
export async function checkReplaceable({ path, target }: FileImage): Promise<void> {
  await checkUnlocked(path);
  const info = await statOf(target);
  if (info !== undefined) await checkWritable(target, info);
}

/**
 * Removes the file at `path`, if it is as it was.
 *
 * @throws {ExaiError} `CONFIG`, with the reason as a clause
 */
export async function removeFile(before: FileImage): Promise<void> {
  if (!sameBytes(await bytesOf(before.target), before.bytes)) {
    throw refused("has been changed by another program meanwhile; run the command again");
  }
  await Deno.remove(before.target).catch(rethrow);
}

/** Whether two files hold the same. */
function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && a.length === b.length && a.every((byte, i) => byte === b[i]);
}

async function writeNew(
  path: string,
  bytes: Uint8Array<ArrayBuffer>,
  like: Deno.FileInfo | undefined,
): Promise<void> {
  const mode = like?.mode === undefined || like.mode === null ? 0o600 : like.mode & 0o7777;
  await Deno.writeFile(path, bytes, { createNew: true, mode });
  using file = await Deno.open(path, { read: true, write: true });
  await file.sync();
  if (Deno.build.os === "windows" || like === undefined) return;
  if (like.uid !== Deno.uid() && like.uid !== null) await Deno.chown(path, like.uid, like.gid);
  await Deno.chmod(path, mode);
}

/** @throws {ExaiError} `CONFIG` when another program says by a lock beside it that it writes the file now */
async function checkUnlocked(path: string): Promise<void> {
  const lock = await statOf(`${path}.lock`);
  const ageMs = Date.now() - (lock?.mtime?.getTime() ?? 0);
  if (lock?.isDirectory && ageMs < LOCK_AGE_MS) {
    throw refused(`is being written by another program (${path}.lock); close it and run the command again`);
  }
}

async function checkWritable(path: string, info: Deno.FileInfo): Promise<void> {
  const mode = Deno.build.os === "windows" ? undefined : info.mode;
  if (mode !== undefined && mode !== null && (mode & ANY_WRITE) === 0) throw refused("is read-only");
  try {
    (await Deno.open(path, { write: true, read: true })).close();
  } catch (thrown) {
    throw refusal(thrown);
  }
}

function refusal(thrown: unknown): ExaiError {
  if (thrown instanceof ExaiError) return thrown;
  const { PermissionDenied, Busy } = Deno.errors;
  const text = messageOf(thrown);
  // ERROR_SHARING_VIOLATION and ERROR_LOCK_VIOLATION of Windows.
  const isOpen = thrown instanceof Busy || /os error (?:32|33)\b/.test(text);
  if (isOpen) return refused("is open in another program; close that and run the command again", thrown);
  if (thrown instanceof PermissionDenied || /os error (?:30|1)\b/.test(text)) {
    return refused("is read-only, or its directory is", thrown);
  }
  return refused(`cannot be written: ${text}`, thrown);
}

function rethrow(thrown: unknown): never {
  throw refusal(thrown);
}

/** Where a link leads whose target is missing; `path` itself where it is none. */
async function linkTarget(path: string): Promise<string> {
  const link = await Deno.lstat(path).catch(() => undefined);
  if (!link?.isSymlink) return path;
  const target = await Deno.readLink(path);
  return isAbsolute(target) ? target : join(dirname(path), target);
}

async function statOf(path: string): Promise<Deno.FileInfo | undefined> {
  return await Deno.stat(path).catch(() => undefined);
}

async function bytesOf(path: string): Promise<Uint8Array | undefined> {
  return await Deno.readFile(path).catch(() => undefined);
}

function decode(bytes: Uint8Array<ArrayBuffer>): string {
  const [first, second] = bytes;
  if (
    (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff) || first === 0 || second === 0
  ) {
    throw refused("is written in UTF-16; save it as UTF-8");
  }
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  try {
    return decoder.decode(bytes);
  } catch {
    throw refused(`line ${lineOfBadByte(bytes)}: holds a byte that is no UTF-8; save it as UTF-8`);
  }
}

/** The number of the first line that is no UTF-8: no sequence of more than one byte contains a line feed. */
function lineOfBadByte(bytes: Uint8Array<ArrayBuffer>): number {
  let from = 0;
  for (let line = 1;; line++) {
    const end = bytes.indexOf(0x0a, from);
    const part = bytes.subarray(from, end < 0 ? bytes.length : end);
    if (!new TextDecoder().decode(part).includes("\uFFFD") && end >= 0) from = end + 1;
    else return line;
  }
}

function refused(why: string, cause?: unknown): ExaiError {
  return new ExaiError("CONFIG", why, { cause });
}
