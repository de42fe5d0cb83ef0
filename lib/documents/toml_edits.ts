import { type AST, parseTOML } from "toml-eslint-parser";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import type { DocumentEdit } from "./document.ts";
import { layoutOf, spliceText } from "./layout.ts";

type TableNode = AST.TOMLTable;
type PairNode = AST.TOMLKeyValue;

/** A part of a document that says something about one path. */
interface FoundNode {
  range: readonly [number, number];
  node: TableNode | PairNode;
  /** The inline table a pair stands in. */
  inline: AST.TOMLInlineTable | undefined;
}

const BOM = "\uFEFF";

/** `text` without its byte order mark, and the mark. */
export function withoutMark(text: string): { mark: string; body: string } {
  const mark = text.startsWith(BOM) ? BOM : "";
  return { mark, body: text.slice(mark.length) };
}

/** `text` after `edits`: lines that they do not concern stay as they are. */
export function editToml(text: string, edits: readonly DocumentEdit[]): string {
  const { mark, body } = withoutMark(text);
  return mark + edits.reduce((result, { path, value }) => {
    const keys = path.map(String);
    return value === undefined ? remove(result, keys) : put(result, keys, value);
  }, body);
}

/** Tables and pairs whose path begins with `path`, the outermost only. */
export function nodesUnder(program: AST.TOMLProgram, path: readonly string[]): FoundNode[] {
  const found: FoundNode[] = [];
  const begins = (keys: readonly string[]) => path.every((key, i) => keys[i] === key);
  const visit = (pair: PairNode, around: readonly string[], inline?: AST.TOMLInlineTable) => {
    const keys = [...around, ...namesOf(pair)];
    if (begins(keys)) found.push({ range: pair.range, node: pair, inline });
    else if (pair.value.type === "TOMLInlineTable") {
      for (const inner of pair.value.body) visit(inner, keys, pair.value);
    }
  };
  for (const node of program.body[0].body) {
    if (node.type === "TOMLKeyValue") visit(node, []);
    else if (begins(node.resolvedKey.map(String))) found.push({ range: node.range, node, inline: undefined });
    else for (const pair of node.body) visit(pair, node.resolvedKey.map(String));
  }
  return found;
}

function namesOf({ key }: PairNode): string[] {
  return key.keys.map((part) => part.type === "TOMLBare" ? part.name : part.value);
}

function remove(text: string, path: readonly string[]): string {
  const program = parseTOML(text);
  const found = nodesUnder(program, path);
  const cuts = found.map(({ range, node, inline }) =>
    inline && node.type === "TOMLKeyValue" ? inlineCut(text, inline, node) : lineCut(text, range)
  );
  return spliceText(text, cuts.map(([from, to]) => ({ from, to, put: "" })));
}

/** The whole lines of `range`, and the blank ones after it where there are blank ones before it too. */
function lineCut(text: string, [start, end]: readonly [number, number]): [number, number] {
  const from = text.lastIndexOf("\n", start - 1) + 1;
  const rest = /^[^\n]*(?:\n|$)/.exec(text.slice(end))?.[0].length ?? 0;
  let to = end + rest;
  const isAfterGap = from === 0 || /(?:^|\n)[ \t]*\r?\n$/.test(text.slice(0, from));
  if (isAfterGap) to += /^(?:[ \t]*\r?\n)+/.exec(text.slice(to))?.[0].length ?? 0;
  return [from, to];
}

/** A pair of an inline table, with one of the commas beside it. */
function inlineCut(text: string, table: AST.TOMLInlineTable, pair: PairNode): [number, number] {
  const at = table.body.indexOf(pair);
  const [before, after] = [table.body[at - 1], table.body[at + 1]];
  if (after) return [pair.range[0], after.range[0]];
  const trailing = /^\s*,/.exec(text.slice(pair.range[1]))?.[0].length ?? 0;
  return before ? [before.range[1], pair.range[1]] : [pair.range[0], pair.range[1] + trailing];
}

function put(text: string, path: readonly string[], value: Json): string {
  const program = parseTOML(text);
  const nodes = nodesUnder(program, path);
  const [only] = nodes;
  if (
    nodes.length === 1 && only!.node.type === "TOMLKeyValue" && namesOf(only!.node).at(-1) === path.at(-1)
  ) {
    const [from, to] = only!.node.value.range;
    return spliceText(text, [{ from, to, put: inlineText(value) }]);
  }
  if (nodes.length > 0) return put(remove(text, path), path, value);
  const parent = path.slice(0, -1);
  const table = inlineTableAt(program, parent);
  if (table) return putInline(text, table, inlinePair(path.at(-1)!, value));
  return isObject(value) ? putTable(text, path, value) : putPair(text, path, value);
}

function inlineTableAt(program: AST.TOMLProgram, path: readonly string[]): AST.TOMLInlineTable | undefined {
  if (path.length === 0) return undefined;
  const [found] = nodesUnder(program, path);
  const value = found?.node.type === "TOMLKeyValue" ? found.node.value : undefined;
  return value?.type === "TOMLInlineTable" ? value : undefined;
}

function putInline(text: string, { range, body }: AST.TOMLInlineTable, pair: string): string {
  const last = body.at(-1);
  const [from, put] = last ? [last.range[1], `, ${pair}`] : [range[0] + 1, ` ${pair} `];
  return spliceText(text, [{ from, to: from, put }]);
}

/** Puts a table behind the last one of the same parent, else at the end. */
function putTable(text: string, path: readonly string[], value: JsonObject): string {
  const { eol } = layoutOf(text);
  const siblings = nodesUnder(parseTOML(text), path.slice(0, -1));
  const last = siblings.findLast(({ node }) => node.type === "TOMLTable");
  const lines = tableLines(path, value).join(eol) + eol;
  if (!last) {
    const gap = text === "" ? "" : text.endsWith("\n") ? eol : eol + eol;
    return text + gap + lines;
  }
  const end = last.range[1];
  const lineEnd = text.indexOf("\n", end);
  const at = lineEnd < 0 ? text.length : lineEnd + 1;
  const gap = lineEnd < 0 ? eol + eol : eol;
  return spliceText(text, [{ from: at, to: at, put: gap + lines }]);
}

function tableLines(path: readonly string[], value: JsonObject): string[] {
  const entries = Object.entries(value).filter(([, inner]) => inner !== undefined) as [string, Json][];
  const pairs = entries.filter(([, inner]) => !isObject(inner)).map(([key, inner]) => inlinePair(key, inner));
  const tables = entries.flatMap(([key, inner]) =>
    isObject(inner) ? ["", ...tableLines([...path, key], inner)] : []
  );
  return [`[${path.map(keyText).join(".")}]`, ...pairs, ...tables];
}

/** Puts a plain value into the table of its parent, which is made where it is missing. */
function putPair(text: string, path: readonly string[], value: Json): string {
  const { eol } = layoutOf(text);
  const parent = path.slice(0, -1);
  const program = parseTOML(text);
  const pair = inlinePair(path.at(-1)!, value);
  const top = program.body[0];
  const table = parent.length === 0
    ? undefined
    : top.body.find((node) =>
      node.type === "TOMLTable" && node.kind === "standard" &&
      node.resolvedKey.length === parent.length &&
      node.resolvedKey.every((key, i) => String(key) === parent[i])
    );
  if (parent.length > 0 && !table) {
    const dotted = nodesUnder(program, parent).findLast(({ node }) => node.type === "TOMLKeyValue");
    return dotted ? putDotted(text, dotted, path, value) : putTable(text, parent, { [path.at(-1)!]: value });
  }
  const pairs = parent.length === 0
    ? top.body.filter((node) => node.type === "TOMLKeyValue")
    : table?.type === "TOMLTable"
    ? table.body
    : [];
  const end = pairs.at(-1)?.range[1] ?? (table?.type === "TOMLTable" ? table.key.range[1] : 0);
  const lineEnd = end === 0 ? -1 : text.indexOf("\n", end);
  if (end === 0) return pair + eol + text;
  return lineEnd < 0
    ? text + eol + pair + eol
    : spliceText(text, [{ from: lineEnd + 1, to: lineEnd + 1, put: pair + eol }]);
}

/** Puts a pair behind `sibling`, one with a dotted key, in the same table. */
function putDotted(text: string, { node, range }: FoundNode, path: readonly string[], value: Json): string {
  const around = node.parent?.type === "TOMLTable" ? node.parent.resolvedKey.length : 0;
  const key = path.slice(around).map(keyText).join(".");
  const lineEnd = text.indexOf("\n", range[1]);
  const { eol } = layoutOf(text);
  const pair = `${key} = ${inlineText(value)}`;
  return lineEnd < 0
    ? text + eol + pair + eol
    : spliceText(text, [{ from: lineEnd + 1, to: lineEnd + 1, put: pair + eol }]);
}

function inlinePair(key: string, value: Json): string {
  return `${keyText(key)} = ${inlineText(value)}`;
}

function keyText(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : quoted(key);
}

/** A basic string of TOML has the escapes of JSON, but for DEL. */
function quoted(text: string): string {
  return JSON.stringify(text.toWellFormed()).replaceAll("\x7f", "\\u007f");
}

function inlineText(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(inlineText).join(", ")}]`;
  if (isObject(value)) {
    const pairs = Object.entries(value).flatMap(([key, inner]) =>
      inner === undefined ? [] : [inlinePair(key, inner)]
    );
    return pairs.length === 0 ? "{}" : `{ ${pairs.join(", ")} }`;
  }
  return typeof value === "string" ? quoted(value) : String(value ?? "");
}
