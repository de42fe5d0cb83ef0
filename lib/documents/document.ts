import { isDeepStrictEqual } from "node:util";
import { ExaiError, messageOf } from "../base/errors.ts";
import { isObject, type Json, type JsonObject, valueAt } from "../base/json.ts";
import type { Position } from "../config/config_fault.ts";

/** The place of a value in a document: keys and indexes from the root. */
export type DocumentPath = readonly (string | number)[];

/** One change of a document. */
export interface DocumentEdit {
  path: DocumentPath;
  /** Undefined takes the value out, with its key. */
  value: Json | undefined;
}

/** What a document says, and where. */
export interface ReadDocument {
  value: JsonObject | Json[];
  /** Position of the value at `path`, or of the nearest one around it. */
  positionOf(path: DocumentPath): Position;
  /** Keys that stand more than once in the object at `path`. */
  repeatedKeys(path: DocumentPath): string[];
}

/** Why a text is no document of its language. */
export interface UnreadDocument extends Position {
  reason: string;
}

/** A language that documents are written in. */
export interface DocumentLanguage {
  read(text: string): ReadDocument | UnreadDocument;
  /** `text` after `edits`; whatever they do not concern stays as it is, to the byte. */
  edit(text: string, edits: readonly DocumentEdit[]): string;
  /** `text` with its value at `path` written as in `from`; as it is where one of them has none. */
  copyValue?(text: string, from: string, path: DocumentPath): string;
}

/**
 * `text` after `edits`, checked: the result is read again and must say what the edits mean and nothing else.
 *
 * @throws {ExaiError} `CONFIG` where the text cannot be edited in place
 */
export function editDocument(
  { read, edit }: DocumentLanguage,
  text: string,
  edits: readonly DocumentEdit[],
): string {
  const before = read(text);
  if ("reason" in before) throw new ExaiError("CONFIG", `cannot be read: ${before.reason}`);
  const wanted = edits.reduce<Json>(
    (value, change) => editedValue(value, change),
    structuredClone(before.value),
  );
  const edited = editOrThrow(edit, text, edits);
  const after = read(edited);
  if ("reason" in after || !isDeepStrictEqual(plain(after.value), plain(wanted))) {
    throw new ExaiError("CONFIG", "is written in a way that cannot be changed in place; change it by hand");
  }
  return edited;
}

function editOrThrow(edit: DocumentLanguage["edit"], text: string, edits: readonly DocumentEdit[]): string {
  try {
    return edit(text, edits);
  } catch (thrown) {
    throw new ExaiError("CONFIG", `cannot be changed in place: ${messageOf(thrown)}`, { cause: thrown });
  }
}

/** `text` with the values at `paths` written as in `original`, order and layout, wherever both say the same there. */
export function withOriginalText(
  { read, copyValue }: DocumentLanguage,
  { text, original }: { text: string; original: string },
  paths: readonly DocumentPath[],
): string {
  const source = read(original);
  if (!copyValue || "reason" in source) return text;
  return paths.reduce((current, path) => {
    const now = read(current);
    if ("reason" in now) return current;
    const [value, before] = [valueAt(now.value, path), valueAt(source.value, path)];
    if (value === undefined || before === undefined || !isDeepStrictEqual(value, before)) return current;
    const copied = copyValue(current, original, path);
    const after = read(copied);
    return "value" in after && isDeepStrictEqual(after.value, now.value) ? copied : current;
  }, text);
}

/** As `value` is once it was JSON: without the prototypes and the times of a parser. */
function plain(value: Json): unknown {
  return JSON.parse(JSON.stringify(value));
}

/** `root` after an edit, as its document says it then. */
export function editedValue(root: Json, { path, value }: DocumentEdit): Json {
  const [key, ...rest] = path;
  if (key === undefined) return value ?? {};
  if (Array.isArray(root) && typeof key === "number") {
    if (rest.length > 0) return root.with(key, editedValue(root[key] ?? {}, { path: rest, value }));
    return value === undefined
      ? root.toSpliced(key, 1)
      : root.toSpliced(key, key < root.length ? 1 : 0, value);
  }
  const object = isObject(root) ? root : {};
  if (rest.length > 0) {
    if (value === undefined && !Object.hasOwn(object, key)) return root;
    const inner = object[key] ?? (typeof rest[0] === "number" ? [] : {});
    return { ...object, [key]: editedValue(inner, { path: rest, value }) };
  }
  if (value !== undefined) return { ...object, [key]: value };
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key)) as JsonObject;
}
