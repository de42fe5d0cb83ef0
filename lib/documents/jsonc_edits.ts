import { createScanner, findNodeAtLocation, type JSONPath, type Node, parseTree } from "jsonc-parser";
import { isObject, type Json } from "../base/json.ts";
import { type Layout, layoutOf, spliceText } from "./layout.ts";

interface LaidOutText {
  text: string;
  layout: Layout;
}

/** `text` with `value` at `path`: in place of what is there, else behind its siblings. */
export function putIntoJsonc(text: string, path: JSONPath, value: Json): string {
  const target = { text, layout: layoutOf(text) };
  const root = parseTree(text, [], { allowTrailingComma: true });
  if (!root) return valueText(wrap(path, value), "", target.layout) + target.layout.eol;
  const there = findNodeAtLocation(root, path);
  if (there) {
    const before = text.slice(there.offset, endOf(there));
    const isOneLine = before.length > 2 && !before.includes("\n") && /^[{[]/.test(before);
    const put = isOneLine ? onOneLine(value) : valueText(value, indentAt(text, there.offset), target.layout);
    return spliceText(text, [{ from: there.offset, to: endOf(there), put }]);
  }
  const { node, depth } = nearest(root, path);
  const [key, ...rest] = path.slice(depth);
  return insert(target, node, { key: key!, value: wrap(rest, value) });
}

/** The collection that has the longest part of `path`. */
function nearest(root: Node, path: JSONPath): { node: Node; depth: number } {
  for (let depth = path.length - 1; depth > 0; depth--) {
    const node = findNodeAtLocation(root, path.slice(0, depth));
    if (node?.type === "object" || node?.type === "array") return { node, depth };
  }
  return { node: root, depth: 0 };
}

function wrap(path: JSONPath, value: Json): Json {
  return path.toReversed().reduce<Json>(
    (inner, key) => typeof key === "number" ? [inner] : { [key]: inner },
    value,
  );
}

function insert(
  { text, layout }: LaidOutText,
  parent: Node,
  { key, value }: { key: string | number; value: Json },
): string {
  const item = (indent: string) =>
    (typeof key === "number" ? "" : `${JSON.stringify(key)}: `) + valueText(value, indent, layout);
  const close = endOf(parent) - 1;
  const last = parent.children?.at(-1);
  if (!last) {
    const outer = indentAt(text, parent.offset);
    const indent = outer + step(layout);
    const { from, has } = contentBefore(text, parent.offset + 1, close);
    const start = has === "lines" ? "" : layout.eol;
    return spliceText(text, [{ from, to: close, put: start + indent + item(indent) + layout.eol + outer }]);
  }
  const isOneLine = !text.slice(parent.offset, endOf(parent)).includes("\n");
  const comma = commaAfter(text, endOf(last));
  if (isOneLine) {
    const from = endOf(last);
    return spliceText(text, [{ from, to: from, put: `, ${inlineText(key, value)}` }]);
  }
  const indent = indentAt(text, last.offset);
  const from = lineEnd(text, comma === undefined ? endOf(last) : comma + 1, close);
  const end = comma === undefined ? "" : ",";
  const rest = text.slice(from, close).includes("\n") ? "" : layout.eol + indentAt(text, parent.offset);
  const added = { from, to: from, put: layout.eol + indent + item(indent) + end + rest };
  const missing = { from: endOf(last), to: endOf(last), put: "," };
  return spliceText(text, comma === undefined ? [added, missing] : [added]);
}

/** Where the white space before the end of an empty collection begins, and whether lines with comments are before that. */
function contentBefore(text: string, start: number, close: number): { from: number; has: "lines" | "other" } {
  const content = text.slice(start, close);
  if (content.trim() === "") return { from: start, has: "other" };
  const trimmed = content.trimEnd();
  const lineStart = /\r?\n/.exec(content.slice(trimmed.length));
  return lineStart
    ? { from: start + trimmed.length + lineStart[0].length, has: "lines" }
    : { from: start + trimmed.length, has: "other" };
}

/** The end of the line of `offset`, behind a comment, but not behind `max`. */
function lineEnd(text: string, offset: number, max: number): number {
  const end = text.indexOf("\n", offset);
  if (end < 0 || end > max) return offset;
  const rest = text.slice(offset, end).trimEnd();
  const comment = rest.trimStart();
  const isWhole = comment.startsWith("/*") && comment.indexOf("*/", 2) === comment.length - 2;
  return comment.startsWith("//") || isWhole ? offset + rest.length : offset;
}

/** The white space before the first thing on the line of `offset`. */
function indentAt(text: string, offset: number): string {
  const lineStart = text.lastIndexOf("\n", offset - 1) + 1;
  return /^[ \t]*/.exec(text.slice(lineStart, offset))![0];
}

function step({ indent, isTabbed }: Layout): string {
  return isTabbed ? "\t" : " ".repeat(indent);
}

function inlineText(key: string | number, value: Json): string {
  const text = onOneLine(value);
  return typeof key === "number" ? text : `${JSON.stringify(key)}: ${text}`;
}

function onOneLine(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(onOneLine).join(", ")}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const items = Object.entries(value).flatMap(([key, item]) =>
    item === undefined ? [] : [`${JSON.stringify(key)}: ${onOneLine(item)}`]
  );
  return items.length === 0 ? "{}" : `{ ${items.join(", ")} }`;
}

/** `value` on lines of its own from the second on; arrays of plain values are on one line. */
function valueText(value: Json, indent: string, layout: Layout): string {
  const isArray = Array.isArray(value);
  if (!isArray && !isObject(value)) return JSON.stringify(value);
  if (isArray && value.every((item) => typeof item !== "object" || item === null)) {
    return `[${value.map((item) => JSON.stringify(item)).join(", ")}]`;
  }
  const inner = indent + step(layout);
  const items = isArray
    ? value.map((item) => valueText(item, inner, layout))
    : Object.entries(value).flatMap(([key, item]) =>
      item === undefined ? [] : [`${JSON.stringify(key)}: ${valueText(item, inner, layout)}`]
    );
  const [open, close] = isArray ? "[]" : "{}";
  if (items.length === 0) return `${open}${close}`;
  return `${open}${layout.eol}${inner}${items.join(`,${layout.eol}${inner}`)}${layout.eol}${indent}${close}`;
}

/** `text` without the value at `path` and its key: with its lines where it has lines of its own. */
export function removeFromJsonc(text: string, path: JSONPath): string {
  const root = parseTree(text, [], { allowTrailingComma: true });
  const value = root && findNodeAtLocation(root, path);
  if (!value) return text;
  const item = value.parent?.type === "property" ? value.parent : value;
  const siblings = item.parent?.children ?? [];
  const at = siblings.indexOf(item);
  const before = siblings[at - 1];
  const comma = commaAfter(text, endOf(item));
  const cut = linesOf(text, item.offset, comma === undefined ? endOf(item) : comma + 1);
  const splices = [{ ...cut, put: "" }];
  const ownComma = comma === undefined && before ? commaAfter(text, endOf(before)) : undefined;
  if (ownComma !== undefined) splices.push({ from: ownComma, to: ownComma + 1, put: "" });
  return spliceText(text, splices);
}

function endOf({ offset, length }: Node): number {
  return offset + length;
}

/** Where the comma behind `offset` stands, if one comes before anything else. */
function commaAfter(text: string, offset: number): number | undefined {
  const scanner = createScanner(text, true);
  scanner.setPosition(offset);
  scanner.scan();
  const at = scanner.getTokenOffset();
  return text[at] === "," ? at : undefined;
}

/** The whole lines from `start` to `end` where nothing else but a comment behind stands on them. */
function linesOf(text: string, start: number, end: number): { from: number; to: number } {
  const lineStart = text.lastIndexOf("\n", start - 1) + 1;
  const rest = /^[ \t]*(?:\/\/[^\n]*|\/\*[^\n]*?\*\/[ \t]*)?(?:\r?\n)/.exec(text.slice(end));
  if (text.slice(lineStart, start).trim() === "" && rest) {
    return { from: lineStart, to: end + rest[0].length };
  }
  const spaces = /^[ \t]*/.exec(text.slice(end))?.[0].length ?? 0;
  const isLast = /^[ \t]*[}\]]/.test(text.slice(end));
  if (!isLast) return { from: start, to: end + spaces };
  // The space behind it stays, so that the one before it would be a second.
  const before = text.slice(lineStart, start).trimEnd();
  return { from: before.endsWith(",") ? lineStart + before.length : start, to: end };
}
