import { join } from "@std/path/join";
import { ExaiError, messageOf } from "../base/errors.ts";
import { decodeText } from "../base/text_encoding.ts";
import { type DocumentLanguage, editDocument, withOriginalText } from "../documents/document.ts";
import { readFileImage, removeFile, replaceFile } from "../documents/files.ts";
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
  const { path, copy, before, after, language, inverse } = file;
  const image = await readFileImage(path);
  const now = image === undefined ? null : digestOfFile(image.bytes);
  if (now === before) return "same";
  if (now === after || now === null) {
    if (copy !== null) await replaceFile(path, await Deno.readFile(join(dir, copy)), image);
    else if (image) await removeFile(image);
    return copy === null ? "removed" : "restored";
  }
  const document = languageOf(language);
  // In a list, another item may be at its place now.
  if (!document || inverse.some(({ path }) => typeof path.at(-1) === "number")) {
    throw new ExaiError("CONFIG", "has been changed since, and is left as it is now");
  }
  const text = editDocument(document, image!.text, inverse);
  if (copy === null) {
    await replaceFile(path, text, image);
    return "edited";
  }
  const bytes = await Deno.readFile(join(dir, copy));
  const original = decodeText(bytes).text;
  // A client that has only written it anew, in its own layout, has nothing to lose.
  if (saysSame(document, text, original)) {
    await replaceFile(path, bytes, image);
    return "restored";
  }
  // Each server stands in a section, whose text is put back where nothing else has changed in it.
  const sections = inverse.map(({ path }) => path.slice(0, -1));
  await replaceFile(path, withOriginalText(document, { text, original }, sections), image);
  return "edited";
}

function saysSame({ read }: DocumentLanguage, a: string, b: string): boolean {
  const [one, other] = [read(a), read(b)];
  return "value" in one && "value" in other && JSON.stringify(one.value) === JSON.stringify(other.value);
}
