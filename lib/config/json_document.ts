import { getNodeValue, type Node, type ParseError, parseTree, printParseErrorCode } from "jsonc-parser";
import { isObject, type Json, type JsonObject } from "../base/json.ts";
import type { Position } from "./config_fault.ts";

/** The place of a value in a document: object keys and array indexes from the root. */
type JsonPath = (string | number)[];

/** A parsed JSON document with the position of each of its values. */
export interface JsonDocument<T = JsonObject> {
  value: T;
  /** Position of the value at `path`, or of the nearest one around it. */
  positionOf(path: Readonly<JsonPath>): Position;
  /** Keys that occur more than once in the object at `path`. */
  repeatedKeys(path: Readonly<JsonPath>): string[];
}

/** The first syntax error of a text. */
interface SyntaxFault extends Position {
  reason: string;
}

const REASONS: Readonly<Record<string, string>> = {
  InvalidSymbol: "this is no JSON value",
  InvalidNumberFormat: "this is no number",
  PropertyNameExpected: "a key in double quotes is expected",
  ValueExpected: "a value is expected",
  ColonExpected: "a colon is expected",
  CommaExpected: "a comma is expected",
  CloseBraceExpected: "a closing } is expected",
  CloseBracketExpected: "a closing ] is expected",
  EndOfFileExpected: "nothing is expected after the closing }",
  UnexpectedEndOfString: "the text in quotes is not closed",
  UnexpectedEndOfComment: "the comment is not closed",
  InvalidEscapeCharacter: "a \\ in a text is written twice in JSON, as in C:\\\\dir, or a / in its place",
  InvalidCharacter: "a control character, as a tab or the end of a line, does not stand in a text in quotes",
};

/** Parses `text`: comments and trailing commas are allowed, an empty text is an empty object. */
export function parseDocument(text: string): JsonDocument | SyntaxFault {
  const document = parseAnyDocument(text);
  if ("reason" in document || isObject(document.value)) return document as JsonDocument | SyntaxFault;
  return { reason: "the file must hold one { } object", ...document.positionOf([]) };
}

/** As {@linkcode parseDocument}, for a document that may be an array as well. */
export function parseAnyDocument(text: string): JsonDocument<JsonObject | Json[]> | SyntaxFault {
  const source = text.replace(/^\uFEFF/, "");
  const errors: ParseError[] = [];
  const root = parseTree(source, errors, { allowTrailingComma: true, allowEmptyContent: true });
  const position = (offset: number) => positionAt(source, offset);
  const [first] = errors;
  if (first) {
    const code = printParseErrorCode(first.error);
    return { reason: REASONS[code] ?? `it cannot be read as JSON (${code})`, ...position(first.offset) };
  }
  const value: unknown = root ? getNodeValue(root) : {};
  if (!isObject(value) && !Array.isArray(value)) {
    return { reason: "the file must hold one { } object", ...position(root?.offset ?? 0) };
  }
  const nodeAt = (path: Readonly<JsonPath>): Node | undefined => {
    if (!root) return undefined;
    return nodeOf(root, path) ?? (path.length > 0 ? nodeAt(path.slice(0, -1)) : undefined);
  };
  return {
    value,
    positionOf: (path) => position(nodeAt(path)?.offset ?? 0),
    repeatedKeys: (path) => repeated(keysOf(root && nodeOf(root, path))),
  };
}

/** The value at `path`; of a key that occurs more than once it is the last, as in the parsed value. */
function nodeOf(root: Node, path: Readonly<JsonPath>): Node | undefined {
  return path.reduce<Node | undefined>((node, part) => {
    if (typeof part === "number") return node?.type === "array" ? node.children?.[part] : undefined;
    return node?.type === "object" ? propertiesOf(node).get(part) : undefined;
  }, root);
}

const properties = new WeakMap<Node, ReadonlyMap<string, Node | undefined>>();

/** The values of an object by key, kept: a file with thousands of servers is asked for a place in each. */
function propertiesOf(node: Node): ReadonlyMap<string, Node | undefined> {
  const known = properties.get(node);
  if (known !== undefined) return known;
  const made = new Map(
    (node.children ?? []).map(({ children: [key, value] = [] }) => [String(key?.value), value]),
  );
  properties.set(node, made);
  return made;
}

function keysOf(node: Node | undefined): string[] {
  const properties = node?.type === "object" ? node.children ?? [] : [];
  return properties.map((property) => String(property.children?.[0]?.value));
}

function repeated(keys: readonly string[]): string[] {
  return [...new Set(keys.filter((key, i) => keys.indexOf(key) !== i))];
}

function positionAt(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: offset - lineStart + 1 };
}
