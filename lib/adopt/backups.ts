import { createHash } from "node:crypto";
import { join } from "@std/path/join";
import { ExaiError, messageOf } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import type { DocumentEdit } from "../documents/document.ts";
import type { ClientFile } from "./client_profile.ts";

/** A file as it was before an adoption, and what takes the adoption back. */
export interface BackedUpFile {
  path: string;
  /** The copy, in the directory of the backup; null: there was no file. */
  copy: string | null;
  /** Digests of its content before and after. */
  before: string | null;
  after: string;
  language: ClientFile["language"];
  /** The edits that take the adoption back in a file that has been changed since. */
  inverse: readonly DocumentEdit[];
}

/** An adoption as it is kept. */
interface BackupRecord {
  format: 1;
  program: string;
  made_at: string;
  undone_at?: string;
  files: BackedUpFile[];
}

/** A backup on disk. */
export interface SavedBackup {
  dir: string;
  record: BackupRecord;
}

/** A file that is about to be written. */
export interface FileToBackUp extends Pick<BackedUpFile, "path" | "language" | "inverse"> {
  bytes: Uint8Array<ArrayBuffer> | undefined;
  /** Its content afterwards. */
  text: string;
}

const PREFIX = "adopt-";
const RECORD = "record.json";

/** The digest a file is compared by. */
export function digestOfFile(content: Uint8Array | string): string {
  return createHash("sha256").update(content).digest("hex");
}

/**
 * Copies the files into a dated directory of `backups`, to the byte and for this user alone.
 *
 * @throws {ExaiError} `CONFIG` when that cannot be written; nothing else has been changed then
 */
export async function saveBackup(backups: string, files: readonly FileToBackUp[]): Promise<SavedBackup> {
  const madeAt = new Date().toISOString();
  try {
    await Deno.mkdir(backups, { recursive: true, mode: 0o700 });
    const dir = await newDir(backups, `${PREFIX}${madeAt.replace(/:/g, "-")}`);
    const saved: BackedUpFile[] = [];
    for (const [i, { path, language, inverse, bytes, text }] of files.entries()) {
      const copy = bytes === undefined
        ? null
        : `${i + 1}-${(path.split(/[/\\]/).at(-1) ?? "file").slice(-80)}`;
      if (bytes !== undefined) {
        await Deno.writeFile(join(dir, copy!), bytes, { createNew: true, mode: 0o600 });
      }
      const before = bytes === undefined ? null : digestOfFile(bytes);
      saved.push({ path, copy, before, after: digestOfFile(text), language, inverse });
    }
    const record: BackupRecord = { format: 1, program: VERSION, made_at: madeAt, files: saved };
    await writeRecord({ dir, record });
    return { dir, record };
  } catch (thrown) {
    throw new ExaiError("CONFIG", `no backup can be written to ${backups}: ${messageOf(thrown)}`, {
      cause: thrown,
    });
  }
}

/** Leaves in a backup what was written in the end: there is nothing to take back in any other file. */
export async function keepWritten(
  { dir, record }: SavedBackup,
  written: ReadonlySet<string>,
): Promise<void> {
  const files = record.files.filter(({ path }) => written.has(path));
  if (files.length === record.files.length) return;
  if (files.length === 0) await Deno.remove(dir, { recursive: true });
  else await writeRecord({ dir, record: { ...record, files } });
}

/** Every backup in `backups`, the latest first. */
export async function savedBackups(backups: string): Promise<SavedBackup[]> {
  const names: string[] = [];
  try {
    for await (const { name } of Deno.readDir(backups)) if (name.startsWith(PREFIX)) names.push(name);
  } catch {
    // None was made yet.
    return [];
  }
  const saved = await Promise.all(
    names.sort().reverse().map(async (name) => {
      const dir = join(backups, name);
      const record = await readRecord(dir);
      return record && { dir, record };
    }),
  );
  return saved.filter((one) => one !== undefined);
}

/** Writes the record of a backup. */
export async function writeRecord({ dir, record }: SavedBackup): Promise<void> {
  const path = join(dir, RECORD);
  await Deno.writeTextFile(`${path}.new`, JSON.stringify(record, null, 2), { mode: 0o600 });
  await Deno.rename(`${path}.new`, path);
}

async function readRecord(dir: string): Promise<BackupRecord | undefined> {
  try {
    const record = JSON.parse(await Deno.readTextFile(join(dir, RECORD))) as BackupRecord;
    return record.format === 1 ? record : undefined;
  } catch {
    // Cut off before anything was changed.
    return undefined;
  }
}

/** Two adoptions in one millisecond get two directories. */
async function newDir(backups: string, name: string): Promise<string> {
  for (let i = 1;; i++) {
    const dir = join(backups, i === 1 ? name : `${name}-${i}`);
    try {
      await Deno.mkdir(dir, { mode: 0o700 });
      return dir;
    } catch (thrown) {
      if (!(thrown instanceof Deno.errors.AlreadyExists)) throw thrown;
    }
  }
}
