import { findNodeAtLocation, type JSONPath, parseTree } from "jsonc-parser";
import { parseAnyDocument } from "../config/json_document.ts";
import type { DocumentEdit, DocumentLanguage, DocumentPath } from "./document.ts";
import { putIntoJsonc, removeFromJsonc } from "./jsonc_edits.ts";
import { layoutOf } from "./layout.ts";

const BOM = "\uFEFF";

/** JSON with comments and trailing commas. */
export const JSONC: DocumentLanguage = { read: parseAnyDocument, edit: editJsonc, copyValue };

/**
 * `text` after `edits`. Comments, order, indentation, line ends and a byte order mark stay; an object that is missing on
 * the way to a value is made.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { editJsonc } from "./jsonc.ts";
 *
 * const text = '{\n  // mine\n  "a": 1,\n  "b": 2\n}\n';
 * assertEquals(editJsonc(text, [{ path: ["b"], value: undefined }]), '{\n  // mine\n  "a": 1\n}\n');
 * ```
 */
export function editJsonc(text: string, edits: readonly DocumentEdit[]): string {
  const mark = text.startsWith(BOM) ? BOM : "";
  let body = text.slice(mark.length);
  if (body.trim() === "") body = `{}${layoutOf(text).eol}`;
  for (const { path, value } of edits) {
    const keys = [...path] as JSONPath;
    body = value === undefined ? removeFromJsonc(body, keys) : putIntoJsonc(body, keys, value);
  }
  return mark + body;
}

function copyValue(text: string, from: string, path: DocumentPath): string {
  const [at, source] = [spanOf(text, path), spanOf(from, path)];
  // Mixed line ends would be the result.
  if (!at || !source || layoutOf(text).eol !== layoutOf(from).eol) return text;
  return text.slice(0, at.start) + from.slice(source.start, source.end) + text.slice(at.end);
}

function spanOf(text: string, path: DocumentPath): { start: number; end: number } | undefined {
  const markChars = text.startsWith(BOM) ? BOM.length : 0;
  const root = parseTree(text.slice(markChars), [], { allowTrailingComma: true });
  const node = root && findNodeAtLocation(root, [...path] as JSONPath);
  if (!node) return undefined;
  const start = markChars + node.offset;
  return { start, end: start + node.length };
}
