import { type AST, getStaticTOMLValue, ParseError, parseTOML } from "toml-eslint-parser";
import type { Json, JsonObject } from "../base/json.ts";
import type { DocumentLanguage, DocumentPath, ReadDocument, UnreadDocument } from "./document.ts";
import { positionAt } from "./layout.ts";
import { editToml, nodesUnder, withoutMark } from "./toml_edits.ts";

/** TOML. Times read as texts. */
export const TOML: DocumentLanguage = { read: readToml, edit: editToml };

function readToml(text: string): ReadDocument | UnreadDocument {
  const { body } = withoutMark(text);
  try {
    const program = parseTOML(body);
    const value = JSON.parse(JSON.stringify(getStaticTOMLValue(program), numberOf)) as JsonObject;
    return {
      value,
      positionOf: (path) => positionAt(body, offsetOf(program, path)),
      // The parser rejects them.
      repeatedKeys: () => [],
    };
  } catch (thrown) {
    if (!(thrown instanceof ParseError)) throw thrown;
    const reason = thrown.message === "Defining a key multiple times is invalid"
      ? "a key or table stands twice"
      : thrown.message;
    // A value that is missing is missed at the next line.
    const isMissing = thrown.message === "Unspecified values are invalid";
    const offset = isMissing ? body.slice(0, thrown.index).trimEnd().length : thrown.index;
    return { reason, ...positionAt(body, offset) };
  }
}

function offsetOf(program: AST.TOMLProgram, path: DocumentPath): number {
  for (let length = path.length; length > 0; length--) {
    const [first] = nodesUnder(program, path.slice(0, length).map(String));
    if (first) return first.range[0];
  }
  return 0;
}

function numberOf(_key: string, value: unknown): Json | undefined {
  return typeof value === "bigint" ? Number(value) : value as Json;
}
