import {
  type Document,
  isCollection,
  isMap,
  isPair,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
} from "yaml";
import { stringify } from "yaml";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import type { DocumentEdit, DocumentLanguage, ReadDocument, UnreadDocument } from "./document.ts";
import { type Layout, layoutOf, positionAt, spliceText } from "./layout.ts";

/** YAML, one document in a file. */
export const YAML: DocumentLanguage = { read: readYaml, edit: editYaml };

function parse(text: string): Document.Parsed {
  return parseDocument(text, { lineCounter: new LineCounter(), uniqueKeys: true, prettyErrors: false });
}

function readYaml(text: string): ReadDocument | UnreadDocument {
  const document = parse(text);
  const [error] = document.errors;
  if (error) {
    const reason = error.code === "DUPLICATE_KEY" ? "a key stands twice" : error.message;
    return { reason, ...positionAt(text, error.pos[0]) };
  }
  const value = valueOf(document);
  if (!isObject(value) && !Array.isArray(value)) {
    return {
      reason: "the file must hold keys with values, and each alias an anchor before it",
      line: 1,
      column: 1,
    };
  }
  const offsetOf = (path: readonly (string | number)[]): number => {
    const node = document.getIn(path, true) as Node | undefined;
    if (node?.range) return node.range[0];
    return path.length > 0 ? offsetOf(path.slice(0, -1)) : 0;
  };
  return {
    value: value as JsonObject | Json[],
    positionOf: (path) => positionAt(text, offsetOf(path)),
    // The parser rejects them.
    repeatedKeys: () => [],
  };
}

/** Undefined where an alias has no anchor, or stands for too much. */
function valueOf(document: Document.Parsed): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch {
    return undefined;
  }
}

function editYaml(text: string, edits: readonly DocumentEdit[]): string {
  return edits.reduce((result, edit) => editOnce(result, edit), text);
}

function editOnce(text: string, { path, value }: DocumentEdit): string {
  const document = parse(text);
  const parent = document.getIn(path.slice(0, -1), true);
  const key = path.at(-1)!;
  const layout = layoutOf(text);
  const anew = () => rewritten(document, { path, value }).replaceAll("\n", layout.eol);
  if (value === undefined) {
    if (!document.hasIn(path)) return text;
    return isBlock(parent) ? removeLines(text, parent, key) : anew();
  }
  if (document.hasIn(path)) {
    if (!isBlock(parent)) return anew();
    return addLines(removeLines(text, parent, key), { path, value }, layout);
  }
  return addLines(text, { path, value }, layout);
}

/** Flow collections, as `{a: 1}`, are written anew by the library, which keeps comments. */
function rewritten(document: Document.Parsed, { path, value }: DocumentEdit): string {
  if (value === undefined) document.deleteIn(path);
  else document.setIn(path, document.createNode(value));
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}

function isBlock(node: unknown): node is Node {
  return isCollection(node) && node.flow !== true && node.items.length > 0;
}

/** Takes the lines of one item out. */
function removeLines(text: string, parent: Node, key: string | number): string {
  const item = itemOf(parent, key);
  if (isCollection(parent) && parent.items.length === 1) {
    const [from, , to] = parent.range!;
    return spliceText(text, [{ from, to, put: `${isSeq(parent) ? "[]" : "{}"}\n` }]);
  }
  const start = isPair(item) ? (item.key as Node).range![0] : (item as Node).range![0];
  const end = isPair(item) ? ((item.value ?? item.key) as Node).range![2] : (item as Node).range![2];
  const from = text.lastIndexOf("\n", start - 1) + 1;
  return spliceText(text, [{ from, to: end, put: "" }]);
}

function itemOf(parent: Node, key: string | number): unknown {
  if (isSeq(parent)) return parent.items[Number(key)];
  return isMap(parent)
    ? parent.items.find((pair) => String((pair.key as { value?: unknown })?.value) === String(key))
    : undefined;
}

/** Adds an item at the end of its collection. */
function addLines(text: string, { path, value }: DocumentEdit, layout: Layout): string {
  const document = parse(text);
  const depth = firstMissing(document, path);
  const parent = document.getIn(path.slice(0, depth), true);
  if (!isBlock(parent) && depth > 0) return rewritten(document, { path, value }).replaceAll("\n", layout.eol);
  const rest = path.slice(depth);
  const wrapped = rest.toReversed().reduce<Json>(
    (inner, key) => typeof key === "number" ? [inner] : { [key]: inner },
    value!,
  );
  const lines = stringify(wrapped, { lineWidth: 0, indent: layout.indent }).trimEnd().split("\n");
  const [, , end] = isBlock(parent) ? parent.range! : [0, 0, text.length];
  const column = isBlock(parent) ? columnOf(text, parent) : 0;
  const indented = lines.map((line) => " ".repeat(column) + line).join(layout.eol) + layout.eol;
  const gap = end > 0 && text[end - 1] !== "\n" ? layout.eol : "";
  return spliceText(text, [{ from: end, to: end, put: gap + indented }]);
}

function firstMissing(document: Document.Parsed, path: readonly (string | number)[]): number {
  for (let depth = path.length - 1; depth > 0; depth--) {
    if (document.hasIn(path.slice(0, depth))) return depth;
  }
  return 0;
}

function columnOf(text: string, collection: Node): number {
  const start = collection.range![0];
  return start - (text.lastIndexOf("\n", start - 1) + 1);
}
