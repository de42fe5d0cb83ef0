import { join } from "@std/path/join";
import { ExaiError, messageOf } from "../base/errors.ts";
import { decodeText } from "../base/text_encoding.ts";
import { commentsIn } from "../documents/comments.ts";
import { type DocumentLanguage, editDocument, withOriginalText } from "../documents/document.ts";
import { type FileImage, readFileImage, removeFile, replaceFile } from "../documents/files.ts";
import type { FileOutcome } from "./apply.ts";
import { type BackedUpFile, digestOfFile, type SavedBackup, savedBackups, writeRecord } from "./backups.ts";
import { languageOf } from "./read.ts";

/** What became of one file that was to be as before. */
export interface UndoneFile extends FileOutcome {
  /**
   * - `restored`: it is as it was, to the byte;
   * - `removed`: there was none before, and is none now;
   * - `edited`: it has been changed since, and only what the adoption changed is as before;
   * - `same`: nothing was to be done;
   * - `left`: it is as it is.
   */
  how: "restored" | "removed" | "edited" | "same" | "left";
}

/** The last adoption that was not undone; undefined where there is none. */
export async function lastAdoption(backups: string): Promise<SavedBackup | undefined> {
  return (await savedBackups(backups)).find(({ record }) => record.undone_at === undefined);
}

/** Makes each file as it was before an adoption. */
export async function undoAdoption({ dir, record }: SavedBackup): Promise<UndoneFile[]> {
  const files: UndoneFile[] = [];
  // The clients' files first: their servers stay reachable until they are back.
  for (const file of record.files.toReversed()) files.push(await undoFile(dir, file));
  if (files.every(({ reason }) => reason === undefined)) {
    await writeRecord({ dir, record: { ...record, undone_at: new Date().toISOString() } });
  }
  return files;
}

async function undoFile(dir: string, file: BackedUpFile): Promise<UndoneFile> {
  const { path, copy } = file;
  try {
    return { path, how: await restored(dir, file), reason: undefined };
  } catch (thrown) {
    const where = copy === null ? "" : `; as it was it is in ${join(dir, copy)}`;
    return { path, how: "left", reason: messageOf(thrown) + where };
  }
}

async function restored(dir: string, file: BackedUpFile): Promise<UndoneFile["how"]> {
  const { path, copy, before, after } = file;
  const image = await readFileImage(path);
  const now = image === undefined ? null : digestOfFile(image.bytes);
  if (now === before) return "same";
  if (now !== after && image) return await restoredIn(image, await readCopy(dir, file), file);
  if (copy === null) {
    if (image) await removeFile(image);
    return "removed";
  }
  const bytes = await readCopy(dir, file);
  if (bytes) {
    await replaceFile(path, bytes, image);
    return "restored";
  }
  if (image) return await restoredIn(image, undefined, file);
  throw new ExaiError("CONFIG", "is gone, and its copy is damaged");
}

/** The bytes of the copy; undefined where there is none, or it is no longer what was copied. */
async function readCopy(
  dir: string,
  { copy, before }: BackedUpFile,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const bytes = copy === null ? undefined : await Deno.readFile(join(dir, copy)).catch(() => undefined);
  return bytes && digestOfFile(bytes) === before ? bytes : undefined;
}

/** Takes back only what the adoption has changed, in a file that was written since, or whose copy is lost. */
async function restoredIn(
  image: FileImage,
  bytes: Uint8Array<ArrayBuffer> | undefined,
  { path, language, inverse, after }: BackedUpFile,
): Promise<UndoneFile["how"]> {
  const document = languageOf(language);
  const isChanged = digestOfFile(image.bytes) !== after;
  // In a list, another item may be at its place now.
  if (!document || isChanged && inverse.some(({ path }) => typeof path.at(-1) === "number")) {
    throw new ExaiError("CONFIG", "has been changed since, and is left as it is now");
  }
  const text = editDocument(document, image.text, inverse);
  if (!bytes) {
    await replaceFile(path, text, image);
    return "edited";
  }
  const original = decodeText(bytes).text;
  // A client that has only written it anew, in its own layout, has nothing to lose.
  if (saysSame(document, text, original) && !hasOwnComments(document, image.text, original)) {
    await replaceFile(path, bytes, image);
    return "restored";
  }
  // Each server stands in a section, whose text is put back where nothing else has changed in it.
  const sections = inverse.map(({ path }) => path.slice(0, -1));
  await replaceFile(path, withOriginalText(document, { text, original }, sections), image);
  return "edited";
}

/** Whether `text` has a comment that `original` does not have. */
function hasOwnComments(language: DocumentLanguage, text: string, original: string): boolean {
  const there = new Set(commentsIn(language, original));
  return commentsIn(language, text).some((comment) => !there.has(comment));
}

function saysSame({ read }: DocumentLanguage, a: string, b: string): boolean {
  const [one, other] = [read(a), read(b)];
  return "value" in one && "value" in other && JSON.stringify(one.value) === JSON.stringify(other.value);
}
